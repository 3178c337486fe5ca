"""Kernels that size a closed walk: the exact optimum of the float model, without iteration tolerance."""

from __future__ import annotations

import math

from bot.market.packed.curves import range_piece
from bot.market.packed.shapes import F8, I4, PIECES, PRODUCT, RANGES, Arrays, Curves, Edges, Pools
from chains.kernels.jit import called, inlined, jit

ENDLESS = 1e300


@inlined
def load_piece(rest: F8, hop: int, index: int, edge: int, pools: Pools, edges: Edges, curves: Curves) -> int:
    """Put the edge's next piece that holds anything, from `index` on, into `rest[hop]`; its index, or -1 at the end."""
    at = edges.pool[edge]
    kind = pools.kind[at]
    if kind == PRODUCT:
        if index > 0:
            return -1
        side = edge - pools.first[at]
        reserve_in, reserve_out, kept = pools.state[at, side], pools.state[at, 1 - side], pools.state[at, 2 + side]
        rest[hop, 0], rest[hop, 1], rest[hop, 2] = kept * reserve_out / reserve_in, kept / reserve_in, ENDLESS
        return 0
    if kind == RANGES:
        side, start, count = edge - pools.first[at], int(pools.state[at, 5]), int(pools.state[at, 4])
        start = min(start, count - 1) if side == 0 else max(start, 0)
        while True:
            current = start - index if side == 0 else start + index
            if current < 0 or current >= count:
                return -1
            rate, curvature, cap = range_piece(side, current, at, pools.state, curves)
            if cap > 0.0:
                rest[hop, 0], rest[hop, 1], rest[hop, 2] = rate, curvature, cap
                return index
            index += 1
    if kind == PIECES and index < edges.piece_count[edge]:
        piece = edges.piece_first[edge] + index
        rest[hop, 0] = curves.pieces[piece, 0]
        rest[hop, 1] = curves.pieces[piece, 1]
        rest[hop, 2] = curves.pieces[piece, 2]
        return index
    return -1


@called
def size_walk(
    walk: I4, hops: int, pools: Pools, edges: Edges, curves: Curves, rest: F8, index: I4
) -> tuple[float, float]:
    """The input that maximises `out(x) - x` round the closed walk of edges `walk[:hops]`, and that gain, in value.

    Solves max over x ≥ 0 of f_n(…f_1(x)) - x, each f_k concave and piecewise `r·x / (1 + c·x)`. Inside one piece of
    every hop the composition is again such a function, with R = Π r and C = Σ c_k · Π_{j<k} r_j, whose optimum is
    (√R - 1) / C: jump to it, or to the first end of a piece, and go on with what is left of the others.
    """
    for hop in range(hops):
        index[hop] = load_piece(rest, hop, 0, walk[hop], pools, edges, curves)
        if index[hop] < 0:
            return 0.0, 0.0
    total_in, total_out = 0.0, 0.0
    while True:
        rate, curvature, reach, ends = 1.0, 0.0, ENDLESS, -1
        for hop in range(hops):
            cap = rest[hop, 2]
            slope = rate - curvature * cap
            if slope > 0.0 and cap < reach * slope:
                reach, ends = cap / slope, hop
            curvature += rest[hop, 1] * rate
            rate *= rest[hop, 0]
        if not rate > 1.0:
            break
        best = (math.sqrt(rate) - 1.0) / curvature if curvature > 0.0 else ENDLESS
        step = min(best, reach)
        if step >= ENDLESS:
            return 0.0, 0.0
        total_in += step
        amount = step
        for hop in range(hops):
            grown = 1.0 + rest[hop, 1] * amount
            passed = rest[hop, 0] * amount / grown
            rest[hop, 0] /= grown * grown
            rest[hop, 1] /= grown
            rest[hop, 2] -= amount
            amount = passed
        total_out += amount
        if best <= reach or ends < 0:
            break
        index[ends] = load_piece(rest, ends, index[ends] + 1, walk[ends], pools, edges, curves)
        if index[ends] < 0:
            break
    return total_in, total_out - total_in


@jit
def size_all(walks: I4, hops: I4, arrays: Arrays, rest: F8, index: I4, sized: F8) -> None:
    """`size_walk` for each row of `walks`, into `sized`: input, gain."""
    for k in range(len(hops)):
        sized[k, 0], sized[k, 1] = size_walk(walks[k], hops[k], arrays.pools, arrays.edges, arrays.curves, rest, index)
