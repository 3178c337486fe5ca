"""From the store to a market as of a head: what was discovered, what it is now, and which of it is kept."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bot.discovery.discovery import Discovery, DiscoveryNode, Progress
from bot.discovery.filters import Chosen, Filters
from bot.discovery.liquidity import liquidity_wei
from bot.discovery.scanner import RangeScanner
from bot.discovery.states import unpacked
from bot.discovery.store import KnownPool, PoolStore, Position
from bot.market import Market
from bot.market.loader import load_pools
from chains.assets import Token
from chains.blocks import Head, Log
from chains.discovery.registries import NAMED, WRAPPER
from chains.networks import Network
from chains.pools.pool import MalformedState, Pool, PoolFacts, Source, is_refreshed, is_timed
from chains.pools.registry import FAMILIES, Family
from chains.snapshot.codec import reference


@dataclass(frozen=True, slots=True)
class Opened:
    """A market of discovered pools as of one block, and why the others are not in it."""

    market: Market
    kept: tuple[KnownPool, ...]
    left_out: Mapping[str, str]
    loaded: int
    """How many pools were read from the node; the others came out of the store as they were."""


class PoolBook:
    """What the store holds, as a market needs it. `max_gap_blocks` as in the configuration."""

    def __init__(
        self,
        node: DiscoveryNode,
        store: PoolStore,
        network: Network,
        discovery: Discovery,
        filters: Filters,
        max_gap_blocks: int,
        families: Mapping[str, Family] = FAMILIES,
    ) -> None:
        self._node, self._store, self._network = node, store, network
        self._discovery, self._filters = discovery, filters
        self._max_gap_blocks = max_gap_blocks
        self._families = families

    async def open(self, head: Head, progress: Progress, *, measure_all: bool = False) -> Opened:
        """The market as of `head`; what was never measured or is named, or all with `measure_all`, is measured first.

        States are stored as of `head` when it returns. Raises `StoreFailed`, `LoadFailed`, `NodeError`.
        """
        with _collector_paused():
            known = {pool.facts.venue: _to_measure(pool) for pool in self._store.pools(self._discovery.tokens)}
            wanted = self._wanted(known.values(), measure_all=measure_all)
            current, stored = await self._kept_current(wanted, head, progress)
            missing = [pool.facts for venue, pool in wanted.items() if venue not in current]
            fresh, refused = await self._loaded(missing, head, progress)
            pools = {**current, **fresh}
            unproven = {venue: why for venue, pool in pools.items() if (why := self._filters.by_kind(pool))}
            pools = {venue: pool for venue, pool in pools.items() if venue not in unproven}
            market = market_of(self._network, pools.values(), head.number)
            chosen, measured = self._chosen(known, market, refused, unproven, measure_all=measure_all)
            if len(chosen.kept) < len(market.pools):
                market = market_of(self._network, (pools[pool.facts.venue] for pool in chosen.kept), head.number)
            self._store.measured(measured, head.number)
            # Also of pools that the filters leave out today: nobody looked at what changed them.
            gone = stored - market.pools.keys()
            kept_fresh = [pool for venue, pool in fresh.items() if venue in market.pools]
            self._store.save_states(kept_fresh, gone, Position(head.number, head.hash))
            return Opened(market, chosen.kept, chosen.left_out, len(fresh))

    def _wanted(self, known: Iterable[KnownPool], *, measure_all: bool) -> dict[str, KnownPool]:
        """The pools whose state must be known to choose: those chosen already, and those never measured."""
        candidates = [pool for pool in known if self._filters.by_facts(pool) is None]
        if measure_all:
            return {pool.facts.venue: pool for pool in candidates}
        chosen = self._filters.choose([pool for pool in candidates if pool.liquidity_wei is not None]).kept
        return {pool.facts.venue: pool for pool in (*chosen, *(p for p in candidates if p.liquidity_wei is None))}

    async def _kept_current(
        self, wanted: Mapping[str, KnownPool], head: Head, progress: Progress
    ) -> tuple[dict[str, Pool], frozenset[str]]:
        """The stored states of `wanted` that are still those of `head`, and every venue that has a stored state.

        Of the former there are none where their block is gone, or too far back.
        """
        at, states = self._store.states()
        stored = frozenset(states)
        if at is None or not await self._continues(at, head):
            return {}, stored
        tokens = {reference(token): token for token in self._discovery.tokens.values()}
        pools = dict(unpack_all({venue: pool.facts for venue, pool in wanted.items()}, states, tokens, self._families))
        logs = await self._logs_since(at, head, progress)
        touched = _touched(pools.values(), logs)
        return {venue: pool for venue, pool in pools.items() if venue not in touched}, stored

    async def _continues(self, at: Position, head: Head) -> bool:
        if not 0 <= head.number - at.number <= self._max_gap_blocks:
            return False
        found = await self._node.block_by_number(at.number)
        return found is not None and found.hash == at.block_hash

    async def _logs_since(self, at: Position, head: Head, progress: Progress) -> list[Log]:
        logs: list[Log] = []
        topics = frozenset().union(*(family.topics for family in self._families.values()))
        async for scanned in RangeScanner(self._node, topics, head.number).scan(at.number + 1, head.number):
            logs += scanned.logs
            progress("reading what changed", scanned.last - at.number, head.number - at.number + 1)
        return logs

    async def _loaded(
        self, facts: Sequence[PoolFacts], head: Head, progress: Progress
    ) -> tuple[dict[str, Pool], Mapping[str, str]]:
        loaded = await load_pools(self._node, facts, head.hash, counting(len(facts), progress), self._families)
        return {pool.venue: pool for pool in loaded.pools}, loaded.refused

    def _chosen(
        self,
        known: Mapping[str, KnownPool],
        market: Market,
        refused: Mapping[str, str],
        unproven: Mapping[str, str],
        *,
        measure_all: bool,
    ) -> tuple[Chosen, dict[str, int]]:
        """What the filters keep of what could be loaded, and what was measured to choose it.

        An unproven pool is not measured: it is looked at again with the next start, which may know its kind.
        """
        due = {venue for venue in market.pools if measure_all or known[venue].liquidity_wei is None}
        depths = liquidity_wei(market) if due else {}
        measured = {venue: depths[venue] for venue in due} | dict.fromkeys(refused, 0)
        present = (
            replace(pool, liquidity_wei=measured[venue]) if venue in measured else pool for venue, pool in known.items()
        )
        left_out = {**refused, **unproven}
        chosen = self._filters.choose(pool for pool in present if pool.facts.venue not in left_out)
        kept = tuple(pool for pool in chosen.kept if pool.facts.venue in market.pools)
        return Chosen(kept, {**chosen.left_out, **left_out}), measured


def _to_measure(pool: KnownPool) -> KnownPool:
    """What a person names counts as never measured: it may have been empty or paused when it last was."""
    return replace(pool, liquidity_wei=None) if pool.protocol in (*NAMED, WRAPPER) else pool


def market_of(network: Network, pools: Iterable[Pool], number: int) -> Market:
    """A market of `pools` as they are after block `number`, in the order of their venues."""
    market = Market(network.assets)
    for pool in sorted(pools, key=lambda pool: pool.venue):
        market.add_pool(pool, number)
    return market


def unpack_all(
    facts: Mapping[str, PoolFacts],
    states: Mapping[str, bytes],
    tokens: Mapping[str, Token],
    families: Mapping[str, Family] = FAMILIES,
) -> Iterator[tuple[str, Pool]]:
    """Each pool that has a state which can be read; the others are loaded again."""
    for venue, fact in facts.items():
        state = states.get(venue)
        if state is None:
            continue
        try:
            yield venue, unpacked(fact, state, tokens, families)
        except MalformedState:
            continue


def counting(pools: int, progress: Progress) -> Callable[[int], None]:
    """Turns answered calls into progress; how many there will be is not known before, so it is guessed low."""
    done = 0

    def told(answered: int) -> None:
        nonlocal done
        done += answered
        progress("loading pools", min(done, pools), pools + 1)

    return told


def _touched(pools: Iterable[Pool], logs: Collection[Log]) -> set[str]:
    """The pools that may be otherwise by now: a log speaks of them, or a part of them moves without one."""
    spoken = {Source(log.address) for log in logs}
    spoken |= {Source(log.address, log.topics[1]) for log in logs if len(log.topics) > 1}
    return {
        pool.venue
        for pool in pools
        if is_timed(pool) or is_refreshed(pool) or (spoken and not spoken.isdisjoint(pool.sources))
    }


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection while hundreds of thousands of objects are made that all stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
