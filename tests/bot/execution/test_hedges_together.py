"""Several debts on one head: their orders leave together, and what becomes of one does not touch another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import pytest

from bot.execution.settling import Settled
from bot.ledger.errors import LedgerFull
from bot.ledger.ledger import Ledger
from bot.ledger.seals import SealHead, read_head
from bot.ledger.states import Exposure, OrderState
from bot.replay.ends import PlayedEnd
from bot.replay.heard import Heard, PlayedClock
from bot.replay.player import Player
from bot.replay.recorder import Recorder
from bot.replay.tape import TapeWriter, read_tape
from chains.exchanges.orders import ExchangeOrder, OrderReport
from tests.bot.execution.given import (
    Reply,
    ScriptedExchange,
    desk,
    fills_all,
    fills_nothing,
    head,
    open_ledger,
    pending,
    says_nothing,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import GAS_PRICE, at_block, on_settled
from tests.bot.ledger.given import ETHER, StandingClock

DEBTS = 3
_TURNS = 20


class CrowdedExchange(ScriptedExchange):
    """Answers some turns of the loop later, who asked last first. Keeps how many waited at once at `most`, and how many
    orders another process would have found in the ledger at `file` whenever one left.
    """

    def __init__(self, replies: Iterable[Reply], file: Path) -> None:
        super().__init__(replies)
        self.file = file
        self.most = 0
        self.on_disk: list[int] = []
        self._waiting = 0

    async def place(self, order: ExchangeOrder) -> OrderReport:
        view = Ledger.view(str(self.file), StandingClock())
        view.attach()
        self.on_disk.append(len(view.open_orders()))
        view.close()
        report = await super().place(order)
        await self._wait()
        return report

    async def find(self, client_id: str, symbol: str) -> OrderReport | None:
        await self._wait()
        return await super().find(client_id, symbol)

    async def _wait(self) -> None:
        self._waiting += 1
        self.most = max(self.most, self._waiting)
        for _ in range(_TURNS - 2 * self._waiting):
            await asyncio.sleep(0)
        self._waiting -= 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def home(ledger: Ledger) -> list[Settled]:
    """Several chain sides, all in block 11."""
    plans = [sells_on_chain(weth=size * ETHER) for size in range(1, DEBTS + 1)]
    return [settle(ledger, pending(ledger, plan), plan, 11) for plan in plans]


def exposures(ledger: Ledger, debts: Sequence[Settled]) -> list[Exposure]:
    return [ledger.intent(each.intent.id).exposure for each in debts]


async def test_what_came_home_on_one_head_is_paid_at_once(ledger: Ledger, file: Path) -> None:
    exchange = CrowdedExchange([fills_all] * DEBTS, file)
    debts = home(ledger)
    closed = await on_settled(desk(ledger, exchange), *debts)
    assert exchange.most == DEBTS
    assert exchange.on_disk == [DEBTS] * DEBTS
    assert [each.exposure for each in closed] == [Exposure.HEDGED] * DEBTS
    for each, order in zip(debts, exchange.placed, strict=True):
        (booked,) = ledger.orders_of(each.intent.id)
        assert (booked.client_id, booked.filled_units) == (order.client_id, each.plan.orders[0].amount)


async def test_what_leaves_together_spends_no_more_than_is_there(ledger: Ledger) -> None:
    """Each alone could be paid; an exchange would refuse the second, and rest for it."""
    exchange = ScriptedExchange([fills_all, fills_all])
    plans = [sells_on_chain(weth=size * ETHER) for size in (12, 13)]
    await on_settled(desk(ledger, exchange), *(settle(ledger, pending(ledger, plan), plan, 11) for plan in plans))
    first, second = exchange.placed
    assert first.amount == plans[0].orders[0].amount and 0 < second.amount < plans[1].orders[0].amount
    assert sum(order.amount * order.limit_price for order in exchange.placed) <= 40_000 * 10**8


async def test_what_is_still_owed_is_ordered_and_looked_up_at_once(ledger: Ledger, file: Path) -> None:
    exchange = CrowdedExchange([says_nothing, *[fills_nothing] * (DEBTS - 1), *[fills_all] * (DEBTS - 1)], file)
    on, debts = desk(ledger, exchange), home(ledger)
    await on_settled(on, *debts)
    unknown = exchange.placed[0]
    exchange.known[unknown.client_id] = fills_all(unknown)
    exchange.most = 0
    assert await at_block(on, 12) == ([Exposure.HEDGED] * DEBTS, [])
    assert exchange.most == DEBTS
    # The unknown one, and all that leave now.
    assert exchange.on_disk[DEBTS:] == [DEBTS] * (DEBTS - 1)
    assert exchange.asked == [unknown.client_id] and len(exchange.placed) == 2 * DEBTS - 1


async def test_an_answer_that_is_long_in_coming_does_not_keep_another_from_being_booked(
    ledger: Ledger, file: Path
) -> None:
    exchange = ScriptedExchange([*[fills_nothing] * DEBTS, *[fills_all] * DEBTS])
    on, debts = desk(ledger, exchange), home(ledger)
    await on_settled(on, *debts)
    answers, place = asyncio.Event(), exchange.place

    async def slow(order: ExchangeOrder) -> OrderReport:
        if len(exchange.placed) == DEBTS:
            report = await place(order)
            await answers.wait()
            return report
        return await place(order)

    exchange.place = slow  # type: ignore[method-assign]
    block = asyncio.create_task(on.on_block(head(12), GAS_PRICE))
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    newest = [ledger.orders_of(each.intent.id)[-1].state for each in debts]
    assert newest == [OrderState.SENDING, *[OrderState.FILLED] * (DEBTS - 1)]
    answers.set()
    await block
    assert exposures(ledger, debts) == [Exposure.HEDGED] * DEBTS


async def test_an_answer_that_cannot_be_written_down_is_told_once_all_have_ended(
    ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = CrowdedExchange([*[fills_nothing] * DEBTS, *[fills_all] * DEBTS], file)
    on, debts = desk(ledger, exchange), home(ledger)
    await on_settled(on, *debts)
    record, full = ledger.record_order, [LedgerFull("no space")]

    def recorded(*report: object) -> object:
        if full:
            raise full.pop()
        return record(*report)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "record_order", recorded)
    with pytest.raises(LedgerFull):
        await on.on_block(head(12), GAS_PRICE)
    states = [ledger.orders_of(each.intent.id)[-1].state for each in debts]
    assert sorted(states) == sorted([OrderState.SENDING, *[OrderState.FILLED] * (DEBTS - 1)])
    exchange.known = {order.client_id: fills_all(order) for order in exchange.placed[DEBTS:]}
    assert await at_block(on, 13) == ([Exposure.HEDGED] * DEBTS, [])
    assert len(exchange.placed) == 2 * DEBTS and len(exchange.asked) == 1


async def test_answers_that_overtake_each_other_are_played_as_they_came(ledger: Ledger, tmp_path: Path) -> None:
    exchange = CrowdedExchange([*[fills_nothing] * DEBTS, *[fills_all] * DEBTS], tmp_path / "ledger.db")
    tape = TapeWriter(tmp_path / "tape", on_trouble=pytest.fail)
    await _two_heads(ledger, Recorder(tape, StandingClock()).end("exchange.binance", exchange))
    tape.close()
    records = list(read_tape(tmp_path / "tape"))
    answered = [record[3]["v"]["client_id"] for record in records]
    placed = [order.client_id for order in exchange.placed]
    assert answered == [*reversed(placed[:DEBTS]), *reversed(placed[DEBTS:])]

    again = open_ledger(tmp_path / "again.db")
    player = Player(iter(records), Heard(PlayedClock(0, 0), join=lambda *pool: None))
    played = cast(ScriptedExchange, PlayedEnd(player, "exchange.binance", "binance"))
    await player.opening(asyncio.create_task(_two_heads(again, played)))
    assert _sealed(again) == _sealed(ledger)
    again.close()


async def _two_heads(ledger: Ledger, exchange: ScriptedExchange) -> None:
    on, debts = desk(ledger, exchange), home(ledger)
    await on_settled(on, *debts)
    await at_block(on, 12)
    assert exposures(ledger, debts) == [Exposure.HEDGED] * DEBTS


def _sealed(ledger: Ledger) -> SealHead:
    """The end of a chain of hashes over every row that was written, in order."""
    with ledger.read() as connection:
        return read_head(connection)
