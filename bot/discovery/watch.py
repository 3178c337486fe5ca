"""Pools that are made while the bot runs: announced in one block, in the market a block or so later. States are saved.

All of it happens beside the road: the chain's events pass through unchanged, and between two of them the market is
given what has been read meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.discovery.discovery import REORG_BLOCKS, Discovery, DiscoveryNode
from bot.discovery.errors import DiscoveryError
from bot.discovery.filters import Filters
from bot.discovery.liquidity import depth_wei
from bot.discovery.store import KnownPool, PoolStore, Position, Step
from bot.market import Market
from bot.market.loader import load_pools
from bot.market.multicall import LoadFailed
from chains.anvil import RpcError
from chains.blocks import Block, ChainEvent, Head, Log, Undone
from chains.codec.views import emitted, having
from chains.discovery.found import Found
from chains.node.errors import NodeError
from chains.pools.pool import Pool, PoolError, PoolFacts, Source
from chains.pools.upgrades import CodeChanged, followed

_REMEMBERED_BLOCKS = 64
_MOST_WAITING = 1_000
"""So many pools that are still too shallow are looked at again; more are left to the next start."""

_UNANSWERED = (NodeError, RpcError, LoadFailed, DiscoveryError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A pool as it was after block `number`, to be taken into the market."""

    known: KnownPool
    pool: Pool
    head: Head


class PoolWatch:
    """Sees every block, and keeps the market and the store up with it. `welcome` is told of each pool taken in."""

    def __init__(
        self,
        market: Market,
        node: DiscoveryNode,
        store: PoolStore,
        discovery: Discovery,
        filters: Filters,
        head: Head,
        *,
        save_blocks: int,
        welcome: Callable[[PoolFacts, str], None],
        told: Callable[[str], None],
    ) -> None:
        self._market, self._node, self._store = market, node, store
        self._discovery, self._filters = discovery, filters
        self._save_blocks = save_blocks
        self._welcome, self._told = welcome, told
        self._recent: deque[Block] = deque(maxlen=_REMEMBERED_BLOCKS)
        self._announced: list[Log] = []
        self._shallow: dict[str, KnownPool] = {}
        self._arrivals: list[Arrival] = []
        self._saved: dict[str, Pool | None] = dict(market.pools)
        self._forget_above: int | None = None
        self._saved_at = head.number
        self.on_joined: Callable[[PoolFacts, str, Pool], None] = lambda facts, protocol, pool: None
        """Called with each pool that is taken in, as it then is."""
        self._reading: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None

    @property
    def topics(self) -> frozenset[bytes]:
        """What to subscribe to besides what changes pools."""
        return self._discovery.topics

    async def seen(self, events: AsyncGenerator[ChainEvent]) -> AsyncGenerator[ChainEvent]:
        """The same events. Before each of them, and after, the market is where the last one left it."""
        async with contextlib.aclosing(events):
            async for event in events:
                self._take_in_arrivals()
                yield event
                self._take(event)
                self._take_in_arrivals()

    async def close(self) -> None:
        """Stop reading, and save what is known, unless the run was ended in the middle of a block."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._saving is not None:
            await asyncio.gather(self._saving, return_exceptions=True)
        if self._recent and self._recent[-1].head.number == self._market.number:
            await self._save(self._recent[-1].head, self._swapped())

    def _take(self, event: ChainEvent) -> None:
        if isinstance(event, Undone):
            self._undo(event)
            return
        self._recent.append(event)
        origins = {origin.address for origin in self._discovery.origins}
        self._announced += [log for log in having(event.logs, self._discovery.topics) if log.address in origins]
        due = event.head.number - self._saved_at >= self._save_blocks
        if (self._announced or (due and self._shallow)) and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read(event.head, look_again=due))
        if due and (self._saving is None or self._saving.done()):
            self._saved_at = event.head.number
            self._saving = asyncio.create_task(self._save(event.head, self._swapped()))

    def _undo(self, undone: Undone) -> None:
        """Blocks that are gone announced nothing, and what was saved of them holds no more."""
        number = undone.ancestor.number
        while self._recent and self._recent[-1].head.number > number:
            self._recent.pop()
        self._announced = [log for log in self._announced if log.block_number <= number]
        self._arrivals = [arrival for arrival in self._arrivals if arrival.head.number <= number]
        self._saved = dict.fromkeys(self._saved)
        self._forget(number)

    def _forget(self, number: int) -> None:
        self._forget_above = number if self._forget_above is None else min(number, self._forget_above)

    async def _forget_undone(self) -> None:
        """Take what undone blocks announced out of the store."""
        number, self._forget_above = self._forget_above, None
        if number is not None:
            names = [origin.name for origin in self._discovery.origins]
            try:
                await asyncio.to_thread(self._store.rewind, names, number, max(0, number - REORG_BLOCKS))
            except BaseException:
                self._forget(number)
                raise

    async def _read(self, head: Head, *, look_again: bool) -> None:
        """Read what was announced, as of `head`, and what was too shallow before."""
        logs = tuple(self._announced)
        try:
            await self._forget_undone()
            step = await self._discovery.understood(logs, head)
            await asyncio.to_thread(self._store.record, step)
            self._discovery.learn(step)
            again = list(self._shallow.values()) if look_again else []
            known = [*(self._known(found) for found in step.pools), *again]
            wanted = {pool.facts.venue: pool for pool in known if self._filters.by_facts(pool) is None}
            loaded = await load_pools(self._node, [pool.facts for pool in wanted.values()], head.hash)
        except _UNANSWERED as error:
            self._told(f"new pools cannot be read now: {error}")
            return
        self._announced = [log for log in self._announced if log not in logs]
        self._arrivals += [Arrival(wanted[pool.venue], pool, head) for pool in loaded.pools]

    def _known(self, found: Found) -> KnownPool:
        tokens = tuple(self._discovery.tokens[token] for token in found.tokens)
        facts = PoolFacts(found.family, found.address, tokens, found.fee_ppm, found.pool_id, found.details)
        return KnownPool(facts, found.protocol, found.block_number, None)

    def _take_in_arrivals(self) -> None:
        """Bring what was read to where the market is, and let it in if it is deep enough."""
        arrivals, self._arrivals = self._arrivals, []
        for arrival in arrivals:
            try:
                pool = caught_up(arrival.pool, arrival.head, self._recent)
            except CodeChanged as error:
                self._told(f"new pool left out: {error}")
                continue
            if pool is None:
                self._shallow[arrival.known.facts.venue] = arrival.known
            else:
                self._decide(arrival.known, pool)

    def _decide(self, known: KnownPool, pool: Pool) -> None:
        venue = pool.venue
        unproven = self._filters.by_kind(pool)
        if unproven is not None:
            self._shallow.pop(venue, None)
            self._told(f"new pool left out: {known.protocol} at {venue}: {unproven}")
            return
        refusal = self._filters.by_liquidity(depth_wei(self._market, pool))
        if refusal is None and len(self._market.pools) < self._filters.most:
            self._shallow.pop(venue, None)
            self._welcome(known.facts, known.protocol)
            self._market.add_pool(pool, self._market.number)
            self.on_joined(known.facts, known.protocol, pool)
            symbols = "/".join(token.symbol for token in pool.tokens)
            self._told(f"new pool: {known.protocol} {symbols} at {venue}")
        elif len(self._shallow) < _MOST_WAITING or venue in self._shallow:
            self._shallow[venue] = known

    def _swapped(self) -> tuple[Mapping[str, Pool | None], Mapping[str, Pool]]:
        """The states as they are stored, and as they are now, which is what will be stored."""
        before, now = self._saved, dict(self._market.pools)
        self._saved = dict(now)
        return before, now

    async def _save(self, head: Head, states: tuple[Mapping[str, Pool | None], Mapping[str, Pool]]) -> None:
        """Everything as of `head`, in one transaction beside the loop."""
        before, now = states
        changed = [pool for venue, pool in now.items() if before.get(venue) is not pool]
        at = Position(head.number, head.hash)
        idle = not self._announced and not self._arrivals and (self._reading is None or self._reading.done())
        step = Step(progress={origin.name: at for origin in self._discovery.origins} if idle else {})
        try:
            await self._forget_undone()
            await asyncio.to_thread(self._store.save_states, changed, before.keys() - now.keys(), at, step)
        except DiscoveryError as error:
            self._saved = dict.fromkeys({**before, **now})
            self._told(f"pool states could not be saved: {error}")


def caught_up(pool: Pool, head: Head, recent: Sequence[Block]) -> Pool | None:
    """`pool`, read as of `head`, after the blocks of `recent` above it; None where that cannot be told.

    `recent` are blocks in order up to where the market is. Raises `CodeChanged`.
    """
    if not recent or all(block.head.hash != head.hash for block in recent):
        return None
    for block in recent:
        if block.head.number <= head.number:
            continue
        for log in emitted(block.logs, {source.emitter for source in pool.sources}):
            about = {Source(log.address), Source(log.address, log.topics[1] if len(log.topics) > 1 else b"")}
            if about & set(pool.sources):
                try:
                    pool = followed(pool, log)
                except CodeChanged:
                    raise
                except PoolError:
                    return None
    return pool
