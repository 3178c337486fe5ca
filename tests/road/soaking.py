"""The whole bot on a lasting twin, in trouble: started, killed, started again, brought home. One step is a block."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from asyncio import create_subprocess_exec
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select

from bot.ledger.errors import LedgerError
from bot.ledger.models import IntentRow
from bot.ledger.states import SETTLED, MinedAs, OrderState
from bot.reasons import Reason
from bot.signer.switch import CONTROL_NAME, KillSwitch, Switch, Trading
from chains.exchanges.adapter import Exchange
from chains.exchanges.urls import ccxt_urls
from chains.tools import ROOT
from chains.twin.client import TwinProcess
from tests.chains.node.support import TcpProxy
from tests.faults.geth import GethPool
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams
from tests.road.judging import ledger_of
from tests.road.lasting import API_KEY, API_SECRET, SYMBOLS, Bot, Lasting, open_lasting
from tests.road.troubles import Befalling, Surroundings, Trouble

_SAMPLED_EVERY_S = 5.0
_REBROADCAST_EVERY = 5
_POOL_DEPTH = 8
_HOME_BLOCKS = 90
_HOMECOMINGS = 3
_LAST_BLOCKS = "40"
_LOOKED_EVERY = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNHEARD = re.compile(r"never retrieved|never awaited|Traceback \(most recent call last\)|Unhandled exception")
_LAST_WORDS = 160


@dataclass(slots=True)
class Life:
    """One process of the bot: from (seconds, bytes) on, as long as it lived."""

    bot: Bot
    samples: list[tuple[float, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.samples[-1][0] - self.samples[0][0] if self.samples else 0.0

    def sample(self) -> None:
        """Take note of its memory, if it is still there."""
        with suppress(OSError):
            pages = int(Path(f"/proc/{self.bot.process.pid}/statm").read_text().split()[1])
            if pages:  # of a process that has just died nothing is resident
                self.samples.append((time.monotonic(), pages * _PAGE))


@dataclass(slots=True)
class Soak:
    """A twin, what stands before it, and one bot after the other. `ends` are those by their own word."""

    on: Lasting
    around: Surroundings
    exchange: Exchange
    lives: list[Life] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    steps: int = 0
    kills: int = 0
    settled_by_hand: int = 0
    resumed: int = 0

    async def run(self, coming: Iterator[Befalling], until_s: float, pace_s: float, told_every_s: float) -> None:
        """A step is a block, and what befalls with it."""
        begun_s = told_s = sampled_s = time.monotonic()
        now: Befalling | None = None
        following = next(coming)
        await self._start()
        while time.monotonic() < until_s:
            due_s = time.monotonic() + pace_s
            if now is not None and self.steps >= now.until:
                self.around.heal()
                now = None
            if now is None and self.steps >= following.step:
                now, following = following, next(coming)
                await self.around.begin(now, self.on)
                if now.trouble is Trouble.KILL:
                    await self._kill()
            await self._step()
            if now is None and self.steps % _LOOKED_EVERY == 0:
                await self._as_a_person()
            if time.monotonic() - sampled_s >= _SAMPLED_EVERY_S:
                sampled_s = time.monotonic()
                self.lives[-1].sample()
            if time.monotonic() - told_s >= told_every_s:
                told_s = time.monotonic()
                print(f"{(told_s - begun_s) / 60:.0f} min: {self}", flush=True)
            await asyncio.sleep(max(due_s - time.monotonic(), 0))
        self.around.heal()

    async def home(self, pace_s: float) -> dict[str, Any] | None:
        """Have the bot end as a person would, once or more until nothing is in flight; its last summary."""
        process = self.lives[-1].bot.process
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        document: dict[str, Any] | None = None
        for _ in range(_HOMECOMINGS):
            output = b""
            async with self._stepping(pace_s):
                with suppress(TimeoutError):
                    async with asyncio.timeout(_HOME_BLOCKS * max(pace_s, 1.0)):
                        output, _ = await self.lives[-1].bot.process.communicate()
            document = _summary(output)
            if document is not None and not document["in_flight"]:
                return document
            await self.ended()
            self.lives.append(Life(await self.on.bot("--blocks", _LAST_BLOCKS)))
        return document

    @asynccontextmanager
    async def _stepping(self, pace_s: float) -> AsyncIterator[None]:
        async def step_on() -> None:
            while True:
                await self.on.block()
                await self.around.good.rebroadcast()
                self.steps += 1
                if self.steps % _LOOKED_EVERY == 0:
                    await self._as_a_person()
                await asyncio.sleep(pace_s)

        stepping = asyncio.create_task(step_on())
        try:
            yield
        finally:
            stepping.cancel()
            await asyncio.gather(stepping, return_exceptions=True)

    async def _step(self) -> None:
        await self.on.block()
        self.steps += 1
        if self.steps % _REBROADCAST_EVERY == 0:
            await self.around.good.rebroadcast()
        bot = self.lives[-1].bot
        if bot.process.returncode is not None:
            lines = [line for line in bot.told.splitlines() if line.strip()]
            self.ends.append(f"exit {bot.process.returncode}: {lines[-1][:_LAST_WORDS] if lines else 'no word'}")
            print(f"ended by itself, {self.ends[-1]}", flush=True)
            await self._start()

    async def _as_a_person(self) -> None:
        """What the exchange itself does not know never traded; whose trades all came too late may try again."""
        for name, switch in self.halted.items():
            if Reason.SIGNER_BREAKER_FAILURES in switch.because:
                words = ("resume", name, "--run", str(self._control.parent), "--because", "its trades came too late")
                self.resumed += await _did(*words)
        with suppress(LedgerError), ledger_of(self.on) as ledger:
            for order in ledger.open_orders():
                if order.state is not OrderState.QUARANTINED or await self.exchange.find(order.client_id, order.symbol):
                    continue
                words = ("orders", "settle", order.client_id, "--ledger", str(self.on.ledger), "--never-traded")
                self.settled_by_hand += await _did(*words, "--because", "the exchange does not know it")

    async def _kill(self) -> None:
        self.kills += 1
        await self.ended()
        await self._start()

    async def ended(self) -> None:
        """The bot dies now, if it still lives."""
        bot = self.lives[-1].bot
        if bot.process.returncode is None:
            await bot.killed()

    async def _start(self) -> None:
        self.lives.append(Life(await self.on.bot()))

    @property
    def _control(self) -> Path:
        return self.on.ledger.parent / CONTROL_NAME

    @property
    def halted(self) -> dict[str, Switch]:
        """The kill switches that are not ACTIVE, by strategy."""
        switches = KillSwitch(self._control).read().switches
        return {name: switch for name, switch in switches.items() if switch.state is not Trading.ACTIVE}

    @property
    def settled(self) -> int:
        """How many intents did on the chain what they were to do; none while there is no ledger."""
        states = [state.value for state in SETTLED]
        wanted = select(func.count(IntentRow.id)).where(
            IntentRow.state.in_(states), IntentRow.mined_as == MinedAs.OK.value
        )
        with suppress(LedgerError), ledger_of(self.on) as ledger, ledger.read() as connection:
            return int(connection.execute(wanted).scalar_one())
        return 0

    @property
    def unheard(self) -> list[str]:
        """What every life said of failures that nobody caught."""
        told = (line for life in self.lives for line in life.bot.told.splitlines())
        return [line for line in told if _UNHEARD.search(line)]

    def __str__(self) -> str:
        befallen = self.around.befallen
        said = ", ".join(f"{trouble} {befallen[trouble]}" for trouble in Trouble if befallen[trouble])
        samples = self.lives[-1].samples
        return (
            f"{self.steps} blocks, {self.settled} trades settled; {said or 'no trouble'}; {self.around.struck} "
            f"requests struck; {self.kills} kills, {len(self.ends)} ends by its own word; "
            f"{self.settled_by_hand} orders settled by hand, {self.resumed} resumed; "
            f"{samples[-1][1] / 2**20 if samples else 0:.0f} MiB; {len(self.unheard)} unheard failures"
        )


async def _did(*words: str) -> bool:
    """Whether the bot's own command did it."""
    person = await create_subprocess_exec(sys.executable, "-m", "bot", *words, cwd=ROOT)
    return await person.wait() == 0


def _summary(output: bytes) -> dict[str, Any] | None:
    """The last line of what a run printed, if it came to one."""
    document: dict[str, Any] | None = orjson.loads(output.splitlines()[-1]) if output else None
    return document


@asynccontextmanager
async def open_soak(folder: Path, seed: int) -> AsyncIterator[Soak]:
    async with AsyncExitStack() as stack:
        twin = await stack.enter_async_context(
            TwinProcess(seed=seed, block_time_s=1, pace_s=0, stepped=True, taker_fee_ppm=230)
        )
        pool = GethPool(depth=_POOL_DEPTH)
        upstreams = Upstreams(twin.descriptor["rpc_http"])
        faulty = await stack.enter_async_context(FaultProxy(upstreams, pool=pool))
        good = await stack.enter_async_context(FaultProxy(upstreams, pool=pool))
        exchange = await stack.enter_async_context(TcpProxy(_Port.of(twin.descriptor["exchange_http"])))
        on = await open_lasting(
            twin, folder, endpoints=[faulty.ws_url, good.ws_url], exchange=(exchange.http_url, exchange.ws_url)
        )
        asked = Exchange(
            "binance",
            "binance",
            SYMBOLS,
            urls=ccxt_urls(twin.descriptor["exchange_http"], twin.descriptor["exchange_ws"]),
            api_key=API_KEY,
            secret=API_SECRET,
            answers_within_s=10.0,
        )
        stack.push_async_callback(asked.close)
        await asked.connect()
        soak = Soak(on, Surroundings(faulty, good, exchange), asked)
        try:
            yield soak
        finally:
            if soak.lives:
                await soak.ended()


@dataclass(frozen=True, slots=True)
class _Port:
    """Where the exchange listens."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> _Port:
        host, port = url.rpartition("/")[2].split(":")
        return cls(host, int(port))
