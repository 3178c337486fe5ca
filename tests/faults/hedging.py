"""Hedges at an exchange that misbehaves, and what the ledger says of them held against what the exchange did."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bot.execution.debts import HedgePolicy
from bot.execution.hedges import HedgeDesk
from bot.execution.ordering import TradingAccount
from bot.ledger.ledger import Ledger
from bot.ledger.reading import fills
from bot.ledger.records import Account, Purpose, TradeFill
from bot.ledger.states import CLOSED_ORDERS, UNCLEAR_ORDERS, Exposure, OrderState
from bot.plan import Plan
from chains.exchanges.adapter import Exchange
from chains.exchanges.local.orders import NewOrder, Order, OrderKind, TimeInForce
from chains.exchanges.orders import OrderReport
from chains.exchanges.troubles import ExchangeUnavailable
from tests.bot.execution.given import (
    MARKS,
    STRATEGY,
    buys_on_chain,
    head,
    inventory,
    market,
    open_ledger,
    pending,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import on_settled
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.market.samples import ASSETS, ETH_AT_EXCHANGE, USD_AT_EXCHANGE
from tests.chains.exchanges.making import ANCHORS, COIN, KEY, SECRET
from tests.faults.venue import Call, Trouble, TroubledExchange

SYMBOL = "ETH/USDT"
PATIENCE_MS, IMPATIENCE_MS = 10_000, 150
"""How long the adapter waits for an answer: without trouble, and with it."""
BLOCKS = 3
"""How long a trouble lasts, in blocks; and how many more it may take until all is known that can be."""
GAS_PRICE_WEI = 10 * GWEI
_STEP_S = 0.05
"""About how long the exchange takes to answer several orders."""
_NEVER_UNWOUND = HedgePolicy(tolerance_ppm=1_000, deadline_blocks=10**6)
_CURRENCIES = (ETH_AT_EXCHANGE, USD_AT_EXCHANGE)


@dataclass(slots=True)
class Hedging:
    """One exchange, one ledger; each case has an intent and a desk of its own. `account` is what desks place with."""

    local: TroubledExchange
    exchange: Exchange
    ledger: Ledger
    account: TradingAccount
    wrong: list[str] = field(default_factory=list)
    _block: int = 10
    _elapsed_ms: int = 0

    async def case(self, call: Call, trouble: Trouble) -> int:
        """One cell of the matrix: how many requests were befallen."""
        struck, wrong = self.local.struck, len(self.wrong)
        if call is Call.CANCEL:
            await self._cancelled(trouble)
        else:
            troubles = {call: trouble} if call is Call.NEW else {Call.NEW: Trouble.LOST, call: trouble}
            await self._hedged([sells_on_chain(self._fresh_block())], [troubles] * BLOCKS)
        self.wrong[wrong:] = [f"{call} {trouble}: {one}" for one in self.wrong[wrong:]]
        return self.local.struck - struck

    async def schedule(self, seed: int) -> None:
        """Hedges of random size while random troubles come and go, and the bot starts anew at random."""
        rng = random.Random(seed)
        wrong = len(self.wrong)
        plans = [self._random_plan(rng) for _ in range(rng.randint(1, 3))]
        troubles = [
            {call: rng.choice(list(Trouble)) for call in (Call.NEW, Call.FETCH) if rng.random() < 0.5}
            for _ in range(rng.randint(1, 5))
        ]
        await self._hedged(plans, troubles, restarts=rng)
        self.wrong[wrong:] = [f"seed {seed}: {one}" for one in self.wrong[wrong:]]

    def _random_plan(self, rng: random.Random) -> Plan:
        number = self._fresh_block()
        if rng.random() < 0.5:
            return sells_on_chain(number, rng.randrange(ETHER // 100, 30 * ETHER, 10**12))
        return buys_on_chain(number, rng.randrange(20 * 10**6, 60_000 * 10**6))

    async def _hedged(
        self, plans: Sequence[Plan], troubles: Sequence[dict[Call, Trouble]], restarts: random.Random | None = None
    ) -> None:
        """All of `plans` have their chain sides in one block."""
        before = await self._standing()
        desk = await self._desk()
        intents = [pending(self.ledger, plan).id for plan in plans]
        self._befall(troubles[0])
        number = self._fresh_block()
        settled = [
            settle(self.ledger, self.ledger.intent(intent), plan, number)
            for intent, plan in zip(intents, plans, strict=True)
        ]
        desk = await self._lived(desk, on_settled(desk, *settled), restarts)
        for befallen in [*troubles[1:], *[{}] * BLOCKS]:
            for intent in intents:
                self._judge_orders(intent)
            if restarts is not None and restarts.random() < 0.3:
                desk = await self._desk(start=True)
            self._befall(befallen)
            desk = await self._lived(desk, desk.on_block(head(self._fresh_block()), GAS_PRICE_WEI), restarts)
        after = await self._standing()
        for intent, plan in zip(intents, plans, strict=True):
            self._judge(intent, _owed(plan), before, after)
            self._end(intent)

    async def _lived(
        self, desk: HedgeDesk, step: Coroutine[Any, Any, object], restarts: random.Random | None
    ) -> HedgeDesk:
        """The desk that goes on after `step`: another one where the bot ended in the middle of it."""
        stepping = asyncio.create_task(step)
        if restarts is None or restarts.random() < 0.8:
            await stepping
            return desk
        await asyncio.wait([stepping], timeout=restarts.random() * _STEP_S)
        if stepping.cancel():
            await asyncio.wait([stepping])
        else:
            stepping.result()
        return await self._desk(start=True)

    async def _cancelled(self, trouble: Trouble) -> None:
        """An order that filled in part and rests is cancelled."""
        before = await self._standing()
        plan = sells_on_chain(self._fresh_block())
        intent = settle(self.ledger, pending(self.ledger, plan), plan, self._fresh_block()).intent
        book = await self.exchange.fetch_book(SYMBOL)
        ticks, lots = book.asks[0]
        placed = self.ledger.place_order(intent.id, plan.orders[0], "binance", Purpose.HEDGE)
        size = (lots + 1_000) * book.lot
        resting = NewOrder(
            "ETHUSDT", True, OrderKind.LIMIT, TimeInForce.GTC, ticks * book.tick, size, 0, placed.client_id
        )
        self.local.rest(KEY, resting)
        for befallen in ({Call.CANCEL: trouble}, {Call.CANCEL: trouble, Call.FETCH: trouble}, {}):
            self._befall(befallen)
            try:
                report = await self.exchange.cancel(placed.client_id, SYMBOL)
            except ExchangeUnavailable:
                report = None
            if report is not None:
                self._record(placed.client_id, report)
            self._judge_orders(intent.id)
        self._judge(intent.id, size, before, await self._standing())

    def _record(self, client_id: str, report: OrderReport) -> None:
        trades = [TradeFill(f.trade_id, f.amount, f.cost, f.fee_currency, f.fee_units) for f in report.fills]
        self.ledger.record_order("binance", client_id, OrderState(report.status.value), trades, report.order_id or None)

    def _judge_orders(self, intent_id: int) -> None:
        """At every moment: what the ledger takes for ended has ended, with those trades."""
        for order in self.ledger.orders_of(intent_id):
            there = self._there(order.client_id)
            if order.state is OrderState.REJECTED and there:
                self.wrong.append(f"{order.client_id} was declared dead, and the exchange has it")
            elif order.state in CLOSED_ORDERS - {OrderState.REJECTED}:
                if not there or there[0].is_open:
                    self.wrong.append(f"{order.client_id} is {order.state} without evidence")
                elif there[0].executed != order.filled_units:
                    self.wrong.append(f"{order.client_id} filled {there[0].executed}, booked {order.filled_units}")

    def _judge(self, intent_id: int, owed: int, before: dict[Account, int], after: dict[Account, int]) -> None:
        """At the end: nothing is doubled, lost or off."""
        self._judge_orders(intent_id)
        orders = self.ledger.orders_of(intent_id)
        there = [order for placed in orders for order in self._there(placed.client_id)]
        if len(there) > len({order.new.client_id for order in there}):
            self.wrong.append("an order is at the exchange twice")
        if sum(order.executed for order in there) > owed:
            self.wrong.append(f"{sum(order.executed for order in there)} were traded, {owed} owed")
        known = {fill.trade_id for fill in fills(self.ledger, intent_id) if fill.venue == "binance"}
        if known != {f"{SYMBOL}:{trade.id}" for order in there for trade in order.trades}:
            self.wrong.append("the ledger's trades are not the exchange's")
        if any(order.state not in CLOSED_ORDERS and self._there(order.client_id) for order in orders):
            self.wrong.append("an order that can be found is still in doubt")
        if before != after:
            self.wrong.append(f"the accounts are off: {before} before, {after} after")

    def _end(self, intent_id: int) -> None:
        """A person settles what never came to the exchange: the next desks have nothing to do with it."""
        for order in self.ledger.orders_of(intent_id):
            if order.state in UNCLEAR_ORDERS and not self._there(order.client_id):
                self.ledger.settle_order(order.exchange, order.client_id, (), by="a person", because="it never came")
        if self.ledger.intent(intent_id).exposure is Exposure.OWED and self._all_closed(intent_id):
            self.ledger.close_exposure(intent_id, Exposure.UNWOUND)

    def _all_closed(self, intent_id: int) -> bool:
        return all(order.state in CLOSED_ORDERS for order in self.ledger.orders_of(intent_id))

    def _there(self, client_id: str) -> list[Order]:
        return [order for order in self.local.orders(KEY) if order.new.client_id == client_id]

    async def _standing(self) -> dict[Account, int]:
        """What each account at the exchange holds beyond what the ledger says."""
        held = self.local.balances(KEY)
        return {
            Account.of("binance", token): held[token.address].free
            + held[token.address].locked
            - self.ledger.balance(Account.of("binance", token))
            for token in _CURRENCIES
        }

    async def _desk(self, *, start: bool = False) -> HedgeDesk:
        self._befall({})
        self._elapsed_ms += 100
        await self.local.advance(self._elapsed_ms)
        book = await self.exchange.fetch_book(SYMBOL)
        desk = HedgeDesk(
            market=market(book=book),
            assets=ASSETS,
            ledger=self.ledger,
            exchanges={"binance": self.account},
            inventory=inventory(self.ledger),
            marks=MARKS,
            policies={STRATEGY: _NEVER_UNWOUND},
        )
        if start:
            desk.start(head(self._block))
        return desk

    def _befall(self, troubles: Mapping[Call, Trouble]) -> None:
        self.local.troubles = dict(troubles)
        self.exchange._client.timeout = IMPATIENCE_MS if troubles else PATIENCE_MS
        # A block lasts longer than this exchange wants to be left alone, though not here.
        self.exchange._left_alone_until_ns = 0

    def _fresh_block(self) -> int:
        self._block += 1
        return self._block


def _owed(plan: Plan) -> int:
    """Base units of the order's currency that its chain side leaves to be traded."""
    return plan.orders[0].amount if plan.swaps[0].token_in.symbol == "WETH" else plan.swaps[-1].amount_out // 10**10


@asynccontextmanager
async def hedging(folder: Path, account: type[Exchange] = Exchange) -> AsyncIterator[Hedging]:
    """An exchange with plenty in the account, an adapter that waits for nothing long, and a ledger in `folder`."""
    local = TroubledExchange(ANCHORS)
    await local.start()
    for currency in ("ETH", "USDT"):
        local.deposit(KEY, SECRET, currency, 10**7 * COIN)
    exchange = account(
        "binance",
        "binance",
        [SYMBOL],
        urls=local.ccxt_urls,
        api_key=KEY,
        secret=SECRET,
        timeout_ms=PATIENCE_MS,
        answers_within_s=PATIENCE_MS / 1e3,
    )
    ledger = open_ledger(folder / "ledger.db")
    try:
        await exchange.connect()
        yield Hedging(local, exchange, ledger, cast(TradingAccount, exchange))
    finally:
        ledger.close()
        await exchange.close()
        await local.close()
