"""The packed market's records at other values of its nodes: everything is in value, so everything is scaled."""

from __future__ import annotations

import numpy as np

from bot.market.packed.columns import Columns
from bot.market.packed.shapes import F8, GRAIN, I4, I8, PIECES, PRODUCT, RANGES, Pairs


def rebased(
    touched: I4, pools: Columns, edges: Columns, pairs: Pairs, ranges: Columns, pieces: F8, factor: F8, grain: F8
) -> None:
    """Scale the records of the pools `touched` as if node n had been worth `factor[n]` times as much from the start."""
    state, kind, first = pools["state"], pools["kind"][touched], pools["first"]
    forth = edges["pair"][first[: pools.size]]
    ends = np.column_stack([pairs.source[forth], pairs.target[forth]])
    products = touched[kind == PRODUCT]
    for side in (0, 1):
        by = factor[ends[products, side]]
        state[products, side] *= by
        state[products, 4 + side] *= by
        state[products, GRAIN] = np.maximum(*(grain[ends[products, end]] for end in (0, 1)))
    _rebase_ranges(state, touched[kind == RANGES].astype(np.int64), ends, ranges, factor, grain)
    for pool in touched[kind == PIECES].tolist():
        begin, nodes = int(first[pool]), set()
        for edge in range(begin, begin + int(pools["edges"][pool])):
            source, target = int(pairs.source[edges["pair"][edge]]), int(pairs.target[edges["pair"][edge]])
            at = slice(edges["piece_first"][edge], edges["piece_first"][edge] + edges["piece_count"][edge])
            pieces[at] *= (factor[target] / factor[source], 1.0 / factor[source], factor[source])
            nodes |= {source, target}
        state[pool, GRAIN] = max(grain[node] for node in nodes)


def _rebase_ranges(state: F8, pools: I8, ends: I4, ranges: Columns, factor: F8, grain: F8) -> None:
    one, other = (factor[ends[pools, side]] for side in (0, 1))
    scale = np.sqrt(other / one)
    state[pools, 0] *= scale
    state[pools, 1] *= scale
    state[pools, GRAIN] = np.maximum(*(grain[ends[pools, side]] for side in (0, 1)))
    rows = state[pools, 4].astype(np.int64) + 1
    at = np.repeat(state[pools, 3].astype(np.int64) - (np.cumsum(rows) - rows), rows) + np.arange(int(rows.sum()))
    for name, by in (
        ("bound", scale),
        ("inverse", 1.0 / scale),
        ("liquidity", np.sqrt(one * other)),
        ("sum_0", one),
        ("sum_1", other),
    ):
        ranges[name][at] *= np.repeat(by, rows)
