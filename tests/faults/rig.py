"""A true chain, proxies that fail before it, and the bot over them; moved block by block, at the pace of the network.

A block is made when the bot has decided on the one before, and at the latest after a block's time.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.execution.transactions import TransactionDesk
from tests.faults.bot import Bot
from tests.faults.chain import Setting, TrueChain
from tests.faults.fault import ELSEWHERE, Fault
from tests.faults.geth import GethPool
from tests.faults.oracle import Wrong, judge
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams

_BLOCKS_TO_SETTLE = 16
_BLOCKS_TO_RECOVER = 24
_DECIDED_BEFORE = 2
_TIME_TO_OPEN_S = 60.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The endpoints: the faulty one's transport, and whether a good one stands beside it."""

    transport: str = "ws"
    beside_a_good_one: bool = False

    def __str__(self) -> str:
        return f"{self.transport}{' + good' if self.beside_a_good_one else ''}"


LAYOUTS = tuple(Layout(transport, beside) for beside in (False, True) for transport in ("ws", "http"))


@dataclass(slots=True)
class Rig:
    """`faulty` is the proxy that fails. `reorgs` counts what was reorganised."""

    chain: TrueChain
    faulty: FaultProxy
    good: FaultProxy
    bot: Bot

    async def strike(self, *faults: Fault) -> None:
        """The faults begin. Where they answer from other nodes, those part from the true chain now."""
        for kind in {fault.kind for fault in faults} & ELSEWHERE:
            self.faulty.upstreams.others[kind] = await self.chain.elsewhere(kind)
        self.faulty.schedule.plan(*faults)

    def heal(self) -> None:
        """The faults end."""
        self.faulty.schedule.clear()

    async def blocks(self, count: int = 1, *, at_once: int = 1) -> bool:
        """`count` times `at_once` blocks; whether the bot decided on the newest of them in time."""
        in_time = True
        for _ in range(count):
            await self.chain.mine(at_once)
            await self.good.rebroadcast()
            in_time = await self.bot.at_tip(self.bot.block_time_s)
        return in_time

    async def reorganise(self, depth: int) -> None:
        """The last `depth` blocks are replaced, and geth's pool takes their transactions back."""
        await self.chain.reorganise(depth)
        await self.good.rebroadcast()
        await self.bot.at_tip(self.bot.block_time_s)

    async def recovered_after(self) -> int | None:
        """How many blocks after now the bot follows the chain and sends again; None when it does not."""
        for made in range(1, _BLOCKS_TO_RECOVER + 1):
            decided = len(self.bot.decided)
            if await self.blocks() and len(self.bot.decided) > decided:
                return made
        return None

    async def settle(self) -> list[Wrong]:
        """Begin nothing new, bring home what is in flight, and have the oracle judge.

        A bot that has lost the chain is started anew first, as a person would: its books must come right then.
        """
        self.bot.strategy.resting = True
        if not await self.blocks():
            await self.bot.restart()
        for _ in range(_BLOCKS_TO_SETTLE):
            if await self.blocks() and not self.bot.ledger.open_intents():
                break
        await self.bot.stop()
        return await judge(self.chain, self.bot)


@asynccontextmanager
async def open_rig(
    setting: Setting, layout: Layout, *, desk: type[TransactionDesk] = TransactionDesk, block_time_s: int = 3
) -> AsyncIterator[Rig]:
    """A rig whose bot has followed and traded for a while.

    `block_time_s` is the network's. On a busy machine a longer one tells better what is late because of a fault.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-faults-")))
        chain = await stack.enter_async_context(TrueChain.open(setting))
        pool = GethPool()
        faulty = await stack.enter_async_context(FaultProxy(Upstreams(chain.anvil.http_url), pool=pool))
        good = await stack.enter_async_context(FaultProxy(Upstreams(chain.anvil.http_url), pool=pool))
        first = faulty.ws_url if layout.transport == "ws" else faulty.http_url
        beside = good.ws_url if layout.transport == "ws" else good.http_url
        endpoints = [first, beside] if layout.beside_a_good_one else [first]
        bot = Bot(chain, folder, endpoints, desk, block_time_s)
        rig = Rig(chain, faulty, good, await stack.enter_async_context(bot))
        async with asyncio.timeout(_TIME_TO_OPEN_S):
            while len(bot.decided) < _DECIDED_BEFORE:
                await chain.mine()
                await bot.at_tip(_TIME_TO_OPEN_S)
        yield rig
