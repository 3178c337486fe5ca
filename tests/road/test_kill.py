"""kill -9 in the middle of a live run, on a chain that goes on: nothing is sent twice, and the books agree."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from sqlalchemy import select

from bot.clock import SystemClock
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.models import IntentRow
from bot.ledger.records import Intent
from bot.ledger.states import IntentState
from bot.ledger.summary import summarise
from bot.rpc import HttpRpc
from chains.assets import address
from chains.twin.client import TwinProcess
from tests.road.lasting import Bot, Lasting, open_lasting

PACE_S = 0.6
POLL_S = 0.02
SETTLED_BEFORE = 2


async def test_a_restart_after_kill_sends_nothing_twice(tmp_path: Path) -> None:
    async with TwinProcess(seed=5, block_time_s=1, pace_s=0, stepped=True, taker_fee_ppm=230) as twin:
        on = await open_lasting(twin, tmp_path)
        killed = await on.bot()
        async with _blocks_being_made(on), asyncio.timeout(90):
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
        _check_the_ledger(on)
        await _check_the_chain(on)


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


@contextmanager
def _ledger(on: Lasting) -> Iterator[Ledger]:
    """The bot's ledger, beside the bot."""
    ledger = Ledger.view(str(on.ledger), SystemClock())
    try:
        ledger.attach()
        yield ledger
    finally:
        ledger.close()


def _settled(on: Lasting) -> int:
    """How many trades have settled; none while there is no ledger."""
    try:
        with _ledger(on) as ledger:
            return sum(summarise(ledger).settled.values())
    except LedgerError:
        return 0


def _open_plans(on: Lasting) -> set[str]:
    with _ledger(on) as ledger:
        return {intent.plan_id for intent in ledger.open_intents()}


def _check_the_ledger(on: Lasting) -> None:
    """Each plan has one intent, each nonce one transaction, and none is still open."""
    with _ledger(on) as ledger:
        assert ledger.run.id == 2 and ledger.open_intents() == () and ledger.open_orders() == ()
        nonces = Counter(intent.nonce for intent in _sent(ledger))
        assert nonces and set(nonces.values()) == {1}
        plans = Counter(intent.plan_id for intent in _sent(ledger))
        assert set(plans.values()) == {1}


def _sent(ledger: Ledger) -> list[Intent]:
    """Every intent whose bytes may have left, of both runs."""
    with ledger.read() as connection:
        ids = connection.execute(select(IntentRow.id)).scalars().all()
    found = [ledger.intent(intent_id) for intent_id in ids]
    return [intent for intent in found if intent.state is not IntentState.RELEASED]


async def _check_the_chain(on: Lasting) -> None:
    """Every transaction of the operator is one that the ledger signed, and none is there twice."""
    async with HttpRpc(on.twin.descriptor["rpc_http"]) as rpc:
        count = int(await rpc.rpc("eth_getTransactionCount", on.operator, "latest"), 16)
        tip = int(await rpc.rpc("eth_blockNumber"), 16)
        first = int(on.twin.descriptor["block"]) + 1
        blocks = [await rpc.rpc("eth_getBlockByNumber", hex(number), True) for number in range(first, tip + 1)]
    mine = [tx["hash"] for block in blocks for tx in block["transactions"] if address(tx["from"]) == on.operator]
    with _ledger(on) as ledger:
        signed = [{attempt.tx_hash for attempt in ledger.attempts(intent.id)} for intent in _sent(ledger)]
    assert len(mine) == len(set(mine)) == count
    # One that came too late was outbid or cancelled with its own nonce: of its attempts one is there.
    assert [len(attempts & set(mine)) for attempts in signed] == [1] * count
