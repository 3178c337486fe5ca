"""The most that a plan may lose: what is reserved for it, and held against every budget."""

from __future__ import annotations

from dataclasses import dataclass

from bot.execution.build import Terms
from bot.execution.marks import Marks
from bot.gas import GasCoin
from bot.ledger.records import WorstCase
from bot.market import Market, UnknownVenue
from bot.plan import Order, Plan, Side
from bot.transaction import Fees
from chains.exchanges.books import Unquotable

_PPM = 10**6
_MARK_UNITS = 10**18


@dataclass(frozen=True, slots=True)
class WorstCases:
    """Counted at the opening `marks`. Unwinding a two-sided plan may cost `unwind_loss_ppm` of what it spends."""

    market: Market
    marks: Marks
    coin: GasCoin
    unwind_loss_ppm: int

    def of(self, plan: Plan, bound: Terms, fees: Fees) -> WorstCase:
        """What `plan` may lose on these terms. What its strategy expects of it counts for nothing. Raises `NoMark`."""
        gas_wei = self.coin.cost_wei(fees.worst_cost_wei)
        if plan.atomic:
            return WorstCase(loss_wei=gas_wei, gas_wei=gas_wei)
        capital_wei = self.marks.wei(plan.swaps[0].token_in, plan.amount_in)
        lost_wei = capital_wei * self.unwind_loss_ppm // _PPM
        if not plan.unwinds:
            lost_wei = max(lost_wei, self._given_up_wei(plan, bound, capital_wei))
        return WorstCase(loss_wei=gas_wei + lost_wei, gas_wei=gas_wei, capital_wei=capital_wei)

    def _given_up_wei(self, plan: Plan, bound: Terms, capital_wei: int) -> int:
        """What it does not bring back, should it bring no more than it must."""
        # Rounded as the signer rounds its marks, which counts no less.
        mark = self.marks.wei(plan.swaps[-1].token_out, _MARK_UNITS)
        given_up_wei = capital_wei - bound.min_out * mark // _MARK_UNITS
        return given_up_wei - sum(self._ordered_wei(order, plan, bound) for order in plan.orders)

    def _ordered_wei(self, order: Order, plan: Plan, bound: Terms) -> int:
        """What covering the chain side brings beyond what it spends, by the book of now; 0 where it cannot be."""
        selling, first, last = order.side is Side.SELL, plan.swaps[0].token_in, plan.swaps[-1].token_out
        token, units = (last, bound.min_out) if selling else (first, plan.amount_in)
        try:
            book = self.market.book(order.exchange, order.symbol)
            amount = book.whole_lots(units * 10**order.base.decimals // 10**token.decimals)
            if selling:
                return self.marks.wei(order.quote, book.sell_base(amount).received) - self.marks.wei(order.base, amount)
            bought = book.buy_base(amount)
        except (UnknownVenue, Unquotable):
            return 0
        return self.marks.wei(order.base, bought.received) - self.marks.wei(order.quote, bought.cost)
