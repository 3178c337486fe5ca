"""Hedges at an exchange that answers as it likes, in a process that is killed after any commit: nothing is ordered
twice, and what the ledger says lies at the exchange lies there, to the last unit.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from bot.execution.hedges import HedgeDesk
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account
from bot.ledger.states import IN_FLIGHT, UNCLEAR_ORDERS, Exposure
from bot.plan import Plan
from chains.exchanges.orders import ExchangeOrder, Fill, OrderReport, OrderStatus
from chains.exchanges.troubles import ExchangeUnavailable
from tests.bot.execution.given import (
    ScriptedExchange,
    begin,
    buys_on_chain,
    desk,
    head,
    open_ledger,
    pending,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import GAS_PRICE
from tests.bot.ledger.given import ETHER, StandingClock

CURRENCIES = ("ETH", "USDT", "BNB")
LOT = 10**4
TROUBLED, BLOCKS = 25, 60
"""Blocks until the exchange behaves and nobody is killed any more; and in all."""


class Killed(BaseException):
    """The process is gone."""


class Fickle(ScriptedExchange):
    """Refuses, fills in parts and at fees of any currency and sign, loses its answers and forgets, while `fickle`."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.fickle = True
        self.held = Counter[str]()
        self._trades = 0

    async def place(self, order: ExchangeOrder) -> OrderReport:
        assert order.client_id not in self.known, "placed twice"
        lost = OrderReport(order.client_id, order.symbol, order.side, OrderStatus.UNKNOWN)
        if self._happens(0.1):
            return lost
        if self._happens(0.15):
            return replace(lost, status=OrderStatus.REJECTED)
        report = self.known[order.client_id] = self._carried_out(order)
        return lost if self._happens(0.2) else self._so_far(report)

    async def find(self, client_id: str, symbol: str) -> OrderReport | None:
        if self._happens(0.2):
            raise ExchangeUnavailable("down")
        report = None if self._happens(0.2) else self.known.get(client_id)
        return report and self._so_far(report)

    def _happens(self, chance: float) -> bool:
        return self.fickle and self.rng.random() < chance

    def _so_far(self, report: OrderReport) -> OrderReport:
        """The report, or what it was before all its trades."""
        if not self._happens(0.15):
            return report
        return replace(report, status=OrderStatus.OPEN, fills=report.fills[: self.rng.randrange(len(report.fills) + 1)])

    def _carried_out(self, order: ExchangeOrder) -> OrderReport:
        left = self.rng.randrange(order.amount // LOT + 1) * LOT if self._happens(0.6) else order.amount
        fills = []
        while left:
            amount = self.rng.randint(1, left // LOT) * LOT if self._happens(0.7) else left
            fills.append(self._trade(order, amount))
            left -= amount
        self.rng.shuffle(fills)
        filled = sum(fill.amount for fill in fills)
        status = OrderStatus.FILLED if filled == order.amount else OrderStatus.CANCELLED
        return OrderReport(order.client_id, order.symbol, order.side, status, "there", tuple(fills))

    def _trade(self, order: ExchangeOrder, amount: int) -> Fill:
        cost, sign = int(Decimal(amount) * order.limit_price), 1 if order.side == "buy" else -1
        paid_in, fee = self.rng.choice(CURRENCIES), self.rng.choice([0, 1, -1, self.rng.randrange(-(10**5), 10**6)])
        self._trades += 1
        self.held["ETH"] += sign * amount
        self.held["USDT"] -= sign * cost
        self.held[paid_in] -= fee
        return Fill(str(self._trades), order.limit_price, amount, cost, paid_in, fee)


@dataclass(slots=True)
class Lives:
    """How many commits the process has left; None: as many as it likes."""

    left: int | None = None

    def spend(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                self.left = None
                raise Killed

    @contextmanager
    def spared(self) -> Iterator[None]:
        """Nobody is killed meanwhile."""
        left, self.left = self.left, None
        yield
        self.left = left

    @contextmanager
    def of(self, ledger: type[Ledger]) -> Iterator[None]:
        """Each commit of a ledger costs one."""
        with (
            patch.object(ledger, "_write", self._costing(ledger._write)),
            patch.object(ledger, "batch", self._costing(ledger.batch)),
        ):
            yield

    def _costing(self, commits: Any) -> Any:
        @contextmanager
        def costing(ledger: Ledger, *args: Any, **named: Any) -> Iterator[Any]:
            writing: AbstractContextManager[Any] = commits(ledger, *args, **named)
            with writing as connection:
                yield connection
            if ledger._batch is None:
                self.spend()

        return costing


@dataclass(slots=True)
class History:
    """One process after the other on one ledger."""

    path: Path
    rng: random.Random
    lives: Lives
    exchange: Fickle
    ledger: Ledger
    desk: HedgeDesk
    block: int = 10
    kills: int = 0
    out: list[tuple[int, Plan]] = field(default_factory=list)
    """What was sent and is in no block yet."""

    async def play(self) -> None:
        for step in range(BLOCKS):
            self.block += 1
            if step == TROUBLED:
                self.exchange.fickle, self.lives.left = False, None
            elif step < TROUBLED and self.lives.left is None:
                self.lives.left = self.rng.choice([None, self.rng.randint(1, 12)])
            try:
                await self._one_block(begins=step < TROUBLED - 5 and self.rng.random() < 0.3)
            except Killed:
                self.kills += 1
                self._start_again()
            if step == TROUBLED + 30:
                self._settle_by_hand()

    async def _one_block(self, *, begins: bool) -> None:
        if begins:
            with self.lives.spared():
                sold = sells_on_chain(self.block, self.rng.randrange(ETHER // 100, 3 * ETHER, 10**12))
                self._send(
                    sold
                    if self.rng.random() < 0.5
                    else buys_on_chain(self.block, self.rng.randrange(20, 6_000) * 10**6)
                )
        while self.out:
            await self._land(*self.out[0])
            self.out.pop(0)
        _, unwinds = await self.desk.on_block(head(self.block), GAS_PRICE)
        with self.lives.spared():
            for plan in unwinds:
                if self.rng.random() < 0.3:
                    self.desk.unwind_failed(plan.id)
                else:
                    self._send(plan)

    def _send(self, plan: Plan) -> None:
        self.out.append((pending(self.ledger, plan).id, plan))

    async def _land(self, intent_id: int, plan: Plan) -> None:
        if self.ledger.intent(intent_id).state not in IN_FLIGHT:
            return
        with self.desk.together(acts=True):
            settled = [settle(self.ledger, self.ledger.intent(intent_id), plan, self.block)]
            placed = self.desk.owe(settled)
        reports = await self.desk.pay(settled, placed)
        with self.desk.together():
            self.desk.book(placed, reports)

    def _start_again(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(str(self.path), StandingClock())
        begin(self.ledger)
        self.desk = desk(self.ledger, self.exchange)
        self.desk.start(head(self.block))

    def _settle_by_hand(self) -> None:
        for order in self.ledger.open_orders():
            if order.state in UNCLEAR_ORDERS and order.client_id not in self.exchange.known:
                self.ledger.settle_order(order.exchange, order.client_id, (), by="ann", because="it never came")


@pytest.mark.parametrize("seed", range(6))
async def test_the_ledger_holds_what_the_exchange_holds_whatever_it_answers_and_whenever_the_process_is_killed(
    tmp_path: Path, seed: int
) -> None:
    rng, lives = random.Random(seed), Lives()
    ledger, exchange = open_ledger(tmp_path / "l.db"), Fickle(random.Random(seed))
    ledger.open_account(Account("binance", "binance", "BNB"), 10**9)
    before = {currency: ledger.balance(Account("binance", "binance", currency)) for currency in CURRENCIES}
    history = History(tmp_path / "l.db", rng, lives, exchange, ledger, desk(ledger, exchange))
    history.desk.start(head(history.block))
    with lives.of(Ledger):
        await history.play()
    ledger = history.ledger
    gained = {
        currency: ledger.balance(Account("binance", "binance", currency)) - before[currency] for currency in CURRENCIES
    }
    assert gained == {currency: exchange.held[currency] for currency in CURRENCIES}
    assert history.kills and not history.desk.owes
    assert all(intent.exposure is not Exposure.OWED for intent in ledger.open_intents())
    ledger.close()
