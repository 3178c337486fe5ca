"""Loading pools from a node, thousands in a few calls. The families say what to ask; `multicall.py` asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.market.multicall import MULTICALL3, LoadFailed, Node, ask_together
from chains.pools.pool import Loading, Pool, PoolFacts, Refreshed
from chains.pools.registry import FAMILIES, Family, loader

__all__ = ["MULTICALL3", "LoadFailed", "Loaded", "Node", "load_pools", "refresh"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Pools as of one block, and for the venues that could not be loaded, why."""

    pools: tuple[Pool, ...]
    refused: Mapping[str, str]


async def load_pools(
    node: Node,
    facts: Iterable[PoolFacts],
    block_hash: str,
    progress: Callable[[int], None] | None = None,
    families: Mapping[str, Family] = FAMILIES,
) -> Loaded:
    """Load all of `facts` as of one block. `progress` is told how many calls are answered. Raises `LoadFailed`.

    Every pool's loading runs in step with the others, so there are as many rounds as the slowest family needs.
    """
    loadings = ((fact.venue, loader(fact.family, families)(fact)) for fact in facts)
    return await _read(node, loadings, block_hash, progress)


async def refresh(pools: Iterable[Pool], node: Node, block_hash: str) -> Loaded:
    """Those of `pools` that need reading, as of one block; the others are not in the answer. Raises `LoadFailed`.

    Most families need one round: then this is one call of the node.
    """
    needing = ((pool.venue, pool.refreshing()) for pool in pools if isinstance(pool, Refreshed) and pool.needs_reading)
    return await _read(node, needing, block_hash)


async def _read(
    node: Node,
    loadings: Iterable[tuple[str, Loading]],
    block_hash: str,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Every venue's loading, in step with the others."""
    pools, refused = await ask_together(node, loadings, block_hash, progress)
    return Loaded(tuple(pools.values()), refused)
