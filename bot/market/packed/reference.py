"""The kernels once more in plain Python: same signatures, same answers, written to be read; needs no compiler.

Tables of hub ways are not kept here: every way back is walked. Agreement with the compiled kernels is tested; floats
agree to 1e-9 relative in sizes and gains, and to float32 rounding in ladders.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from bot.market.kernels import optimal_input, output
from bot.market.packed.shapes import (
    F4,
    F8,
    GAINING,
    GRAIN,
    HITS,
    I4,
    LANES,
    LEAST_UNITS,
    MOST_RATE,
    PAIRS,
    PIECES,
    PRODUCT,
    RANGES,
    REFILL,
    SEARCH,
    SIZED,
    TAKE,
    Arrays,
    Changes,
    Limits,
    Pairs,
    Work,
)
from chains.pools.pool import Piece

ENDLESS = float("inf")

Pieces = tuple[Piece, ...]
Path = tuple[int, ...]
"""Pairs, one after the other."""


def curve_of(edge: int, arrays: Arrays) -> Pieces:
    """The edge's whole curve, in value; empty if its pool is closed."""
    pools, edges, curves = arrays.pools, arrays.edges, arrays.curves
    pool = int(edges.pool[edge])
    state, side = pools.state[pool], edge - int(pools.first[pool])
    if not pools.open[pool]:
        return ()
    if pools.kind[pool] == PRODUCT:
        into, out, kept = float(state[side]), float(state[1 - side]), float(state[2 + side])
        return (Piece(kept * out / into, kept / into, ENDLESS),)
    if pools.kind[pool] == PIECES:
        first = int(edges.piece_first[edge])
        return tuple(Piece(*map(float, row)) for row in curves.pieces[first : first + int(edges.piece_count[edge])])
    first, count, current, kept = int(state[3]), int(state[4]), int(state[5]), float(state[2])
    bounds, liquidity = curves.bound[first : first + count + 1], curves.liquidity[first : first + count]
    order = range(min(current, count - 1), -1, -1) if side == 0 else range(max(current, 0), count)
    pieces = []
    for index in order:
        lower, upper, held = float(bounds[index]), float(bounds[index + 1]), float(liquidity[index])
        begin = min(float(state[0]), upper) if side == 0 else 1 / max(float(state[0]), lower)
        end = lower if side == 0 else 1 / upper
        if held > 0.0 and end < begin:
            cap = held * (1 / end - 1 / begin) / kept
            pieces.append(Piece(kept * begin * begin, kept * begin / held, cap))
    return tuple(pieces)


def fill_ladder(pool: int, arrays: Arrays, sizes: F8) -> None:
    """Rewrite the ladders of every edge of a pool."""
    first, state = int(arrays.pools.first[pool]), arrays.pools.state[pool]
    few = arrays.pools.kind[pool] == PRODUCT and not min(state[0], state[1]) >= LEAST_UNITS * state[GRAIN]
    for edge in range(first, first + int(arrays.pools.edges[pool])):
        curve = () if few else curve_of(edge, arrays)
        row = np.array([output(curve, float(size)) / float(size) for size in sizes])
        row[~(row <= MOST_RATE)] = MOST_RATE
        row[sizes < LEAST_UNITS * arrays.pools.state[pool, GRAIN]] = 0.0
        arrays.edges.row[edge] = row


def fill_pair(pair: int, pairs: Pairs, edge_row: F4) -> None:
    """The lane-wise best over the pair's edges."""
    members = _members(pair, pairs)
    pairs.row[pair] = edge_row[members].max(axis=0) if len(members) else 0.0


def size_all(walks: I4, hops: I4, arrays: Arrays, rest: F8, index: I4, sized: F8) -> None:
    """The best input and its gain for each row of `walks`, into `sized`."""
    for row, many in enumerate(hops):
        sized[row] = optimal_input([curve_of(int(edge), arrays) for edge in walks[row, :many]])


def block_step(changes: Changes, arrays: Arrays, limits: Limits, work: Work, sizes: F8, needed: F4, task: int) -> None:
    """Take in what changed and search through it, as `task` says; results are in `work`."""
    if task != SEARCH:
        _take(changes, arrays)
        links = set(map(int, changes.links))
        for pool in map(int, changes.pools):
            fill_ladder(pool, arrays, sizes)
            first = int(arrays.pools.first[pool])
            links |= {int(pair) >> 1 for pair in arrays.edges.pair[first : first + int(arrays.pools.edges[pool])]}
        for link in links:
            fill_pair(2 * link, arrays.pairs, arrays.edges.row)
            fill_pair(2 * link + 1, arrays.pairs, arrays.edges.row)
        work.counts[PAIRS] = len(links)
    if task in (REFILL, TAKE):
        return
    hits = _hits(changes, arrays, limits, sizes, needed)
    hits.sort(key=lambda hit: -hit.gain)
    work.counts[HITS], work.found[:] = len(hits), -1
    sized: dict[Path, tuple[float, float, float]] = {}
    for hit in hits[: len(work.hits.gain)]:
        for walk in _walks(hit, arrays, limits, needed):
            if walk not in sized:
                size, gain = optimal_input([curve_of(edge, arrays) for edge in walk])
                gas = sum(float(limits.gas_of[arrays.pools.klass[arrays.edges.pool[edge]]]) for edge in walk)
                sized[walk] = size, gain, gain - limits.gas_base - gas
    gaining = sorted((-values[2], walk) for walk, values in sized.items() if values[2] > 0.0)
    work.counts[SIZED], work.counts[GAINING] = len(sized), len(gaining)
    for place, (_, walk) in enumerate(gaining[: len(work.found)]):
        work.found[place, : len(walk)] = walk
        work.found_value[place] = sized[walk]


class _Hit(NamedTuple):
    """A walk that passed: its first edge, the pairs of the way back, and its best gain at any size of the ladder."""

    edge: int
    back: Path
    gain: float


def _take(changes: Changes, arrays: Arrays) -> None:
    pools, edges, curves = arrays.pools, arrays.edges, arrays.curves
    for k, edge in enumerate(changes.piece_edges):
        given = changes.pieces[changes.piece_starts[k] : changes.piece_starts[k + 1]]
        edges.piece_count[edge] = len(given)
        curves.pieces[edges.piece_first[edge] : edges.piece_first[edge] + len(given)] = given
    for pool, value in zip(changes.pools, changes.values, strict=True):
        state = pools.state[pool]
        if np.isnan(value[0]):
            continue
        if pools.kind[pool] == PRODUCT:
            state[0:2] = value * state[4:6]
        elif pools.kind[pool] == RANGES:
            state[0] = value[0] * state[1]
            bounds = curves.bound[int(state[3]) : int(state[3] + state[4]) + 1]
            state[5] = np.searchsorted(bounds, state[0], side="right") - 1


def _members(pair: int, pairs: Pairs) -> I4:
    return pairs.edges[pairs.first[pair] : pairs.first[pair] + pairs.many[pair]]


def _hits(changes: Changes, arrays: Arrays, limits: Limits, sizes: F8, needed: F4) -> list[_Hit]:
    """Every closed walk through a changed edge that passes the screen."""
    pairs, pools = arrays.pairs, arrays.pools
    ways: dict[int, dict[int, int]] = {}
    for pair in np.flatnonzero(pairs.many):
        ways.setdefault(int(pairs.source[pair]), {})[int(pairs.target[pair])] = int(pair)
    hits = []
    for pool in map(int, changes.pools):
        if not pools.open[pool]:
            continue
        for edge in range(int(pools.first[pool]), int(pools.first[pool] + pools.edges[pool])):
            if not limits.edges[edge]:
                continue
            pair = arrays.edges.pair[edge]
            ends = int(pairs.source[pair]), int(pairs.target[pair])
            row = arrays.edges.row[edge].astype(np.float64)
            for back in _ways_back(*ends, ways, limits, arrays.links.hub_of):
                product = row * np.prod(pairs.row[list(back)].astype(np.float64), axis=0)
                if np.any(product > needed[len(back) - 1]):
                    hits.append(_Hit(edge, back, float(np.max(sizes * (product - 1.0)))))
    return hits


def _ways_back(a: int, b: int, ways: dict[int, dict[int, int]], limits: Limits, hub_of: I4) -> Iterator[Path]:
    """Ways from b to a that may be taken; of three hops only those in whose walk there is a hub."""
    after, before = ways.get(b, {}), ways.get(a, {})
    if not (limits.nodes[a] and limits.nodes[b]):
        return
    starts, any_start = limits.starts, not limits.started
    here = any_start or bool(starts[a] or starts[b])
    if a in after and here:
        yield (after[a],)
    if limits.max_hops < 3:
        return
    for x in after:
        if x == a or not limits.nodes[x]:
            continue
        if x in before and (here or starts[x]):
            yield after[x], ways[x][a]
        if limits.max_hops < 4:
            continue
        for y, onward in ways[x].items():
            known = y not in (a, b) and y in before and limits.nodes[y]
            if known and (here or starts[x] or starts[y]) and max(hub_of[a], hub_of[b], hub_of[x], hub_of[y]) >= 0:
                yield after[x], onward, ways[y][a]


def _walks(hit: _Hit, arrays: Arrays, limits: Limits, needed: F4) -> Iterator[Path]:
    """The hit's walks of edges: at each lane where it passes, the best pools that may be used, none twice.

    Where a hop gets another than its best, each is once the first to be given its pool: one of many tokens may be best
    at several.
    """
    edges, hops = arrays.edges, len(hit.back) + 1
    if not _permitted(hit.edge, arrays, limits):
        return
    places: Iterable[int] = (-1,)
    if limits.exactly >= 0:
        first = _counted(hit.edge, arrays, limits)
        if first and not limits.exactly:
            return
        places = (hops,) if not limits.exactly else (0,) if first else range(1, hops)
    for one, lane in itertools.product(places, range(LANES)):
        for lead in range(1, hops):
            chosen = _chosen(hit, (*range(lead, hops), *range(1, lead)), one, lane, arrays, limits)
            walk = [chosen[hop] for hop in range(hops) if hop in chosen]
            rates = edges.row[walk, lane]
            if len(walk) == hops and np.prod(rates.astype(np.float64)) > needed[hops - 2, lane]:
                yield _turned(walk, arrays, limits)
            if len(walk) == hops and np.array_equal(rates[1:], arrays.pairs.row[list(hit.back), lane]):
                break


def _chosen(hit: _Hit, order: Path, one: int, lane: int, arrays: Arrays, limits: Limits) -> dict[int, int]:
    """The best edges that may be used by hop, chosen in this order; as far as there are any."""
    edges, chosen = arrays.edges, {0: hit.edge}
    for hop in order:
        used = {int(edges.pool[edge]) for edge in chosen.values()}
        free = [
            edge
            for edge in map(int, _members(hit.back[hop - 1], arrays.pairs))
            if edges.pool[edge] not in used
            and _permitted(edge, arrays, limits)
            and (one < 0 or _counted(edge, arrays, limits) == (hop == one))
        ]
        best = max(free, key=lambda edge: float(edges.row[edge, lane]), default=None)
        if best is None or not edges.row[best, lane]:
            break
        chosen[hop] = best
    return chosen


def _permitted(edge: int, arrays: Arrays, limits: Limits) -> bool:
    return bool(limits.edges[edge]) and _in(limits.classes, edge, arrays)


def _counted(edge: int, arrays: Arrays, limits: Limits) -> bool:
    return _in(limits.counted, edge, arrays)


def _in(classes: np.uint64, edge: int, arrays: Arrays) -> bool:
    return bool(int(classes) >> int(arrays.pools.klass[arrays.edges.pool[edge]]) & 1)


def _turned(walk: list[int], arrays: Arrays, limits: Limits) -> Path:
    """The walk from its highest start, or from its lowest edge."""
    ranks = [int(limits.starts[arrays.pairs.source[arrays.edges.pair[edge]]]) for edge in walk]
    begin = ranks.index(max(ranks)) if limits.started else walk.index(min(walk))
    return (*walk[begin:], *walk[:begin])
