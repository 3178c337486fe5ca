"""The exchange side of two-sided plans: hedge exactly what filled on the chain, by a deadline, or unwind it.

An order's client id is in the ledger before the order leaves. A lost reply leaves it UNKNOWN: it is looked up by
that id, never sent again, and nothing new is traded at that exchange until it is known what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bot.execution.marks import Marks
from bot.execution.transactions import Identity, Settled
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Intent, PlacedOrder, Purpose, TradeFill
from bot.ledger.states import Exposure, MinedAs, OrderState
from bot.market import Market
from bot.plan import Order, Plan, Side, Swap
from bot.reasons import Reason, Refusal
from bot.strategy import Inventory
from chains.assets import Address, Asset, Assets, Token
from chains.blocks import Head
from chains.exchanges.adapter import Exchange, ExchangeOrder, OrderReport
from chains.exchanges.books import Book
from chains.pools.pool import PoolError

_PPM = 10**6


@dataclass(frozen=True, slots=True)
class HedgePolicy:
    """How a hedge is priced. `tolerance_ppm` is how far past the book's own price a hedge may reach; after
    `deadline_blocks` it is unwound on the chain, giving up at most `unwind_loss_ppm` of its value."""

    tolerance_ppm: int = 1_000
    deadline_blocks: int = 3
    unwind_loss_ppm: int = 10_000


@dataclass(frozen=True, slots=True)
class Debt:
    """What one settled plan still owes the exchange: `remaining` base units, until `deadline_block`."""

    settled: Settled
    side: Side
    remaining: int
    deadline_block: int
    open_client_id: str | None = None
    hedged_wei: int = 0


class HedgeDesk:
    """Keeps what is owed, and what inventory is free."""

    def __init__(
        self,
        *,
        identity: Identity,
        market: Market,
        assets: Assets,
        ledger: Ledger,
        exchanges: Mapping[str, Exchange],
        inventory_tokens: Mapping[Token, int],
        marks: Marks,
        policy: HedgePolicy,
    ) -> None:
        """`inventory_tokens` are the chain's inventory tokens with the executor's cap per block, in base units."""
        self._identity = identity
        self._market = market
        self._assets = assets
        self._ledger = ledger
        self._exchanges = exchanges
        self._caps = inventory_tokens
        self._marks = marks
        self._policy = policy
        self._committed: dict[int, dict[Token, int]] = {}
        self._debts: dict[int, Debt] = {}
        self.closed: list[str] = []

    def inventory(self) -> Inventory:
        """Base units free to spend now: balances less what plans in flight will use, within the caps per block."""
        free: dict[Token, int] = {}
        for token, cap in self._caps.items():
            held = self._ledger.balance(Account.of(self._identity.inventory, token)) - self._used(token)
            free[token] = max(min(held, cap - self._used(token)), 0)
        for exchange in self._exchanges.values():
            for token in exchange.tokens:
                held = self._ledger.balance(Account.of(exchange.account, token)) - self._used(token)
                free[token] = max(held, 0)
        return free

    def _used(self, token: Token) -> int:
        return sum(spent.get(token, 0) for spent in self._committed.values())

    def refusal(self, plan: Plan) -> Refusal | None:
        """Why this plan's other side cannot be promised now; None when it can, or when it has none."""
        if not plan.orders:
            return None
        stuck = [debt for debt in self._debts.values() if debt.open_client_id is not None]
        for order in plan.orders:
            if any(debt.settled.plan.orders[0].exchange == order.exchange for debt in stuck):
                return Refusal(Reason.EXCHANGE_REFUSED, f"an order at {order.exchange} has an unknown outcome")
        free = self.inventory()
        for token, units in self._spends(plan).items():
            if units > free.get(token, 0):
                return Refusal(Reason.NO_INVENTORY, f"{units} units of {token} needed, {free.get(token, 0)} free")
        return None

    def _spends(self, plan: Plan) -> dict[Token, int]:
        spends = {plan.swaps[0].token_in: plan.swaps[0].amount_in}
        for order in plan.orders:
            if order.side is Side.SELL:
                spends[order.base] = order.amount
            else:
                spends[order.quote] = order.expected_quote * (_PPM + self._policy.unwind_loss_ppm) // _PPM
        return spends

    def owe(self, intent: Intent, plan: Plan) -> None:
        """A plan with another side was sent: its inventory is spoken for."""
        if not plan.atomic:
            self._committed[intent.id] = self._spends(plan)

    async def on_settled(self, settled: Settled) -> None:
        """The chain side is in a block: owe the exchange exactly what filled, and hedge it now."""
        plan, intent = settled.plan, settled.intent
        self._committed.pop(intent.id, None)
        if not plan.orders or intent.mined_as is not MinedAs.OK:
            return
        order = plan.orders[0]
        token = self._chain_token(plan, order.base)
        filled = settled.deltas.get((self._identity.inventory, Address(token.address)), 0)
        units = abs(filled) * 10**order.base.decimals // 10**token.decimals
        self._debts[intent.id] = Debt(
            settled=settled,
            side=Side.SELL if filled > 0 else Side.BUY,
            remaining=units,
            deadline_block=settled.receipt.block_number + self._policy.deadline_blocks,
        )
        await self._hedge(intent.id)

    def _chain_token(self, plan: Plan, base: Token) -> Token:
        """The plan's token on the chain that is the same asset as the order's base."""
        asset: Asset = self._assets.of(base)
        ends = (plan.swaps[0].token_in, plan.swaps[-1].token_out)
        return next(token for token in ends if self._assets.of(token) == asset)

    async def on_block(self, head: Head) -> list[Plan]:
        """Go on with every debt; the plans returned unwind on the chain what missed its deadline."""
        unwinds = []
        for intent_id in list(self._debts):
            await self._look_up(intent_id)
            debt = self._debts.get(intent_id)
            if debt is None or debt.open_client_id is not None:
                continue
            if head.number > debt.deadline_block:
                plan = self._unwind(debt, head)
                if plan is not None:
                    unwinds.append(plan)
            else:
                await self._hedge(intent_id)
        return unwinds

    async def _look_up(self, intent_id: int) -> None:
        debt = self._debts[intent_id]
        if debt.open_client_id is None:
            return
        order = debt.settled.plan.orders[0]
        report = await self._exchanges[order.exchange].find(debt.open_client_id, order.symbol)
        if report is not None:
            self._book(intent_id, debt.open_client_id, report)

    async def _hedge(self, intent_id: int) -> None:
        """Place one immediate-or-cancel order for all that remains, priced from the newest book."""
        debt = self._debts[intent_id]
        template = debt.settled.plan.orders[0]
        book = self._market.book(template.exchange, template.symbol)
        amount = debt.remaining - debt.remaining % book.lot
        limit = self._limit(book, debt.side, amount) if amount else None
        if limit is None or Decimal(amount) * limit / 10**template.base.decimals < book.min_notional:
            self._close(intent_id, Exposure.HEDGED)
            return
        exchange = self._exchanges[template.exchange]
        order = replace(template, side=debt.side, amount=amount, limit_price=limit)
        placed = self._ledger.place_order(debt.settled.intent.id, order, exchange.account, Purpose.HEDGE)
        report = await exchange.place(
            ExchangeOrder(order.symbol, str(order.side), order.amount, order.limit_price, placed.client_id)
        )
        self._book(intent_id, placed.client_id, report)

    def _limit(self, book: Book, side: Side, amount: int) -> Decimal | None:
        """The worst price a hedge may trade at, on the tick; None when the book cannot take it at all."""
        quoted = book.sell_base(amount) if side is Side.SELL else book.buy_base(amount)
        if quoted is None:
            return None
        sign, rounding = (-1, ROUND_FLOOR) if side is Side.SELL else (1, ROUND_CEILING)
        reach = quoted.limit_price * (1 + Decimal(sign * self._policy.tolerance_ppm) / _PPM)
        return (reach / book.tick).to_integral_value(rounding) * book.tick

    def _book(self, intent_id: int, client_id: str, report: OrderReport) -> None:
        """Write down what the exchange says, and what is still owed after it."""
        debt = self._debts[intent_id]
        order = debt.settled.plan.orders[0]
        fills = [
            TradeFill(fill.trade_id, fill.amount, fill.cost, fill.fee_currency, fill.fee_units) for fill in report.fills
        ]
        placed = self._ledger.record_order(order.exchange, client_id, OrderState(report.state), fills, report.order_id)
        if placed.state is OrderState.UNKNOWN:
            self._debts[intent_id] = replace(debt, open_client_id=client_id)
            self._ledger.record_event("warning", "order_unknown", f"{client_id} at {order.exchange}: {report.detail}")
            return
        remaining = debt.remaining - placed.filled_units
        self._debts[intent_id] = replace(
            debt, remaining=remaining, open_client_id=None, hedged_wei=debt.hedged_wei + self._value(order, debt.side, fills)
        )
        book = self._market.book(order.exchange, order.symbol)
        if remaining < book.lot:
            self._close(intent_id, Exposure.HEDGED)
'''
'''
