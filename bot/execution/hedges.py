"""The exchange side of two-sided plans: hedge exactly what filled on the chain, by a deadline, or unwind it there.

An order's client id is in the ledger before the order leaves. A lost reply leaves it UNKNOWN: it is looked up by
that id, never sent again, and nothing new is traded at that exchange until it is known what became of it. What stays
unknown is QUARANTINED: it keeps what it may have spent, and its symbol rests, until a look-up or a person settles it.
An exchange that refuses an order gets nothing new for a while either (`resting`); what is owed there is tried on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from bot.execution.debts import Closed, Debt, HedgePolicy
from bot.execution.inventory import InventoryDesk, spent_by
from bot.execution.marks import Marks
from bot.execution.ordering import TradingAccount, is_dust, most_spent, priced
from bot.execution.owing import Owing
from bot.execution.resting import Resting
from bot.execution.shortfalls import Shortfalls
from bot.execution.transactions import Settled
from bot.execution.unwind import names_of, unwinding
from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent, PlacedOrder, Purpose, TradeFill
from bot.ledger.states import CLOSED_ORDERS, IN_FLIGHT, SETTLED, UNCLEAR_ORDERS, Exposure, MinedAs, OrderState
from bot.market import Market, UnknownVenue, VenueId
from bot.market.books import book_id
from bot.plan import Plan, Side
from bot.reasons import Reason, Refusal
from chains.assets import Assets, Token
from chains.blocks import Head
from chains.exchanges.orders import ExchangeOrder, OrderReport, OrderStatus
from chains.exchanges.troubles import ExchangeUnavailable

_QUARANTINED_EVERY_BLOCKS = 10
"""How seldom the exchange is still asked about an order in quarantine."""


class HedgeDesk:
    """Keeps what is owed to the exchanges, and pays it."""

    def __init__(
        self,
        *,
        market: Market,
        assets: Assets,
        ledger: Ledger,
        exchanges: Mapping[str, TradingAccount],
        inventory: InventoryDesk,
        marks: Marks,
        policies: Mapping[str, HedgePolicy],
        may_order: Callable[[str], bool] = lambda strategy: True,
    ) -> None:
        """`policies` by strategy name; a strategy without one has the defaults. `may_order` says for which one orders
        may be placed and plans begun at all.
        """
        self._market = market
        self._ledger = ledger
        self._owing = Owing(ledger, assets)
        self.resting = Resting(ledger)
        """Exchanges at which nothing new is begun."""
        self._exchanges = exchanges
        self._inventory = inventory
        self._shortfalls = Shortfalls(ledger, inventory, exchanges, self.resting)
        self._marks = marks
        self._policies = policies
        self._may_order = may_order
        self._debts: dict[int, Debt] = {}
        self._short: set[int] = set()
        self._silent: set[str] = set()
        self._closed: Sequence[Intent] = ()
        self._ordered: set[VenueId] = set()
        inventory.owed = self._owed

    def start(self, head: Head) -> None:
        """Take up the debts the ledger still knows of, and what was on its way to end them.

        Their deadlines count from `head`.
        """
        self.resting.at_head(head.timestamp_s)
        open_intents = self._ledger.open_intents()
        in_flight = [intent for intent in open_intents if intent.state in IN_FLIGHT]
        # What is in a block since the last process ended may have made them owe again.
        self._closed = self._ledger.mined_intents()
        for intent in open_intents:
            if intent.exposure is Exposure.OWED:
                owed = self._debts[intent.id] = self._debt(intent, self._ledger.plan(intent.plan_id), head.number)
                self._tell_of_lost(owed)
        for intent in in_flight:
            plan = self._ledger.plan(intent.plan_id)
            self._inventory.speak_for(intent.id, plan)
            debt = self._debt_of(plan.unwinds)
            if debt is not None:
                self._debts[debt.intent_id] = replace(debt, unwound_by=plan.id)

    def _tell_of_lost(self, debt: Debt) -> None:
        """An exchange is told of an order that may have been sent to it before this process began."""
        if debt.open_order is not None:
            placed = self._ledger.order(debt.order.exchange, debt.open_order)
            if placed.state in UNCLEAR_ORDERS:
                self._exchanges[placed.exchange].sent_before(_sent(placed))

    @property
    def owes(self) -> bool:
        """Whether anything still has another side to come."""
        return bool(self._debts)

    @property
    def has_to_act(self) -> bool:
        """Whether anything of that may have to be ordered or unwound, and is not only asked about or on its way."""
        return any(debt.open_order is None for debt in self._debts.values())

    def refusal(self, plan: Plan) -> Refusal | None:
        """Why this plan's other side cannot be promised now; None when it can, or when it has none."""
        for order in plan.orders:
            for debt in self._debts.values():
                if debt.open_order is None or debt.order.exchange != order.exchange:
                    continue
                if not debt.quarantined or order.exchange in self._silent:
                    detail = f"what became of {debt.open_order} at {order.exchange} is not known"
                    return Refusal(Reason.ORDER_UNKNOWN, detail)
                if debt.order.symbol == order.symbol:
                    detail = f"{debt.open_order} at {order.exchange}: `isthmus orders settle` says what became of it"
                    return Refusal(Reason.ORDER_QUARANTINED, detail)
            why = self.resting.why(order.exchange)
            if why is not None:
                return Refusal(Reason.EXCHANGE_RESTS, why)
        return self._inventory.refusal(plan)

    @contextmanager
    def together(self, *, acts: bool = False) -> Iterator[None]:
        """One `batch` of the ledger; where it fails, what is owed is what was owed before it."""
        debts = dict(self._debts)
        try:
            with self._ledger.batch(acts=acts):
                yield
        except BaseException:
            self._debts = debts
            raise

    def owe(self, settled: Iterable[Settled]) -> list[PlacedOrder]:
        """The chain sides are in a block: owe the exchange exactly what filled; the orders that are to pay it now.

        They may leave once they are on the disk, by `pay`; `book` is to follow it.
        """
        placed = (self._owe_other_side(each) for each in settled)
        return [order for order in placed if order is not None]

    async def pay(self, settled: Iterable[Settled], placed: Iterable[PlacedOrder]) -> list[OrderReport]:
        """What the exchanges say of orders that are `placed` for what is `settled`, both of which is on the disk.

        They leave together: each spends only what was set aside for it, so none waits for another's answer.
        """
        for each in settled:
            self._inventory.release(each.intent.id)
        return await asyncio.gather(*(self._send(order) for order in placed))

    def book(self, placed: Iterable[PlacedOrder], reports: Iterable[OrderReport]) -> list[Closed]:
        """Write down what the exchanges said of `placed`, and close what is paid."""
        for order, report in zip(placed, reports, strict=True):
            self._book(self._debts[order.intent_id], order.client_id, report)
        return self._close_paid()

    def _owe_other_side(self, settled: Settled) -> PlacedOrder | None:
        intent, plan = settled.intent, settled.plan
        if not plan.orders:
            if plan.unwinds:
                self._unwound(settled)
            return None
        fresh = intent.exposure is Exposure.OWED and intent.id not in self._debts
        if intent.exposure is not Exposure.OWED:
            if not self._uneven(intent, plan):
                # It owed before a reorganisation took it out of its block, and came back without anything to owe.
                self._debts.pop(intent.id, None)
                return None
            intent = self._ledger.reopen_exposure(intent.id)
        debt = self._owe(intent, plan, settled.receipt.block_number, fresh=fresh)
        return self._order(debt) if debt.open_order is None and self._may_order(plan.strategy) else None

    async def on_block(self, head: Head, gas_price_wei: int) -> tuple[list[Closed], list[Plan]]:
        """Go on with every debt: all are ordered or looked up at once, and each answer is booked as it comes.

        The plans returned unwind on the chain what missed its deadline.
        """
        self.resting.at_head(head.timestamp_s)
        self._give_up_lost()
        for intent in self._closed:
            # Of an exchange that is not in the run any more, nothing was open.
            with suppress(UnknownVenue):
                self._owe_again(self._ledger.intent(intent.id), head.number)
        self._closed = ()
        await self._shortfalls.at_head({debt.order.exchange for debt in self._debts.values() if debt.unclear})
        unclear = [(debt, debt.open_order) for debt in self._debts.values() if debt.open_order is not None]
        ready = [debt for debt in self._debts.values() if debt.open_order is None and self._goes_on(debt)]
        due = [debt for debt in ready if debt.back or debt.unwind_failed or head.number <= debt.deadline_block]
        placed = self._order_all(due)
        ended = await asyncio.gather(
            *(self._hedge(order) for order in placed),
            *(self._look_up(debt, client_id) for debt, client_id in unclear),
            return_exceptions=True,
        )
        # Raised once all have ended: what came late would be booked beside the next block.
        for error in ended:
            if error is not None:
                raise error
        unwinds = [plan for debt in ready if debt not in due for plan in self._unwind(debt, head, gas_price_wei)]
        return self._close_paid(), unwinds

    def ordered(self) -> set[VenueId]:
        """The books that orders went to since this was asked last: their best levels may be gone."""
        ordered, self._ordered = self._ordered, set()
        return ordered

    def unwind_failed(self, plan_id: str) -> None:
        """An unwinding plan was refused or reverted: the exchange has its turn, and then there is another."""
        for debt in list(self._debts.values()):
            if debt.unwound_by == plan_id:
                self._debts[debt.intent_id] = replace(debt, unwound_by=None, unwind_failed=True)

    def _give_up_lost(self) -> None:
        """What was to unwind a debt and neither landed nor is on its way any more will not end it."""
        awaited = {debt.unwound_by for debt in self._debts.values() if debt.unwound_by is not None}
        if awaited:
            for lost in awaited - {intent.plan_id for intent in self._ledger.open_intents()}:
                self.unwind_failed(lost)

    def _owed(self) -> list[tuple[Token, int]]:
        """What the exchanges are to be paid; what an order in quarantine may have spent is held back already."""
        paid = (debt for debt in self._debts.values() if debt.unwound_by is None and not debt.quarantined)
        return [spent_by(debt.order, debt.remaining) for debt in paid]

    def _debt(self, intent: Intent, plan: Plan, block_number: int, *, fresh: bool = False) -> Debt:
        """What it owes by the books; its deadline counts from that block."""
        deadline_block = block_number + self._policy(plan).deadline_blocks
        debt = self._owing.debt(intent, plan, deadline_block=deadline_block, fresh=fresh)
        if debt.quarantined and debt.open_order is not None:
            placed = self._ledger.order(debt.order.exchange, debt.open_order)
            self._inventory.hold_back(placed.client_id, *most_spent(debt.order, placed))
        return debt

    def _policy(self, plan: Plan) -> HedgePolicy:
        return self._policies.get(plan.strategy, HedgePolicy())

    async def _look_up(self, debt: Debt, client_id: str) -> None:
        debt = self._debts[debt.intent_id] = replace(debt, unclear_blocks=debt.unclear_blocks + 1)
        placed = self._ledger.order(debt.order.exchange, client_id)
        if placed.state in CLOSED_ORDERS:
            self._known(debt, placed)
            return
        if debt.quarantined and debt.unclear_blocks % _QUARANTINED_EVERY_BLOCKS:
            return
        account, symbol = self._exchanges[debt.order.exchange], debt.order.symbol
        self._silent.discard(debt.order.exchange)
        try:
            report = await account.find(client_id, symbol)
            if report is not None and report.status is OrderStatus.OPEN:
                # Ours trade at once or never: one that rests may trade at any later time.
                self._book(debt, client_id, report)
                report = await account.cancel(client_id, symbol)
        except ExchangeUnavailable as error:
            self._ledger.record_event(Level.WARNING, "exchange_unavailable", str(error))
            self._silent.add(debt.order.exchange)
            report = None
        if report is not None:
            self._book(debt, client_id, report)
        elif not debt.quarantined and debt.unclear_blocks >= self._policy(debt.plan).quarantine_blocks:
            self._quarantine(debt, placed)

    def _quarantine(self, debt: Debt, placed: PlacedOrder) -> None:
        """Nobody knows of it, for too long: only its own symbol goes on resting for it."""
        placed = self._ledger.record_order(placed.exchange, placed.client_id, OrderState.QUARANTINED)
        if placed.state is not OrderState.QUARANTINED:
            return
        self._inventory.hold_back(placed.client_id, *most_spent(debt.order, placed))
        self._debts[debt.intent_id] = replace(debt, quarantined=True)
        detail = f"{placed.client_id} at {placed.exchange}: unknown for {debt.unclear_blocks} blocks"
        self._ledger.record_event(Level.ERROR, "order_quarantined", detail)

    def _goes_on(self, debt: Debt) -> bool:
        """Whether an order or an unwinding may be begun for it."""
        return debt.unwound_by is None and self._owing.stands(debt) and self._may_order(debt.plan.strategy)

    def _order_all(self, due: Sequence[Debt]) -> list[PlacedOrder]:
        """The orders that pay them, on the disk by one commit."""
        if not due:
            return []
        with self.together(acts=True):
            placed = [self._order(debt) for debt in due]
        return [order for order in placed if order is not None]

    async def _hedge(self, placed: PlacedOrder) -> None:
        report = await self._send(placed)
        self._book(self._debts[placed.intent_id], placed.client_id, report)

    def _order(self, debt: Debt) -> PlacedOrder | None:
        """One immediate-or-cancel order for what is owed, priced from the newest book, written down to be sent.

        From now on it may be anywhere: only what the exchange says of it ends it.
        """
        template = debt.order
        book = self._market.book(template.exchange, template.symbol)
        spent, needed = spent_by(template, debt.remaining)
        held = self._inventory.held(spent) - self._out(spent)
        order = priced(debt, book, self._policy(debt.plan).tolerance_ppm, held)
        if held < needed and (order is None or order.amount < book.whole_lots(debt.remaining)):
            self._tell_short(debt, f"{spent.whole(needed)} {spent}, of which {spent.whole(held)} are there")
        debt = self._debts[debt.intent_id] = replace(debt, unwind_failed=False)
        if order is None:
            return None
        purpose = Purpose.UNWIND if debt.back else Purpose.HEDGE
        placed = self._ledger.place_order(debt.intent_id, order, self._exchanges[template.exchange].name, purpose)
        self._debts[debt.intent_id] = replace(debt, open_order=placed.client_id)
        self._ordered.add(book_id(template.exchange, template.symbol))
        return placed

    def _out(self, token: Token) -> int:
        """What orders that nobody has answered yet may spend of it: each exchange sets that aside, and refuses more."""
        spent = [
            most_spent(debt.order, self._ledger.order(debt.order.exchange, debt.open_order))
            for debt in self._debts.values()
            if debt.open_order is not None and not debt.quarantined and token in (debt.order.base, debt.order.quote)
        ]
        return sum(units for other, units in spent if other == token)

    def _tell_short(self, debt: Debt, of_what: str) -> None:
        if debt.intent_id not in self._short:
            self._short.add(debt.intent_id)
            detail = f"intent {debt.intent_id} takes up to {of_what}; as much is traded, the rest when there is more"
            self._ledger.record_event(Level.WARNING, "hedge_short", detail)

    async def _send(self, placed: PlacedOrder) -> OrderReport:
        return await self._exchanges[placed.exchange].place(_sent(placed))

    def _book(self, debt: Debt, client_id: str, report: OrderReport) -> None:
        """Write down what the exchange says of an order, and what is still owed after it."""
        fills = [TradeFill(f.trade_id, f.amount, f.cost, f.fee_currency, f.fee_units) for f in report.fills]
        state = OrderState(report.status.value)
        placed = self._ledger.record_order(debt.order.exchange, client_id, state, fills, report.order_id or None)
        self.resting.heard(placed, report.detail)
        if placed.state not in CLOSED_ORDERS:
            self._debts[debt.intent_id] = replace(debt, open_order=client_id)
            name = "order_left_open" if placed.state is OrderState.OPEN else "order_unknown"
            self._ledger.record_event(Level.WARNING, name, f"{client_id}: {report.detail or placed.state}")
            return
        if placed.state is OrderState.REJECTED:
            self._ledger.record_event(Level.WARNING, "order_rejected", f"{client_id}: {report.detail}")
            self._shortfalls.doubt(placed.exchange)
        self._known(debt, placed)

    def _known(self, debt: Debt, placed: PlacedOrder) -> None:
        """The order has ended: what it did not fill is still owed."""
        self._inventory.give_back(placed.client_id)
        self._debts[debt.intent_id] = debt.after(placed)

    def _close_paid(self) -> list[Closed]:
        """Close what is paid: less than the exchange can trade is left, and stays in the inventory."""
        return [
            self._close(debt)
            for debt in list(self._debts.values())
            if debt.open_order is None and self._too_little(debt) and self._owing.stands(debt)
        ]

    def _too_little(self, debt: Debt) -> bool:
        return is_dust(debt, self._market.book(debt.order.exchange, debt.order.symbol))

    def _close(self, debt: Debt) -> Closed:
        ended = Exposure.UNWOUND if debt.unwound else Exposure.HEDGED
        exposure = ended if self._owing.moved(debt) else Exposure.NONE
        self._ledger.close_exposure(debt.intent_id, exposure)
        del self._debts[debt.intent_id]
        return Closed(self._ledger.intent(debt.intent_id), exposure)

    def _unwind(self, debt: Debt, head: Head, gas_price_wei: int) -> Sequence[Plan]:
        policy = self._policy(debt.plan)
        way_back = partial(
            unwinding,
            debt.plan,
            base=debt.order.base,
            units=debt.remaining,
            bought=debt.order.side is Side.SELL,
            market=self._market,
            head=head,
            gas_price_wei=gas_price_wei,
            marks=self._marks,
            loss_ppm=policy.unwind_loss_ppm,
            free=self._inventory.free(),
            allowed=policy.allowed,
        )
        plan, avoided = way_back(avoided=debt.avoided), debt.avoided
        if plan is None and avoided:
            plan, avoided = way_back(), frozenset()
        if plan is None:
            detail = f"intent {debt.intent_id}: no pools can take it, or nothing is free"
            self._ledger.record_event(Level.ERROR, "unwind_impossible", detail)
            self._debts[debt.intent_id] = replace(debt, unwind_failed=True)
            return ()
        self._ledger.record_event(Level.WARNING, "hedge_overdue", f"intent {debt.intent_id} is unwound on the chain")
        avoided |= names_of(plan, self._market)
        self._debts[debt.intent_id] = replace(debt, unwound_by=plan.id, avoided=avoided)
        return (plan,)

    def _unwound(self, settled: Settled) -> None:
        """A plan that unwinds another is in a block: what is still owed after it, by the books."""
        plan, came_to_nothing = settled.plan, settled.intent.mined_as is not MinedAs.OK
        debt = self._debt_of(plan.unwinds)
        if debt is not None:
            ours = debt.unwound_by == plan.id
            left = self._debt(self._ledger.intent(debt.intent_id), debt.plan, settled.receipt.block_number)
            self._debts[debt.intent_id] = replace(
                left,
                deadline_block=debt.deadline_block,
                unwound_by=None if ours else debt.unwound_by,
                unwind_failed=came_to_nothing if ours else debt.unwind_failed,
                avoided=frozenset() if ours and not came_to_nothing else debt.avoided,
            )
        else:
            unwound = self._ledger.intent_of(plan.unwinds)
            if unwound is not None:
                self._owe_again(unwound, settled.receipt.block_number, in_vain=came_to_nothing)

    def _owe_again(self, intent: Intent, block_number: int, *, in_vain: bool = False) -> None:
        """A debt may have been closed by what a reorganisation took out of its block, or brought back otherwise: what
        unwound it then did nothing, or did so after all, or it came back and what it unwound did not.
        """
        plan = self._ledger.plan(intent.plan_id)
        if intent.exposure is Exposure.OWED or not self._uneven(intent, plan):
            return
        if in_vain:
            self._ledger.record_event(Level.ERROR, "unwound_in_vain", f"intent {intent.id} owes its other side again")
        self._owe(self._ledger.reopen_exposure(intent.id), plan, block_number)

    def _uneven(self, intent: Intent, plan: Plan) -> bool:
        """Whether its two sides, of which nobody owes any, do not come to the same, and nothing is on its way to it."""
        even = not intent.two_sided or intent.state not in SETTLED or intent.exposure is Exposure.BY_HAND
        if even or self._too_little(self._debt(intent, plan, 0)):
            return False
        return all(self._ledger.plan(other.plan_id).unwinds != plan.id for other in self._ledger.open_intents())

    def _owe(self, intent: Intent, plan: Plan, block_number: int, *, fresh: bool = False) -> Debt:
        """From now on, what it owes by the books."""
        debt = self._debts[intent.id] = self._debt(intent, plan, block_number, fresh=fresh)
        if debt.back:
            detail = f"intent {intent.id}: {debt.remaining} units of {debt.order.base} are traded back"
            self._ledger.record_event(Level.ERROR, "hedged_alone", detail)
        return debt

    def _debt_of(self, plan_id: str) -> Debt | None:
        return next((debt for debt in self._debts.values() if debt.plan.id == plan_id), None)


def _sent(placed: PlacedOrder) -> ExchangeOrder:
    return ExchangeOrder(placed.symbol, placed.side.value, placed.amount, placed.limit_price, placed.client_id)
