"""Kernels that ask for what a block step will read, before it does.

A market does not fit into what is near the processor, and each thing a changed pool leads to is known only by the one
before. Asked for pool by pool that is a wait each; asked for in rounds, all pools wait together.
"""

from __future__ import annotations

from bot.market.packed.shapes import I4, RANGES, Arrays
from chains.kernels.jit import merged
from chains.kernels.lanes import fetch


@merged
def fetch_pools(changed: I4, arrays: Arrays) -> None:
    """Ask for the records, ladders, pairs and ends of pools."""
    pools, edges, pairs, links, curves = arrays.pools, arrays.edges, arrays.pairs, arrays.links, arrays.curves
    for k in range(len(changed)):
        at = changed[k] + 0
        fetch(pools.state, at)
        fetch(pools.kind, at)
        fetch(pools.open, at)
        fetch(pools.klass, at)
        fetch(pools.first, at)
        fetch(pools.edges, at)
    for k in range(len(changed)):
        at = changed[k]
        edge = pools.first[at] + 0
        fetch(edges.row, edge)
        fetch(edges.pair, edge)
        fetch(edges.piece_first, edge)
        fetch(edges.piece_count, edge)
        if pools.kind[at] == RANGES:
            current = int(pools.state[at, 3]) + int(pools.state[at, 5])
            fetch(curves.bound, current)
            fetch(curves.inverse, current)
            fetch(curves.liquidity, current)
            fetch(curves.sum_0, current)
            fetch(curves.sum_1, current)
    for k in range(len(changed)):
        at = changed[k]
        for edge in range(pools.first[at], pools.first[at] + pools.edges[at]):
            pair = edges.pair[edge] + 0
            fetch(pairs.row, pair)
            fetch(pairs.source, pair)
            fetch(pairs.target, pair)
            fetch(pairs.first, pair)
            fetch(pairs.many, pair)
    for k in range(len(changed)):
        at = changed[k]
        for edge in range(pools.first[at], pools.first[at] + pools.edges[at]):
            pair = edges.pair[edge] + 0
            node = pairs.source[pair] + 0
            fetch(pairs.edges, pairs.first[pair] + 0)
            fetch(links.hub_of, node)
            fetch(links.to_hub, node)
            fetch(links.near_first, node)
            fetch(links.near_count, node)
            fetch(arrays.bridges.of, node)
            fetch(arrays.chains.of, pair >> 1)
