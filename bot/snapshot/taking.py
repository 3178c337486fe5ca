"""A snapshot of a network's known pools, taken from a node as of one block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.clock import SystemClock
from bot.discovery.store import PoolStore
from bot.market.loader import load_pools
from bot.opening import known_pools
from chains.blocks import Head
from chains.networks import Network
from chains.node import EndpointSettings, Node
from chains.pools.pool import Pool, PoolFacts, Timed
from chains.pools.registry import FAMILIES, Family
from chains.snapshot import LeftOut, Recorded, Snapshot


class NoSuchBlock(LookupError):
    """The node has no block of that number."""


class UnknownPool(LookupError):
    """A pool that is not among the known ones."""


@dataclass(frozen=True, slots=True)
class Source:
    """A node that speaks for `network`."""

    network: Network
    reads: Node

    async def head(self, number: int | None) -> Head:
        """The block of that number, or the latest. Raises `NoSuchBlock`, `NodeError`."""
        if number is None:
            return await self.reads.head()
        head = await self.reads.block_by_number(number)
        if head is None:
            raise NoSuchBlock(f"the node has no block {number}; its latest is {(await self.reads.head()).number}")
        return head


@asynccontextmanager
async def source_at(network: Network, url: str) -> AsyncIterator[Source]:
    """A connection to the node at `url`: http, ws or ipc. Raises `Unreachable`, `WrongChain`."""
    async with Node(network, [EndpointSettings(url)], SystemClock()) as node:
        yield Source(network, node)


async def discovered(source: Source, store_url: str) -> tuple[PoolFacts, ...]:
    """The pools that `isthmus discover` keeps in a store. Raises `DiscoveryError`, `NodeError`."""
    genesis = await source.reads.block_by_number(0)
    network = source.network
    store = PoolStore.open(store_url, network.name, network.chain_id, genesis.hash if genesis else "")
    try:
        return tuple(pool.facts for pool in store.pools(store.tokens_on(network)))
    finally:
        store.close()


async def take(
    source: Source,
    head: Head,
    progress: Callable[[int, int], None],
    only: Collection[str] = (),
    known: Iterable[PoolFacts] | None = None,
    families: Mapping[str, Family] = FAMILIES,
) -> Snapshot:
    """The `known` pools, or those of them named in `only`, as they were after `head`.

    Which are known is, unless it is said, the list that comes with Isthmus. `progress` is told how many calls of about
    how many are answered. Raises `UnknownPool`, `NoPools`, `LoadFailed`, `NodeError`.
    """
    listed = known_pools(source.network).facts if known is None else known
    facts = _chosen({fact.venue: fact for fact in listed}, only)
    done = 0

    def told(answered: int) -> None:
        nonlocal done
        done += answered
        progress(min(done, len(facts)), len(facts))

    loaded = await load_pools(source.reads, facts, head.hash, told, families)
    pools = tuple(Recorded(_as_of(pool, head), head.number) for pool in loaded.pools)
    return Snapshot(pools, tuple(LeftOut(venue, reason) for venue, reason in loaded.refused.items()))


def _chosen(known: Mapping[str, PoolFacts], only: Collection[str]) -> tuple[PoolFacts, ...]:
    unknown = [venue for venue in only if venue not in known]
    if unknown:
        raise UnknownPool(f"pool {unknown[0]} is not among the {len(known)} known ones; `isthmus discover` finds more")
    return tuple(known[venue] for venue in only or known)


def _as_of(pool: Pool, head: Head) -> Pool:
    return pool.at(head.timestamp_s) if isinstance(pool, Timed) else pool
