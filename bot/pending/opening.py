"""Begins to watch waiting transactions beside a run."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bot.config.pending import PendingSettings
from bot.engine import Engine
from bot.market import Market, Supposed
from bot.pending.transaction import PendingTransaction
from bot.pending.trial import Trial
from bot.pending.watch import PendingWatch
from bot.world.world import World


async def open_pending(
    settings: PendingSettings, world: World, market: Market, engine: Engine, stack: AsyncExitStack
) -> None:
    """If it is asked for; `stack` ends it. `pending_cycles` counts the cycles that waiting transactions would open."""
    if not settings.watch:
        return

    def count(tx: PendingTransaction, supposed: Supposed) -> None:
        engine.counts["pending_cycles"] += sum(1 for _ in supposed.cycles(through=supposed.changed))

    trial = await stack.enter_async_context(Trial(world.network, world.fork_url))
    watch = PendingWatch(
        world.node,
        trial,
        market,
        lambda: engine.head,
        count,
        engine.counts,
        queue=settings.queue,
        poll_s=settings.poll_s,
    )
    stack.push_async_callback(watch.close)
    watch.start()
