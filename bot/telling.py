"""Decisions and what became of them as lines for a person: one line each, in columns, the outcome before the route."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.execution.debts import Closed
from bot.execution.transactions import Sent, Settled
from bot.ledger.states import Exposure, MinedAs
from bot.plan import Plan
from bot.reasons import Refusal

_ETH = Decimal(10) ** 18
_OUTCOME_WIDTH = 8
_ETH_WIDTH = 15
_DETAIL_WIDTH = 90
_FIGURES = 6
_MINED_AS = {MinedAs.OK: "settled", MinedAs.REVERTED: "REVERTED", MinedAs.NOOP: "cancelled"}


@dataclass(frozen=True, slots=True)
class Teller:
    """`width` is that of the longest strategy's name."""

    width: int

    def decided(self, plan: Plan, outcome: Sent | Refusal | None) -> str:
        """A plan and how far it got; None is as far as a dry run goes. The amount is what the plan expects."""
        if isinstance(outcome, Sent):
            word, detail = "sent", f"{outcome.tx_hash[:12]}, nonce {outcome.intent.nonce}"
        elif isinstance(outcome, Refusal):
            word, detail = "refused", str(outcome)
        else:
            word, detail = "dry", "would be signed and sent"
        what = plan.note if plan.unwinds else f"{route(plan)}, {size(plan)}"
        return self._line(plan.block_number, plan.strategy, word, plan.expected_profit_wei, f"{what}; {cut(detail)}")

    def settled(self, settled: Settled) -> str:
        """What the chain made of a transaction. The amount is after gas."""
        receipt = settled.receipt
        word = _MINED_AS[settled.intent.mined_as or MinedAs.REVERTED]
        net_wei = settled.profit_wei - settled.gas_cost_wei
        detail = f"after gas; {receipt.tx_hash[:12]}" + (f"; {settled.explanation}" if settled.explanation else "")
        return self._line(receipt.block_number, settled.plan.strategy, word, net_wei, detail)

    def closed(self, closed: Closed, block_number: int, profit_wei: int | None) -> str:
        """A two-sided intent that owes nothing any more. A profit of None was not booked."""
        word = "back" if closed.exposure is Exposure.NONE else str(closed.exposure)
        return self._line(block_number, closed.intent.strategy, word, profit_wei, "after gas and fees, both sides")

    def _line(self, block_number: int, strategy: str, word: str, wei: int | None, detail: str) -> str:
        amount = "unknown" if wei is None else eth(wei)
        columns = f"{block_number}  {strategy:<{self.width}}  {word:<{_OUTCOME_WIDTH}}  {amount:>{_ETH_WIDTH}}"
        return f"{columns}  {detail}"


def route(plan: Plan) -> str:
    """`WETH -> USDT -> ETH`: what is held after each leg; several routes one after another, ` + ` between them."""
    paths = [[route[0].token_in.symbol, *(swap.token_out.symbol for swap in route)] for route in plan.routes]
    paths[-1] += [order.quote.symbol if order.side == "sell" else order.base.symbol for order in plan.orders]
    return " + ".join(" -> ".join(held) for held in paths)


def size(plan: Plan) -> str:
    """What goes in, to six figures."""
    token = plan.swaps[0].token_in
    return f"{figures(token.whole(plan.amount_in))} {token.symbol} in"


def figures(value: Decimal) -> str:
    """A number to six significant figures, without an exponent."""
    decimals = max(0, _FIGURES - 1 - value.adjusted()) if value else 0
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def cut(detail: str) -> str:
    """One line that fits; the ledger and the dashboard have it whole."""
    return detail if len(detail) <= _DETAIL_WIDTH else f"{detail[: _DETAIL_WIDTH - 1]}…"


def eth(wei: int) -> str:
    """Wei as a short number of ETH for a person: six decimals, more where these would not be three figures."""
    value = Decimal(wei) / _ETH
    decimals = min(18, max(_FIGURES, 2 - value.adjusted())) if wei else _FIGURES
    return f"{value:+.{decimals}f} ETH"


def times(number: int) -> str:
    """How often."""
    return "once" if number == 1 else f"{number} times"
