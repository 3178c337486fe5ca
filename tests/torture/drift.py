"""Blocks without end, reorganised at random and told of badly: does every pool stay what a fresh load says?

    python -m tests.torture.drift --blocks 10000 --seed 1

A real Anvil makes the blocks, the real node follows them, and every 500 blocks each pool of the market is held against
a fresh load at the same hash, to the wei.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bot.drift.chain import PoolReader
from bot.drift.comparison import differences, told
from bot.drift.policy import AuditPolicy
from bot.drift.upkeep import Upkeep, Upkeeping
from bot.ledger.decisions import Level
from bot.market import Market
from chains.blocks import ChainEvent, Head, Undone
from chains.pools.registry import TOPICS
from tests.bot.drift.heads import BadHeads
from tests.bot.drift.world import World, open_world
from tests.chains.node.support import node_on

MOST_DEPTH = 8
CHECK_EVERY = 500
POLICY = AuditPolicy(every_blocks=4, pools=3, calls_per_minute=10**6)
_MOST_BEHIND = 12
_FOLLOWED_TO_THE_TIP = 0.8
_REORGANISED = 0.06
_WITHIN_S = 30.0


@dataclass(slots=True)
class Report:
    """`wrong` are pools that were not what a fresh load says; a run without any has passed."""

    blocks: int = 0
    logs: int = 0
    checks: int = 0
    pools_checked: int = 0
    deepest: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    duration_s: float = 0.0

    def __str__(self) -> str:
        said = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        return (
            f"{self.pools_checked} pool states at {self.checks} heads equal a fresh load but {len(self.wrong)}: "
            f"{self.blocks} blocks taken in, {self.logs} logs, deepest reorganisation {self.deepest}; {said}; "
            f"{self.duration_s:.0f} s"
        )


class Follower:
    """The part of the bot that keeps a market true, fed by a real node."""

    def __init__(self, market: Market, reader: PoolReader, policy: AuditPolicy, report: Report) -> None:
        self.market = market
        self.report = report
        self.hash = ""
        self._upkeep = Upkeep(market, Upkeeping(reader, policy), self._record, report.counts)
        self._moved = asyncio.Condition()

    async def take(self, event: ChainEvent) -> None:
        """As the engine does."""
        if isinstance(event, Undone):
            self.report.counts["undone"] += 1
            self.report.deepest = max(self.report.deepest, len(event.dropped))
            self.market.undo(event.ancestor.number)
            self._upkeep.undone(event.ancestor.number)
            return
        self.market.apply(event)
        await self._upkeep.on_head(event.head)
        self._upkeep.before(self.market.take_changed())
        self._upkeep.after(event.head)
        self.report.blocks += 1
        self.report.logs += len(event.logs)
        async with self._moved:
            self.hash = event.head.hash
            self._moved.notify_all()

    async def reached(self, block_hash: str) -> None:
        """Wait until it has come to that block."""
        async with asyncio.timeout(_WITHIN_S), self._moved:
            await self._moved.wait_for(lambda: self.hash == block_hash)

    async def close(self) -> None:
        await self._upkeep.finished()

    def _record(self, level: Level, name: str, detail: str) -> None:
        self.report.events.append(f"{name}: {detail}")


async def run(
    blocks: int,
    seed: int,
    *,
    check_every: int = CHECK_EVERY,
    market_of: type[Market] = Market,
    policy: AuditPolicy = POLICY,
) -> Report:
    """Make `blocks` blocks, about, and follow them."""
    report, rng, began = Report(), random.Random(seed), time.monotonic()
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(seed))
        heads = await stack.enter_async_context(BadHeads(world.anvil.ws_url, random.Random(seed + 1)))
        node = await stack.enter_async_context(node_on(heads.ws_url, head_timeout_s=5.0))
        start = await world.head()
        market = await world.market(market_of)
        follower = Follower(market, PoolReader(node, world.facts), policy, report)

        async def follow() -> None:
            async for event in node.blocks(sorted(TOPICS), start):
                await follower.take(event)

        following = asyncio.create_task(follow())
        driving = asyncio.create_task(_drive(world, heads, follower, blocks, rng, check_every))
        await asyncio.wait({following, driving}, return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await driving
        await follower.close()
        report.counts.update({f"heads_{name}": count for name, count in heads.counts.items()})
    report.duration_s = time.monotonic() - began
    return report


async def _drive(
    world: World, heads: BadHeads, follower: Follower, blocks: int, rng: random.Random, check_every: int
) -> None:
    """Make the blocks, never so fast that the follower falls behind further than it may remember."""
    floor = (await world.head()).number + MOST_DEPTH
    alone = 0
    for made in range(1, blocks + 1):
        for _ in range(rng.randint(0, 3)):
            await world.move()
        await world.mine()
        alone += 1
        reorganised = rng.random() < _REORGANISED and (await world.head()).number > floor
        if made % check_every == 0 or made == blocks:
            await _check(world, heads, follower)
        elif alone >= _MOST_BEHIND or (reorganised and rng.random() < _FOLLOWED_TO_THE_TIP):
            await _come_to_the_tip(world, heads, follower)
            alone = 0
        if reorganised:
            await world.anvil.rpc("anvil_reorg", rng.randint(1, MOST_DEPTH), [])
            follower.report.counts["reorganisations"] += 1


async def _come_to_the_tip(world: World, heads: BadHeads, follower: Follower) -> Head:
    """Tell of one head truly, and wait until the follower has come to it."""
    heads.honest = True
    await world.mine()
    head = await world.head()
    await follower.reached(head.hash)
    heads.honest = False
    return head


async def _check(world: World, heads: BadHeads, follower: Follower) -> None:
    """Let it come to the head, and hold every pool against a fresh load at that hash."""
    head = await _come_to_the_tip(world, heads, follower)
    report = follower.report
    report.checks += 1
    for venue, pool in (await world.fresh(head.hash)).items():
        report.pools_checked += 1
        ours = follower.market.pools.get(venue)
        found = differences(ours, pool) if ours is not None else ()
        if ours is None:
            report.wrong.append(f"block {head.number}: {venue} is out: {follower.market.refused.get(venue)}")
        elif found:
            report.wrong.append(f"block {head.number}: {venue} {told(found)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = asyncio.run(run(options.blocks, options.seed))
    for line in (*report.wrong, *report.events):
        print(line)
    print(report)
    return 1 if report.wrong or report.counts["differed"] else 0


if __name__ == "__main__":
    sys.exit(main())
