"""Every trouble with an exchange on every call about an order: nothing doubled, lost, or dead without evidence."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from chains.exchanges.adapter import Exchange
from chains.exchanges.orders import ExchangeOrder, OrderReport, OrderStatus
from tests.conftest import Counted
from tests.faults.hedging import hedging
from tests.faults.venue import Call, Trouble

SCHEDULES = 12


@pytest.mark.parametrize("call", Call)
async def test_no_trouble_doubles_loses_or_ends_an_order(tmp_path: Path, counted: Counted, call: Call) -> None:
    async with hedging(tmp_path) as scene:
        befallen = [await scene.case(call, trouble) for trouble in Trouble]
    assert scene.wrong == []
    assert all(befallen), "each trouble must have been met"
    counted("exchange", f"{len(befallen)} troubles with {call}, {sum(befallen)} requests befallen: 0 wrong")


async def test_troubles_that_come_and_go_while_the_bot_starts_anew_double_and_lose_nothing(
    tmp_path: Path, counted: Counted
) -> None:
    async with hedging(tmp_path) as scene:
        for seed in range(SCHEDULES):
            await scene.schedule(seed)
    assert scene.wrong == [] and scene.local.struck
    counted("exchange", f"{SCHEDULES} schedules: 0 wrong")


class TakesSilenceForNo(Exchange):
    """What was not confirmed was not taken, it thinks."""

    async def place(self, order: ExchangeOrder) -> OrderReport:
        report = await super().place(order)
        return replace(report, status=OrderStatus.REJECTED) if report.status is OrderStatus.UNKNOWN else report


class SendsAgain(Exchange):
    """What was not confirmed is sent once more."""

    async def place(self, order: ExchangeOrder) -> OrderReport:
        report = await super().place(order)
        return await super().place(order) if report.status is OrderStatus.UNKNOWN else report


class TakesNotFoundForGone(Exchange):
    """What an exchange does not show at once has ended, it thinks."""

    async def find(self, client_id: str, symbol: str) -> OrderReport | None:
        found = await super().find(client_id, symbol)
        return found or OrderReport(client_id, symbol, "buy", OrderStatus.CANCELLED)


@pytest.mark.parametrize(
    ("twin", "call", "trouble", "told"),
    [
        (TakesSilenceForNo, Call.NEW, Trouble.LOST, "was declared dead, and the exchange has it"),
        (SendsAgain, Call.NEW, Trouble.LOST, "an order is at the exchange twice"),
        (TakesNotFoundForGone, Call.FETCH, Trouble.VANISHED, "the exchange has it|booked 0"),
    ],
)
async def test_a_broken_twin_is_found_out(
    tmp_path: Path, twin: type[Exchange], call: Call, trouble: Trouble, told: str
) -> None:
    async with hedging(tmp_path, twin) as scene:
        await scene.case(call, trouble)
    assert any(re.search(told, wrong) for wrong in scene.wrong), scene.wrong
