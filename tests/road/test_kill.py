"""kill -9 in the middle of a live run of two operators, on a chain that goes on: nothing is sent twice, the books
agree, and what was recorded before and after comes out the same once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bot.ledger.errors import LedgerError
from bot.ledger.summary import summarise
from bot.replay.opening import read_opening
from bot.replay.replaying import replay
from chains.twin.client import TwinProcess
from tests.conftest import Counted
from tests.road.judging import ledger_of, sent_intents, wrong_with
from tests.road.lasting import Bot, Lasting, open_lasting

PACE_S = 0.6
POLL_S = 0.02
SETTLED_BEFORE = 2


async def test_a_restart_after_kill_sends_nothing_twice(tmp_path: Path, counted: Counted) -> None:
    async with TwinProcess(seed=5, block_time_s=1, pace_s=0, stepped=True, taker_fee_ppm=230) as twin:
        on = await open_lasting(twin, tmp_path, operators=2, certified=False)
        killed = await on.bot()
        async with _blocks_being_made(on), asyncio.timeout(90):
            await _until(lambda: "ready after" in killed.told, killed)
            assert read_opening(next((tmp_path / "runs").glob("*/recording"))).trading
            await _until(lambda: _settled(on) >= SETTLED_BEFORE and bool(_open_plans(on)), killed)
            await killed.killed()
        in_flight = _open_plans(on)
        assert in_flight, "it died with something in flight"
        await on.block()
        restarted = await on.bot("--blocks", "6")
        async with _blocks_being_made(on), asyncio.timeout(90):
            summary = await restarted.summary()
        assert summary["ledger_equals_chain"] is True
        assert summary["in_flight"] == 0 and summary["trouble"] is None
        assert not _open_plans(on) & in_flight
        await _check(on)
    recordings = sorted((tmp_path / "runs").glob("*/recording"))
    replayed = [await replay(recording) for recording in recordings]
    assert [(each.difference, each.complete) for each in replayed] == [(None, False), (None, True)]
    ready = next(line for line in restarted.told.splitlines() if line.startswith("ready after"))
    counted("restart", f"{len(in_flight)} in flight, {summary['blocks']} blocks: nothing twice; {ready}")


async def _until(true: Callable[[], bool], bot: Bot) -> None:
    while not true():
        assert bot.process.returncode is None, bot.told
        await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _blocks_being_made(on: Lasting) -> AsyncIterator[None]:
    making = asyncio.create_task(_make_blocks(on))
    try:
        yield
    finally:
        making.cancel()
        with suppress(asyncio.CancelledError):
            await making


async def _make_blocks(on: Lasting) -> None:
    while True:
        await on.block()
        await asyncio.sleep(PACE_S)


def _settled(on: Lasting) -> int:
    """How many trades have settled; none while there is no ledger."""
    try:
        with ledger_of(on) as ledger:
            return sum(summarise(ledger).settled.values())
    except LedgerError:
        return 0


def _open_plans(on: Lasting) -> set[str]:
    with ledger_of(on) as ledger:
        return {intent.plan_id for intent in ledger.open_intents()}


async def _check(on: Lasting) -> None:
    """Both runs are in one ledger, something was sent, and ledger and chain tell the same."""
    with ledger_of(on) as ledger:
        assert ledger.run.id == 2
        assert {intent.sender for intent in sent_intents(ledger)} == set(on.operators), "both keys sent"
    assert await wrong_with(on) == []
