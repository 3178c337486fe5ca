"""A market that follows a small real chain under audit, and can be misled on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from bot.drift.audit import Audit
from bot.drift.chain import PoolReader
from bot.drift.policy import AuditPolicy
from bot.drift.resync import Resync
from bot.ledger.decisions import Level
from bot.market import Market
from bot.market.loader import load_pools
from bot.turns import Turns
from chains.blocks import Block, Head, Log
from chains.pools.pool import Pool
from tests.bot.drift.world import World, open_world

EVERYTHING = AuditPolicy(every_blocks=1, pools=100, calls_per_minute=10**6, second_look_s=0.0)


@dataclass(slots=True)
class Scene:
    """`events` are (name, detail) of what was recorded."""

    world: World
    market: Market
    chain: PoolReader
    audit: Audit
    resync: Resync
    events: list[tuple[str, str]] = field(default_factory=list)
    reloading: bool = True

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def pair(self, index: int = 0) -> str:
        """The venue of a pair."""
        return self.world.pairs[index].venue

    async def swap(self, index: int = 0, amount: int = 10**18) -> None:
        """Somebody swaps in a pair; the block is not made yet."""
        await self.world.swap_pair(self.world.pairs[index], amount)

    async def step(self, keep: Callable[[Log], bool] = lambda log: True) -> Head:
        """Make a block and take it in but for the logs that are not kept; then audit."""
        await self.world.mine()
        block = await self.world.block()
        block = replace(block, logs=tuple(filter(keep, block.logs)))
        return await self.take(block)

    async def take(self, block: Block) -> Head:
        """As the engine takes a block."""
        self.market.apply(block)
        await self.resync.on_head(block.head)
        self.audit.before(self.market.take_changed())
        self.audit.after(block.head)
        await self.audit.finished()
        return block.head

    async def reload(self, venues: Collection[str], head: Head) -> Iterable[Pool]:
        if not self.reloading:
            return ()
        facts = [self.world.facts[venue] for venue in venues]
        return (await load_pools(self.world, facts, head.hash)).pools


@asynccontextmanager
async def open_scene(
    policy: AuditPolicy = EVERYTHING, seed: int = 1, turns: Turns | None = None
) -> AsyncIterator[Scene]:
    async with open_world(seed) as world:
        market = await world.market()
        chain = PoolReader(world, world.facts, turns=turns)
        events: list[tuple[str, str]] = []

        def record(level: Level, name: str, detail: str) -> None:
            events.append((name, detail))

        async def reload(venues: Collection[str], head: Head) -> Iterable[Pool]:
            return await scene.reload(venues, head)

        audit = Audit(market, chain, policy, record, Counter())
        resync = Resync(market, reload, record, Counter())
        scene = Scene(world, market, chain, audit, resync, events)
        yield scene
        await audit.close()
