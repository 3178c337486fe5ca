"""Opens the pool store of a network and everything that works with it, from the configuration's `[pools]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from bot.config.pools import PoolSettings
from bot.config.values import plain
from bot.discovery.discovery import Discovery, DiscoveryNode
from bot.discovery.filters import Filters
from bot.discovery.opening import PoolBook
from bot.discovery.store import PoolStore
from bot.exactness import PROOFS, Proof
from chains.discovery.origins import origins_of
from chains.networks import Network
from chains.pools.registry import FAMILIES, Family


@dataclass(frozen=True, slots=True)
class Discoverer:
    """What finds, keeps and chooses pools. A context manager: leaving it closes the store."""

    store: PoolStore
    discovery: Discovery
    filters: Filters
    book: PoolBook

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.store.close()


def store_url(settings: PoolSettings, network: Network) -> str:
    """Where the pools of `network` are kept."""
    return plain(settings.url) if settings.url else str(settings.folder / f"{network.name}.sqlite3")


async def open_discoverer(
    settings: PoolSettings,
    network: Network,
    node: DiscoveryNode,
    *,
    families: Mapping[str, Family] = FAMILIES,
    proofs: Iterable[Proof] = PROOFS,
) -> Discoverer:
    """The store and what works with it. Raises `StoreFailed`, `NodeError`."""
    genesis = await node.block_by_number(0)
    store = PoolStore.open(
        store_url(settings, network), network.name, network.chain_id, genesis.hash if genesis else ""
    )
    try:
        discovery = Discovery(
            node,
            store,
            network,
            origins_of(network),
            from_block=settings.from_block,
            vaults=settings.vaults,
        )
        filters = Filters(settings, network, proofs)
        book = PoolBook(node, store, network, discovery, filters, settings.max_gap_blocks, families)
    except BaseException:
        store.close()
        raise
    return Discoverer(store, discovery, filters, book)
