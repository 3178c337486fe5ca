"""From kill -9 until the bot decides again: `python -m tests.torture.restart [--rows 10000] [--in-flight 50]`.

The node says yes to the first transaction and loses it, so that all that come after wait at the node. When so many are
in flight the bot's command is killed, its ledger filled up, and the command started again on a chain that goes on.
Who decides on a block is ready. In the end the node is honest again, everything is brought home, and ledger and chain
are held against each other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import func, select

from bot.clock import SystemClock
from bot.ledger import accounts
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.seal_models import SealRow
from bot.rpc import HttpRpc
from chains.assets import address
from chains.tools import ROOT
from chains.twin.client import TwinProcess
from tests.faults.geth import GethPool
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams
from tests.road.displacing import displace
from tests.road.judging import ledger_of, wrong_with
from tests.road.lasting import Bot, Lasting, open_lasting

MOST_S = 5.0
_PACE_S = 3.0
_SILENCE_S = 4.0
_AT_A_TIME = 40
_POLL_S = 0.5
_PATIENCE_S = 900.0
_POOL_DEPTH = 8
_AT_ONCE = 1000
_READY = re.compile(r"^ready after .*$", re.MULTILINE)
_DECIDED = re.compile(r"^\d+ +\w+_arbitrage ", re.MULTILINE)
_AMOUNT = re.compile(r'^(capital|per_trade|hour_loss|day_loss|gas_day|drawdown) = ".*"$', re.MULTILINE)
_PLANS = re.compile(r"^(max_plans_per_block) = \d+$", re.MULTILINE)
_TICKS = os.sysconf("SC_CLK_TCK")


async def _play(folder: Path, rows: int, in_flight: int, seed: int) -> int:
    async with AsyncExitStack() as stack:
        twin = await stack.enter_async_context(
            TwinProcess(seed=seed, block_time_s=1, pace_s=0, stepped=True, taker_fee_ppm=230)
        )
        pool = GethPool(depth=_POOL_DEPTH)
        upstreams = Upstreams(twin.descriptor["rpc_http"])
        proxy = await stack.enter_async_context(FaultProxy(upstreams, pool=pool))
        on = await open_lasting(twin, folder, endpoints=[proxy.ws_url])
        _allow_much(folder)
        pool.lost_nonces.add(await _next_nonce(on))
        killed = await on.bot()
        stack.push_async_callback(_ended, killed)
        async with asyncio.timeout(_PATIENCE_S):
            await _until(lambda: _READY.search(killed.told) is not None, killed)
            await _displaced(on, in_flight, killed)
        await killed.killed()
        waiting = await _waiting(on)
        there = _fill(on.ledger, rows)
        begun_s = time.monotonic()
        again = await on.bot()
        stack.push_async_callback(_ended, again)
        async with asyncio.timeout(_PATIENCE_S):
            async with _blocks_being_made(on):
                await _until(lambda: _READY.search(again.told) is not None, again, every_s=0.02)
            ready_s, ready_cpu_s = time.monotonic() - begun_s, _cpu_s(again)
            await on.block()
            await _until(lambda: bool(_DECIDED.search(again.told)), again, every_s=0.02)
            decided_s, cpu_s, taken_up = time.monotonic() - begun_s, _cpu_s(again), _open(on)
            pool.lost_nonces.clear()
            async with _blocks_being_made(on):
                # It may find something in every block: what it has sent since is brought home once it is to end.
                await _until(lambda: taken_up.isdisjoint(_open(on)), again)
                again.process.send_signal(signal.SIGINT)
                summary = await again.summary()
        wrong = [*await wrong_with(on), *([] if summary["ledger_equals_chain"] else ["the ledger differs"])]
    for line in [*wrong, *_READY.findall(again.told)]:
        print(line, flush=True)
    print(
        f"{there} rows, {len(taken_up)} intents in flight, {waiting} transactions waiting at it: ready {ready_s:.1f} s "
        f"after its start ({ready_cpu_s:.1f} s of processor time), decides {decided_s:.1f} s after it ({cpu_s:.1f} s); "
        f"{len(wrong)} wrong"
    )
    return 1 if wrong or len(taken_up) < in_flight or decided_s > MOST_S else 0


def _allow_much(folder: Path) -> None:
    """As many in flight as may come, within any budget, and however long the machine takes over them."""
    run = folder / "isthmus.toml"
    text = run.read_text()
    for name in ("dex_arbitrage", "cex_dex_arbitrage"):
        strategy = (ROOT / "strategies" / f"{name}.toml").read_text()
        strategy = _PLANS.sub(r"\1 = 100", _AMOUNT.sub(r'\1 = "5000 ETH"', strategy))
        (folder / f"{name}.toml").write_text(strategy)
        text = text.replace(f"{ROOT}/strategies/{name}.toml", f"{name}.toml")
    sections = (
        f"[state]\nmax_age_s = {_PATIENCE_S}\n\n[simulator]\ntimeout_s = 60\n\n[execution]\nmost_in_flight = 1000\n"
    )
    run.write_text(f"{text}\n{sections}")


async def _displaced(on: Lasting, in_flight: int, bot: Bot) -> None:
    """Something to earn in many pools at once, until so many are in flight."""
    begun = 0
    while len(_open(on)) < in_flight:
        await displace(on.twin, _AT_A_TIME, after=begun)
        begun += _AT_A_TIME
        told = len(bot.told)
        await on.block()
        await _until(lambda: len(bot.told) > told, bot)  # noqa: B023 - it is waited for within the turn
        await _fallen_silent(bot)


async def _fallen_silent(bot: Bot) -> None:
    """Until a block is done with, which nobody says: no line for a while."""
    told = -1
    while told != len(bot.told):
        told = len(bot.told)
        await asyncio.sleep(_SILENCE_S)


async def _next_nonce(on: Lasting) -> int:
    async with HttpRpc(on.twin.descriptor["rpc_http"]) as rpc:
        return int(await rpc.rpc("eth_getTransactionCount", on.operators[0], "latest"), 16)


async def _waiting(on: Lasting) -> int:
    """How many of the operator's transactions the node holds and cannot put into a block yet."""
    async with HttpRpc(on.twin.descriptor["rpc_http"]) as rpc:
        held = await rpc.rpc("txpool_content")
    return sum(len(held["queued"].get(name, {})) for name in held["queued"] if address(name) in on.operators)


def _fill(path: Path, rows: int) -> int:
    """Events and postings, which come to nothing, until the ledger has so many rows; how many it has then."""
    ledger = Ledger.open(str(path), SystemClock())
    try:
        ledger.attach()
        account = next(account for account in ledger.accounts() if account.place == ledger.run.network)
        with ledger.read() as connection:
            there = int(connection.execute(select(func.count(SealRow.id))).scalar_one())
        while there < rows:
            with ledger.batch():
                for number in range(_AT_ONCE // 4):
                    units = 1 if number % 2 else -1
                    ledger.post("external", accounts.moved({account: units}, accounts.EXTERNAL), source="filling")
                    ledger.record_event(Level.INFO, "filling", str(number))
            there += _AT_ONCE
        return there
    finally:
        ledger.close()


@asynccontextmanager
async def _blocks_being_made(on: Lasting) -> AsyncIterator[None]:
    async def make() -> None:
        while True:
            due_s = time.monotonic() + _PACE_S
            await on.block()
            await asyncio.sleep(max(due_s - time.monotonic(), 0))

    making = asyncio.create_task(make())
    try:
        yield
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


async def _until(true: Callable[[], bool], bot: Bot, *, every_s: float = _POLL_S) -> None:
    while not true():
        if bot.process.returncode is not None:
            raise RuntimeError(f"the bot ended: {bot.told[-500:]}")
        await asyncio.sleep(every_s)


def _open(on: Lasting) -> set[int]:
    """The intents in flight, by their numbers in the ledger."""
    with suppress(LedgerError), ledger_of(on) as ledger:
        return {intent.id for intent in ledger.open_intents()}
    return set()


def _cpu_s(bot: Bot) -> float:
    """What the bot's own process has used of a processor."""
    fields = Path(f"/proc/{bot.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def _ended(bot: Bot) -> None:
    if bot.process.returncode is None:
        await bot.killed()


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it decided in time, and nothing was doubled or lost."""
    parser = argparse.ArgumentParser("python -m tests.torture.restart", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="isthmus-restart-") as folder:
        return asyncio.run(_play(Path(folder), options.rows, options.in_flight, options.seed))


if __name__ == "__main__":
    sys.exit(main())
