"""The block step, one compiled call: what changed → ladders → pairs → hubs → search → sizing → the best few."""

from __future__ import annotations

import numpy as np

from bot.market.packed.curves import fill_ladder, locate
from bot.market.packed.search import search_edge
from bot.market.packed.shapes import (
    F4,
    F8,
    GAINING,
    HITS,
    LANES,
    PAIRS,
    PRODUCT,
    RANGES,
    REFILL,
    SEARCH,
    SIZED,
    TAKE,
    Arrays,
    Changes,
    Limits,
    Work,
)
from bot.market.packed.sizing import size_walk
from bot.market.packed.tables import close_hubs, follow_link, reduce_pair
from chains.kernels.jit import inlined, jit, merged


@merged
def take_changes(changes: Changes, arrays: Arrays) -> None:
    """Write what changed into the records and the pieces."""
    pools, edges, curves = arrays.pools, arrays.edges, arrays.curves
    for k in range(len(changes.piece_edges)):
        edge, begin = changes.piece_edges[k], changes.piece_starts[k]
        count = changes.piece_starts[k + 1] - begin
        edges.piece_count[edge] = count
        for piece in range(count):
            for column in range(3):
                curves.pieces[edges.piece_first[edge] + piece, column] = changes.pieces[begin + piece, column]
    for k in range(len(changes.pools)):
        at, value = changes.pools[k], changes.values[k, 0]
        if np.isnan(value):
            continue
        if pools.kind[at] == PRODUCT:
            pools.state[at, 0] = value * pools.state[at, 4]
            pools.state[at, 1] = changes.values[k, 1] * pools.state[at, 5]
        elif pools.kind[at] == RANGES:
            locate(at, value * pools.state[at, 1], pools.state, curves.bound)


@merged
def follow_changes(changes: Changes, arrays: Arrays, work: Work, sizes: F8, refill: bool) -> None:
    """Bring the ladders, the pairs and the hub ways up to date with the changed pools."""
    pools, edges, pairs = arrays.pools, arrays.edges, arrays.pairs
    touched = len(changes.links)
    for k in range(touched):
        work.pairs[k] = changes.links[k]
        work.pair_seen[changes.links[k]] = 1
    for k in range(len(changes.pools)):
        at = changes.pools[k]
        fill_ladder(at, pools, edges, arrays.curves, sizes)
        for edge in range(pools.first[at], pools.first[at] + pools.edges[at]):
            pair = edges.pair[edge]
            if not work.pair_seen[pair >> 1]:
                work.pair_seen[pair >> 1] = 1
                work.pairs[touched] = pair >> 1
                touched += 1
    for k in range(touched):
        link = work.pairs[k]
        work.pair_seen[link] = 0
        forth = reduce_pair(2 * link, pairs, edges.row)
        back = reduce_pair(2 * link + 1, pairs, edges.row)
        if forth or back or refill:
            follow_link(link, arrays.links, pairs, arrays.bridges, arrays.chains)
    close_hubs(arrays.links, pairs.row, arrays.bridges, arrays.chains)
    work.counts[PAIRS] = touched


@inlined
def permitted(edge: int, arrays: Arrays, limits: Limits) -> bool:
    """Whether the edge may be used."""
    return bool(limits.edges[edge]) and bool((limits.classes >> arrays.pools.klass[arrays.edges.pool[edge]]) & 1)


@inlined
def is_counted(edge: int, arrays: Arrays, limits: Limits) -> bool:
    """Whether the edge is of a class of which only so many are wanted."""
    return bool((limits.counted >> arrays.pools.klass[arrays.edges.pool[edge]]) & 1)


@inlined
def best_edge(pair: int, lane: int, hop: int, one: int, arrays: Arrays, limits: Limits, work: Work) -> int:
    """The pair's best edge at a lane that may be used and whose pool is in none of the other hops; -1 if none.

    `one` is the hop at which it must be a counted one, as nowhere else; -1 where that does not matter.
    """
    pairs, edges = arrays.pairs, arrays.edges
    best, rate = -1, edges.row.dtype.type(0.0)
    for k in range(pairs.first[pair], pairs.first[pair] + pairs.many[pair]):
        edge = pairs.edges[k]
        if edges.row[edge, lane] <= rate or not permitted(edge, arrays, limits):
            continue
        if one >= 0 and is_counted(edge, arrays, limits) != (hop == one):
            continue
        twice = False
        for other in range(hop):
            twice |= edges.pool[work.walk[8 + other]] == edges.pool[edge]
        if not twice:
            best, rate = edge, edges.row[edge, lane]
    return best


@inlined
def turned(hops: int, arrays: Arrays, limits: Limits, work: Work) -> int:
    """Where the walk in `work.walk[8:]` begins: at the highest start, else at its lowest edge."""
    begin, highest = 0, 0
    for hop in range(hops):
        edge = work.walk[8 + hop]
        if limits.started:
            rank = limits.starts[arrays.pairs.source[arrays.edges.pair[edge]]]
            if rank > highest:
                begin, highest = hop, rank
        elif edge < work.walk[8 + begin]:
            begin = hop
    return begin


@inlined
def unseen(hops: int, work: Work) -> bool:
    """Note the walk in `work.walk[:hops]`; whether it is new in this search."""
    seen, size = work.seen, len(work.seen)
    key = np.uint64(hops)
    for hop in range(hops):
        key = (key ^ np.uint64(work.walk[hop])) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    at = np.int64(key % np.uint64(size))
    while seen[at, 0] >= 0:
        same = True
        for hop in range(4):
            same &= seen[at, hop] == (work.walk[hop] if hop < hops else -1)
        if same:
            return False
        at = (at + 1) % size
    for hop in range(4):
        seen[at, hop] = work.walk[hop] if hop < hops else -1
    return True


@inlined
def place(hops: int, size: float, gain: float, net: float, work: Work) -> None:
    """Put the walk in `work.walk[:hops]` among the best, by net gain; equals by their edges."""
    work.counts[GAINING] += 1
    value, found, last = work.found_value, work.found, len(work.found) - 1
    at = last
    if found[at, 0] >= 0 and value[at, 2] >= net:
        return
    while at > 0 and (found[at - 1, 0] < 0 or value[at - 1, 2] < net):
        for column in range(4):
            found[at, column] = found[at - 1, column]
        for column in range(3):
            value[at, column] = value[at - 1, column]
        at -= 1
    for column in range(4):
        found[at, column] = work.walk[column] if column < hops else -1
    value[at, 0], value[at, 1], value[at, 2] = size, gain, net


@inlined
def size_lane(at: int, lane: int, hops: int, one: int, arrays: Arrays, limits: Limits, work: Work, needed: F4) -> None:
    """Size hit `at` with the pools that are best at `lane`, the counted one at hop `one`, if that is wanted."""
    first = work.hit[at, 0]
    work.walk[8] = first
    product = float(arrays.edges.row[first, lane])
    for hop in range(1, hops):
        edge = best_edge(work.hit[at, hop], lane, hop, one, arrays, limits, work)
        if edge < 0:
            return
        work.walk[8 + hop] = edge
        product *= arrays.edges.row[edge, lane]
    if product <= needed[hops - 2, lane]:
        return
    begin, gas = turned(hops, arrays, limits, work), limits.gas_base
    for hop in range(hops):
        work.walk[hop] = work.walk[8 + (begin + hop) % hops]
        gas += limits.gas_of[arrays.pools.klass[arrays.edges.pool[work.walk[hop]]]]
    if not unseen(hops, work):
        return
    work.counts[SIZED] += 1
    size, gain = size_walk(work.walk[:4], hops, arrays.pools, arrays.edges, arrays.curves, work.rest, work.walk[4:8])
    if gain > gas:
        place(hops, size, gain, gain - gas, work)


@merged
def size_hit(at: int, arrays: Arrays, limits: Limits, work: Work, needed: F4) -> None:
    """Size the walk of pairs in hit `at` with the pools that are best at each lane where it passes."""
    hops = 2
    while hops < 4 and work.hit[at, hops] >= 0:
        hops += 1
    first = work.hit[at, 0]
    if not permitted(first, arrays, limits):
        return
    low, high = -1, 0
    if limits.exactly == 0:
        if is_counted(first, arrays, limits):
            return
        low, high = hops, hops + 1
    elif limits.exactly == 1:
        low, high = (0, 1) if is_counted(first, arrays, limits) else (1, hops)
    for one in range(low, high):
        for lane in range(LANES):
            size_lane(at, lane, hops, one, arrays, limits, work, needed)


@jit
def block_step(changes: Changes, arrays: Arrays, limits: Limits, work: Work, sizes: F8, needed: F4, task: int) -> None:
    """Take in what changed and search through it, as `task` says; results are in `work`.

    Finds the closed walks through the changed pools, sizes those that promise most, leaves the best in `work.found`.
    """
    pools, counts = arrays.pools, work.counts
    counts[HITS], counts[SIZED], counts[GAINING] = 0, 0, 0
    work.found[:] = -1
    if task != SEARCH:
        take_changes(changes, arrays)
        follow_changes(changes, arrays, work, sizes, task == REFILL)
    if task in (REFILL, TAKE):
        return
    work.seen[:] = -1
    for k in range(len(changes.pools)):
        at = changes.pools[k]
        if pools.open[at]:
            for edge in range(pools.first[at], pools.first[at] + pools.edges[at]):
                if limits.edges[edge]:
                    search_edge(edge, arrays, limits, work, sizes, needed)
    for hit in range(min(counts[HITS], len(work.hit_gain))):
        size_hit(hit, arrays, limits, work, needed)
