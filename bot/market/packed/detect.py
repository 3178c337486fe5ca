"""The block step, one compiled call: what changed → ladders → pairs → hubs → search → sizing → the best few."""

from __future__ import annotations

import numpy as np

from bot.market.packed.curves import fill_ladder, locate
from bot.market.packed.fetching import fetch_pools
from bot.market.packed.search import search_edge
from bot.market.packed.shapes import (
    F4,
    F8,
    GAINING,
    HITS,
    I4,
    I8,
    LANES,
    PAIRS,
    PRODUCT,
    RANGES,
    REFILL,
    SEARCH,
    SEARCHES,
    SIZED,
    TAKE,
    U1,
    Arrays,
    Changes,
    Edges,
    Limits,
    Pairs,
    Room,
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
def permitted(edge: int, pool: int, klass: U1, limits: Limits) -> bool:
    """Whether the edge, which is of `pool`, may be used."""
    return bool(limits.edges[edge]) and bool((limits.classes >> klass[pool]) & 1)


@inlined
def is_counted(pool: int, klass: U1, counted: np.uint64) -> bool:
    """Whether the pool is of a class of which only so many are wanted."""
    return bool((counted >> klass[pool]) & 1)


@inlined
def best_edge(
    pair: int, lane: int, hop: int, hops: int, one: int, pairs: Pairs, edges: Edges, klass: U1, limits: Limits, walk: I4
) -> int:
    """The pair's best edge at a lane that may be used and whose pool is in none of the hops chosen; -1 if none.

    Those are in `walk[8 : 8 + hops]`, -1 where none is yet. `one` is the hop at which it must be a counted one, as
    nowhere else; -1 where that does not matter.
    """
    best, rate = -1, edges.row.dtype.type(0.0)
    for k in range(pairs.first[pair], pairs.first[pair] + pairs.many[pair]):
        edge = pairs.edges[k]
        pool = edges.pool[edge]
        if edges.row[edge, lane] <= rate or not permitted(edge, pool, klass, limits):
            continue
        if one >= 0 and is_counted(pool, klass, limits.counted) != (hop == one):
            continue
        twice = False
        for other in range(hops):
            twice |= walk[8 + other] >= 0 and edges.pool[walk[8 + other]] == pool
        if not twice:
            best, rate = edge, edges.row[edge, lane]
    return best


@inlined
def turned(hops: int, source: I4, pair: I4, limits: Limits, walk: I4) -> int:
    """Where the walk in `walk[8:]` begins: at the highest start, else at its lowest edge."""
    begin, highest = 0, 0
    for hop in range(hops):
        edge = walk[8 + hop]
        if limits.started:
            rank = limits.starts[source[pair[edge]]]
            if rank > highest:
                begin, highest = hop, rank
        elif edge < walk[8 + begin]:
            begin = hop
    return begin


@inlined
def unseen(hops: int, walk: I4, seen: I4, seen_in: I8, search: int) -> bool:
    """Note the walk in `walk[:hops]`; whether it is new in the search of that number.

    What other searches left counts as empty: to clear it each time would write more than all else together.
    """
    size = len(seen)
    key = np.uint64(hops)
    for hop in range(hops):
        key = (key ^ np.uint64(walk[hop])) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    at = np.int64(key % np.uint64(size))
    while seen_in[at] == search:
        same = True
        for hop in range(4):
            same &= seen[at, hop] == (walk[hop] if hop < hops else -1)
        if same:
            return False
        at = (at + 1) % size
    for hop in range(4):
        seen[at, hop] = walk[hop] if hop < hops else -1
    seen_in[at] = search
    return True


@inlined
def place(hops: int, size: float, gain: float, net: float, walk: I4, found: I4, value: F8) -> None:
    """Put the walk in `walk[:hops]` among the best, by net gain; equals by their edges."""
    at = len(found) - 1
    if found[at, 0] >= 0 and value[at, 2] >= net:
        return
    while at > 0 and (found[at - 1, 0] < 0 or value[at - 1, 2] < net):
        for column in range(4):
            found[at, column] = found[at - 1, column]
        for column in range(3):
            value[at, column] = value[at - 1, column]
        at -= 1
    for column in range(4):
        found[at, column] = walk[column] if column < hops else -1
    value[at, 0], value[at, 1], value[at, 2] = size, gain, net


@inlined
def size_lane(
    at: int, lane: int, hops: int, lead: int, one: int, arrays: Arrays, limits: Limits, work: Work, needed: F4
) -> bool:
    """Size hit `at` with the pools that are best at `lane`, the counted one at hop `one`, if that is wanted.

    Hop `lead` is given its pool first: one of many tokens may be best at several. Whether a hop had to do with another
    than its best.
    """
    pools, edges, pairs, walk = arrays.pools, arrays.edges, arrays.pairs, work.walk
    first = work.hits.walk[at, 0]
    walk[8], walk[9], walk[10], walk[11] = first, -1, -1, -1
    product, missed = float(edges.row[first, lane]), False
    for step in range(hops - 1):
        hop = 1 + (lead - 1 + step) % (hops - 1)
        pair = work.hits.walk[at, hop]
        edge = best_edge(pair, lane, hop, hops, one, pairs, edges, pools.klass, limits, walk)
        if edge < 0:
            return True
        walk[8 + hop] = edge
        missed |= edges.row[edge, lane] < pairs.row[pair, lane]
        product *= edges.row[edge, lane]
    if product <= needed[hops - 2, lane]:
        return missed
    begin, gas = turned(hops, pairs.source, edges.pair, limits, walk), limits.gas_base
    for hop in range(hops):
        walk[hop] = walk[8 + (begin + hop) % hops]
        gas += limits.gas_of[pools.klass[edges.pool[walk[hop]]]]
    if not unseen(hops, walk, work.seen, work.seen_in, work.counts[SEARCHES]):
        return missed
    work.counts[SIZED] += 1
    size, gain = size_walk(walk[:4], hops, pools, edges, arrays.curves, work.rest, walk[4:8])
    if gain > gas:
        work.counts[GAINING] += 1
        place(hops, size, gain, gain - gas, walk, work.found, work.found_value)
    return missed


@merged
def size_hit(at: int, arrays: Arrays, limits: Limits, work: Work, needed: F4) -> None:
    """Size the walk of pairs in hit `at` with the pools that are best at each lane where it passes."""
    hops = 2
    while hops < 4 and work.hits.walk[at, hops] >= 0:
        hops += 1
    first = work.hits.walk[at, 0]
    pool, klass = arrays.edges.pool[first], arrays.pools.klass
    if not permitted(first, pool, klass, limits):
        return
    low, high = -1, 0
    if limits.exactly == 0:
        if is_counted(pool, klass, limits.counted):
            return
        low, high = hops, hops + 1
    elif limits.exactly == 1:
        low, high = (0, 1) if is_counted(pool, klass, limits.counted) else (1, hops)
    for one in range(low, high):
        for lane in range(LANES):
            if size_lane(at, lane, hops, 1, one, arrays, limits, work, needed):
                for lead in range(2, hops):
                    size_lane(at, lane, hops, lead, one, arrays, limits, work, needed)


@jit
def block_step(changes: Changes, arrays: Arrays, limits: Limits, work: Work, sizes: F8, needed: F4, task: int) -> None:
    """Take in what changed and search through it, as `task` says; results are in `work`.

    Finds the closed walks through the changed pools, sizes those that promise most, leaves the best in `work.found`.
    """
    pools, counts = arrays.pools, work.counts
    counts[HITS], counts[SIZED], counts[GAINING] = 0, 0, 0
    work.found[:] = -1
    if task != REFILL:
        fetch_pools(changes.pools, arrays)
    if task != SEARCH:
        take_changes(changes, arrays)
        follow_changes(changes, arrays, work, sizes, task == REFILL)
    if task in (REFILL, TAKE):
        return
    room = Room(work.path, arrays.pairs, arrays.edges.row, limits, counts, work.hits, sizes)
    for k in range(len(changes.pools)):
        at = changes.pools[k]
        if pools.open[at]:
            for edge in range(pools.first[at], pools.first[at] + pools.edges[at]):
                if limits.edges[edge]:
                    search_edge(edge, arrays, limits, work, needed, room)
    counts[SEARCHES] += 1
    for hit in range(min(counts[HITS], len(work.hits.gain))):
        size_hit(hit, arrays, limits, work, needed)
