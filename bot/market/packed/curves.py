"""Kernels on one pool's curve: its ladder, and its pieces one by one."""

from __future__ import annotations

from bot.market.packed.jit import inlined, jit
from bot.market.packed.shapes import F4, F8, GRAIN, LANES, LEAST_UNITS, PIECES, PRODUCT, RANGES, Curves, Edges, Pools


@inlined
def locate(at: int, root: float, state: F8, ranges: F8) -> None:
    """Write a RANGES pool's root price, and find the range it lies in; -1 or the number of ranges if in none."""
    first, count = int(state[at, 3]), int(state[at, 4])
    current = min(max(int(state[at, 5]), 0), count - 1)
    while current >= 0 and root < ranges[first + current, 0]:
        current -= 1
    while current < count and root >= ranges[first + current + 1, 0]:
        current += 1
    state[at, 0] = root
    state[at, 5] = current


@inlined
def range_piece(side: int, index: int, at: int, state: F8, ranges: F8) -> tuple[float, float, float]:
    """The piece `index` ranges are crossed in: rate, curvature and cap, in value. A cap of 0.0: no liquidity.

    Between two prices a pool is x · y = L² with virtual reserves L / √P and L · √P; seen from token 1 the price is
    the inverse, so that both sides are the same arithmetic.
    """
    lower = int(state[at, 3]) + index
    kept, liquidity = state[at, 2], ranges[lower, 2]
    if side == 0:
        root, end = min(state[at, 0], ranges[lower + 1, 0]), ranges[lower, 0]
    else:
        root, end = min(1.0 / state[at, 0], ranges[lower, 1]), ranges[lower + 1, 1]
    if liquidity <= 0.0 or end >= root:
        return 0.0, 0.0, 0.0
    return kept * root * root, kept * root / liquidity, liquidity * (root - end) / (root * end * kept)


@inlined
def range_row(row: F4, edge: int, side: int, at: int, state: F8, ranges: F8, sizes: F8) -> None:
    """The ladder of one side of a RANGES pool; what finds no liquidity brings nothing."""
    index, count, step = int(state[at, 5]), int(state[at, 4]), 2 * side - 1
    index = min(index, count - 1) if side == 0 else max(index, 0)
    total_in, total_out, lane = 0.0, 0.0, 0
    while lane < LANES and 0 <= index < count:
        rate, curvature, cap = range_piece(side, index, at, state, ranges)
        while lane < LANES and sizes[lane] <= total_in + cap:
            x = sizes[lane] - total_in
            row[edge, lane] = (total_out + rate * x / (1.0 + curvature * x)) / sizes[lane]
            lane += 1
        total_in += cap
        total_out += rate * cap / (1.0 + curvature * cap)
        index += step
    while lane < LANES:
        row[edge, lane] = total_out / sizes[lane]
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


@jit
def fill_ladder(at: int, pools: Pools, edges: Edges, curves: Curves, sizes: F8) -> None:
    """Rewrite the ladders of every edge of pool `at`; zeros if it is closed."""
    state, row = pools.state, edges.row
    first, count, kind = pools.first[at], pools.edges[at], pools.kind[at]
    if not pools.open[at]:
        for edge in range(first, first + count):
            for lane in range(LANES):
                row[edge, lane] = 0.0
    elif kind == PRODUCT:
        reserve_0, reserve_1, kept_0, kept_1 = state[at, 0], state[at, 1], state[at, 2], state[at, 3]
        for lane in range(LANES):
            row[first, lane] = kept_0 * reserve_1 / (reserve_0 + kept_0 * sizes[lane])
            row[first + 1, lane] = kept_1 * reserve_0 / (reserve_1 + kept_1 * sizes[lane])
    elif kind == RANGES:
        range_row(row, first, 0, at, state, curves.ranges, sizes)
        range_row(row, first + 1, 1, at, state, curves.ranges, sizes)
    elif kind == PIECES:
        for edge in range(first, first + count):
            piece_row(row, edge, edges.piece_first[edge], edges.piece_count[edge], curves.pieces, sizes)
    if state[at, GRAIN] * LEAST_UNITS > sizes[0]:
        coarse_lanes(row, first, count, state[at, GRAIN], sizes)
