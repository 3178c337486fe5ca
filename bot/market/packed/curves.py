"""Kernels on one pool's curve: its ladder, and its pieces one by one."""

from __future__ import annotations

from bot.market.packed.shapes import (
    F4,
    F8,
    GRAIN,
    LANES,
    LEAST_UNITS,
    MOST_RATE,
    PIECES,
    PRODUCT,
    RANGES,
    Curves,
    Edges,
    Pools,
)
from chains.kernels.jit import inlined


@inlined
def locate(at: int, root: float, state: F8, bound: F8) -> None:
    """Write a RANGES pool's root price, and find the range it lies in; -1 or the number of ranges if in none."""
    first, count = int(state[at, 3]), int(state[at, 4])
    current = min(max(int(state[at, 5]), 0), count - 1)
    while current >= 0 and root < bound[first + current]:
        current -= 1
    while current < count and root >= bound[first + current + 1]:
        current += 1
    state[at, 0] = root
    state[at, 5] = current


@inlined
def range_piece(side: int, index: int, at: int, state: F8, curves: Curves) -> tuple[float, float, float]:
    """The piece that range `index` is: rate, curvature and cap, in value. A cap of 0.0: no liquidity.

    Between two prices a pool is x · y = L² with virtual reserves L / √P and L · √P; seen from token 1 the price is
    the inverse, so that both sides are the same arithmetic.
    """
    lower = int(state[at, 3]) + index
    kept, liquidity = state[at, 2], curves.liquidity[lower]
    if side == 0:
        root, end = min(state[at, 0], curves.bound[lower + 1]), curves.bound[lower]
    else:
        root, end = min(1.0 / state[at, 0], curves.inverse[lower]), curves.inverse[lower + 1]
    if liquidity <= 0.0 or end >= root:
        return 0.0, 0.0, 0.0
    return kept * root * root, kept * root / liquidity, liquidity * (root - end) / (root * end * kept)


@inlined
def down_row(row: F4, edge: int, at: int, state: F8, curves: Curves, sizes: F8) -> None:
    """The ladder of selling token 0 of a RANGES pool; what finds no liquidity brings nothing.

    What whole ranges hold is known, so that only the one in which a size ends is computed: from where it begins, as
    where it ends there may be 10^19 times as much.
    """
    bound, inverse, liquidity, sum_0, sum_1 = (
        curves.bound,
        curves.inverse,
        curves.liquidity,
        curves.sum_0,
        curves.sum_1,
    )
    first, count, kept = int(state[at, 3]), int(state[at, 4]), state[at, 2]
    current = first + min(int(state[at, 5]), count - 1)
    into, out, done, gained, start = sum_0[first], sum_1[first], 0.0, 0.0, 0.0
    if current >= first:
        start = min(state[at, 0], bound[current + 1])
        into = liquidity[current] * (inverse[current] - 1.0 / start) + sum_0[current]
        out = liquidity[current] * (start - bound[current]) + sum_1[current]
    lane = 0
    while lane < LANES:
        net = sizes[lane] * kept
        if current < first or net >= into - sum_0[first]:
            break
        if net > into - sum_0[current]:
            while net > into - sum_0[current]:
                current -= 1
            start, done, gained = bound[current + 1], into - sum_0[current + 1], out - sum_1[current + 1]
        rest = net - done
        row[edge, lane] = (gained + rest * start * start / (1.0 + rest * start / liquidity[current])) / sizes[lane]
        lane += 1
    while lane < LANES:
        row[edge, lane] = (out - sum_1[first]) / sizes[lane]
        lane += 1


@inlined
def up_row(row: F4, edge: int, at: int, state: F8, curves: Curves, sizes: F8) -> None:
    """As `down_row`, selling token 1."""
    bound, inverse, liquidity, sum_0, sum_1 = (
        curves.bound,
        curves.inverse,
        curves.liquidity,
        curves.sum_0,
        curves.sum_1,
    )
    first, count, kept = int(state[at, 3]), int(state[at, 4]), state[at, 2]
    current, end = first + max(int(state[at, 5]), 0), first + count
    into, out, done, gained, start = -sum_1[end], -sum_0[end], 0.0, 0.0, 0.0
    if current < end:
        root = max(state[at, 0], bound[current])
        start = 1.0 / root
        into = liquidity[current] * (bound[current + 1] - root) - sum_1[current + 1]
        out = liquidity[current] * (start - inverse[current + 1]) - sum_0[current + 1]
    lane = 0
    while lane < LANES:
        net = sizes[lane] * kept
        if current >= end or net >= into + sum_1[end]:
            break
        if net > into + sum_1[current + 1]:
            while net > into + sum_1[current + 1]:
                current += 1
            start, done, gained = inverse[current], into + sum_1[current], out + sum_0[current]
        rest = net - done
        row[edge, lane] = (gained + rest * start * start / (1.0 + rest * start / liquidity[current])) / sizes[lane]
        lane += 1
    while lane < LANES:
        row[edge, lane] = (out + sum_0[end]) / sizes[lane]
        lane += 1


@inlined
def piece_row(row: F4, edge: int, first: int, count: int, pieces: F8, sizes: F8) -> None:
    """The ladder of one direction given by pieces."""
    total_in, total_out, lane, index = 0.0, 0.0, 0, first
    while lane < LANES and index < first + count:
        rate, curvature, cap = pieces[index, 0], pieces[index, 1], pieces[index, 2]
        while lane < LANES and sizes[lane] <= total_in + cap:
            x = sizes[lane] - total_in
            row[edge, lane] = (total_out + rate * x / (1.0 + curvature * x)) / sizes[lane]
            lane += 1
        total_out += rate * cap / (1.0 + curvature * cap)
        total_in += cap
        index += 1
    while lane < LANES:
        row[edge, lane] = total_out / sizes[lane]
        lane += 1


@inlined
def coarse_lanes(row: F4, first: int, count: int, grain: float, sizes: F8) -> None:
    """Close the lanes too small for whole base units to be told from a real number."""
    lane = 0
    while lane < LANES and sizes[lane] < LEAST_UNITS * grain:
        for edge in range(first, first + count):
            row[edge, lane] = 0.0
        lane += 1


@inlined
def cap_row(row: F4, edge: int) -> None:
    """Keep rates to what products of them still tell, also what is no number; the first is the highest."""
    if not row[edge, 0] <= MOST_RATE:
        for lane in range(LANES):
            if not row[edge, lane] <= MOST_RATE:
                row[edge, lane] = MOST_RATE


@inlined
def fill_ladder(at: int, pools: Pools, edges: Edges, curves: Curves, sizes: F8) -> None:
    """Rewrite the ladders of every edge of pool `at`; zeros if it is closed."""
    state, row = pools.state, edges.row
    first, count, kind = pools.first[at], pools.edges[at], pools.kind[at]
    usable = pools.open[at] == 1
    if kind == PRODUCT:
        usable &= min(state[at, 0], state[at, 1]) >= LEAST_UNITS * state[at, GRAIN]
    if not usable:
        for edge in range(first, first + count):
            for lane in range(LANES):
                row[edge, lane] = 0.0
    elif kind == PRODUCT:
        reserve_0, reserve_1, kept_0, kept_1 = state[at, 0], state[at, 1], state[at, 2], state[at, 3]
        for lane in range(LANES):
            row[first, lane] = kept_0 * reserve_1 / (reserve_0 + kept_0 * sizes[lane])
            row[first + 1, lane] = kept_1 * reserve_0 / (reserve_1 + kept_1 * sizes[lane])
    elif kind == RANGES:
        down_row(row, first, at, state, curves, sizes)
        up_row(row, first + 1, at, state, curves, sizes)
    elif kind == PIECES:
        for edge in range(first, first + count):
            piece_row(row, edge, edges.piece_first[edge], edges.piece_count[edge], curves.pieces, sizes)
    for edge in range(first, first + count):
        cap_row(row, edge)
    if state[at, GRAIN] * LEAST_UNITS > sizes[0]:
        coarse_lanes(row, first, count, state[at, GRAIN], sizes)
