"""Kernels that look for closed walks through one changed edge, pair by pair, and keep those that may pay.

(`+ 0` makes a 32-bit number a 64-bit one, so that a kernel is compiled for one type only.)

A walk passes when at some lane its product of rates exceeds what gas asks for. The way back from the edge's target b to
its source a has one to three hops. Where it is known how good the best way between two hubs is, single ways are looked
at only if that best passes: so everything is found, and next to nothing is looked at.
"""

from __future__ import annotations

from bot.market.packed.shapes import (
    EDGE,
    F4,
    FIRST_BACK,
    FLIP,
    GROUP,
    HITS,
    I4,
    LANES,
    SOURCE,
    TARGET,
    Arrays,
    Hits,
    Limits,
    Links,
    Room,
    Vias,
    Work,
)
from chains.kernels.jit import called, inlined, merged
from chains.kernels.lanes import above, above_between, divided, product_above, raise_to_product

TWO, THREE, FOUR, FIRST = 0, 1, 2, 3
"""Rows of `Work.lanes`: what the way back must exceed in a walk of two, three, four hops, and after its first hop."""

ENDLESS = 1e30


@inlined
def divide(row: F4, at: int, lanes: F4, which: int, into: int) -> bool:
    """What is still needed after a row; whether anything could give it at any lane."""
    return bool(divided(lanes, which, into, row, at, ENDLESS))


@inlined
def move(source: int, target: int, hits: Hits) -> None:
    """Put one hit in another's seat."""
    hits.gain[target] = hits.gain[source]
    for column in range(4):
        hits.walk[target, column] = hits.walk[source, column]


@inlined
def seat(gain: float, count: int, hits: Hits) -> int:
    """Where the newest hit goes in the heap of those that gain most, least first; -1 if they all gain more."""
    seats, gains = len(hits.gain), hits.gain
    if count <= seats:
        at = count - 1
        while at > 0 and gains[(at - 1) // 2] > gain:
            move((at - 1) // 2, at, hits)
            at = (at - 1) // 2
        return at
    if gain <= gains[0]:
        return -1
    at = 0
    while True:
        child = 2 * at + 1
        if child + 1 < seats and gains[child + 1] < gains[child]:
            child += 1
        if child >= seats or gains[child] >= gain:
            return at
        move(child, at, hits)
        at = child


@called
def keep(room: Room) -> None:
    """Keep the walk in `room.path` if it may be taken.

    No node twice, only nodes that are allowed, and the start among them if one is asked for.
    """
    path, pairs, limits, hits = room.path, room.pairs, room.limits, room.hits
    q1, q2, q3 = path[FIRST_BACK], path[FIRST_BACK + 1], path[FIRST_BACK + 2]
    if path[FLIP] and q3 >= 0:
        q1, q2, q3 = q3 ^ 1, q2 ^ 1, q1 ^ 1
    elif path[FLIP] and q2 >= 0:
        q1, q2 = q2 ^ 1, q1 ^ 1
    a, b, starts = path[SOURCE], path[TARGET], limits.starts
    x = pairs.target[q1] if q2 >= 0 else -1
    y = pairs.target[q2] if q3 >= 0 else -1
    if x >= 0 and ((x == a) | (x == b) | (y == x) or not limits.nodes[x]):
        return
    if y >= 0 and ((y == a) | (y == b) or not limits.nodes[y]):
        return
    if limits.started and not (starts[a] | starts[b] | (x >= 0 and starts[x]) | (y >= 0 and starts[y])):
        return
    room.counts[HITS] += 1
    gain = 0.0
    for lane in range(LANES):
        product = float(room.edge_row[path[EDGE], lane]) * float(pairs.row[q1, lane])
        if q2 >= 0:
            product *= pairs.row[q2, lane]
        if q3 >= 0:
            product *= pairs.row[q3, lane]
        gain = max(gain, room.sizes[lane] * (product - 1.0))
    at = seat(gain, int(room.counts[HITS]), hits)
    if at >= 0:
        hits.gain[at] = gain
        hits.walk[at, 0], hits.walk[at, 1], hits.walk[at, 2], hits.walk[at, 3] = path[EDGE], q1, q2, q3


@inlined
def back(path: I4, q1: int, q2: int, q3: int) -> None:
    """Write the pairs of a way back."""
    path[FIRST_BACK], path[FIRST_BACK + 1], path[FIRST_BACK + 2] = q1, q2, q3


@called
def scan_bridges(
    one: int, other: int, which: int, before: int, after: int, lanes: F4, links: Links, bridges: Vias, room: Room
) -> None:
    """Keep each way hub `one` → X → hub `other` above what is needed, with the pair `before` or `after` it, if any."""
    path, pairs = room.path, room.pairs
    hubs, flip = len(links.hub_node), path[FLIP]
    low, high = min(one, other), max(one, other)
    block, count = bridges.first[low * hubs + high], bridges.rows[low * hubs + high]
    side = LANES if (one > other) != (flip == 1) else 0
    for at in range(block, block + count + hubs):
        if at < block + count:
            if at % GROUP == 0:
                skip = not above(bridges.top, at // GROUP, side, lanes, which)
            if skip or not above(bridges.row, at, side, lanes, which):
                continue
            q1, q2 = links.to_hub[bridges.member[at], one] ^ 1, links.to_hub[bridges.member[at], other]
        else:
            middle = links.hub_node[at - block - count]
            q1, q2 = links.to_hub[links.hub_node[one], at - block - count], links.to_hub[middle, other]
            if q1 < 0 or q2 < 0 or not product_above(pairs.row, q1 ^ flip, q2 ^ flip, lanes, which):
                continue
        if before >= 0:
            back(path, before, q1, q2)
        else:
            back(path, q1, q2, after)
        keep(room)


@inlined
def best_exceeds(best: F4, one: int, other: int, flip: int, needed: F4, which: int) -> bool:
    """Whether the best way between two hubs is above what is needed at any lane."""
    if flip:
        one, other = other, one
    return bool(above_between(best, one, other, needed, which))


@inlined
def reaches(pair: int, one: int, other: int, flip: int, row: F4, best: F4, lanes: F4) -> bool:
    """Whether a pair and the best way between two hubs are enough for a walk of four hops; leaves what is needed."""
    return divide(row, pair, lanes, FOUR, FIRST) and best_exceeds(best, one, other, flip, lanes, FIRST)


@merged
def between_hubs(a: int, b: int, arrays: Arrays, work: Work, room: Room) -> None:
    """Ways back from one hub to another."""
    links, pairs, bridges, chains = arrays.links, arrays.pairs, arrays.bridges, arrays.chains
    lanes, path = work.lanes, room.path
    hubs = len(links.hub_node)
    begin, end = links.hub_of[b] + 0, links.hub_of[a] + 0
    if best_exceeds(bridges.best, begin, end, 0, lanes, THREE):
        scan_bridges(begin, end, THREE, -1, -1, lanes, links, bridges, room)
    if room.limits.max_hops < 4:
        return
    for hub in range(hubs):
        if (hub == begin) | (hub == end):
            continue
        first, last = links.to_hub[b, hub], links.to_hub[links.hub_node[hub], end]
        if first >= 0 and reaches(first, hub, end, 0, pairs.row, bridges.best, lanes):
            scan_bridges(hub, end, FIRST, first + 0, -1, lanes, links, bridges, room)
        if last >= 0 and reaches(last, begin, hub, 0, pairs.row, bridges.best, lanes):
            scan_bridges(begin, hub, FIRST, -1, last + 0, lanes, links, bridges, room)
    if not best_exceeds(chains.best, begin, end, 0, lanes, FOUR):
        return
    low, high = min(begin, end), max(begin, end)
    block, count = chains.first[low * hubs + high], chains.rows[low * hubs + high]
    side = LANES if begin > end else 0
    for at in range(block, block + count):
        if above(chains.row, at, side, lanes, FOUR):
            middle = chains.member[at] ^ (begin > end)
            x, y = pairs.source[middle], pairs.target[middle]
            back(path, links.to_hub[x, begin] ^ 1, middle, links.to_hub[y, end])
            keep(room)


@merged
def to_one_hub(a: int, b: int, arrays: Arrays, work: Work, room: Room) -> None:
    """Ways from a node that is no hub to a hub; with `flip`, of the ways back read backwards."""
    links, pairs, bridges = arrays.links, arrays.pairs, arrays.bridges
    lanes, path = work.lanes, room.path
    row, hubs, flip = pairs.row, len(links.hub_node), path[FLIP]
    begin, end = (a, b) if flip else (b, a)
    goal = links.hub_of[end] + 0
    deep = room.limits.max_hops >= 4
    for hub in range(hubs):
        first = links.to_hub[begin, hub]
        if first < 0 or hub == goal:
            continue
        last = links.to_hub[links.hub_node[hub], goal]
        if last >= 0 and product_above(row, first ^ flip, last ^ flip, lanes, THREE):
            back(path, first, last, -1)
            keep(room)
        if deep and reaches(first ^ flip, hub, goal, flip, pairs.row, bridges.best, lanes):
            scan_bridges(hub, goal, FIRST, first + 0, -1, lanes, links, bridges, room)
    for k in range(links.near_first[begin], links.near_first[begin] + links.near_count[begin]):
        x, first = links.near[k, 0], links.near[k, 1]
        last = links.to_hub[x, goal]
        if last >= 0 and product_above(row, first ^ flip, last ^ flip, lanes, THREE):
            back(path, first, last, -1)
            keep(room)
        if not deep or not divide(row, first ^ flip, lanes, FOUR, FIRST):
            continue
        for hub in range(hubs):
            second, last = links.to_hub[x, hub], links.to_hub[links.hub_node[hub], goal]
            known = (hub != goal) & (second >= 0) & (last >= 0)
            if known and product_above(row, second ^ flip, last ^ flip, lanes, FIRST):
                back(path, first, second, last)
                keep(room)
        mine = links.beyond_of[x] * hubs + goal
        if not above_between(links.beyond, mine, flip + 0, lanes, FIRST):
            continue
        for lane in range(LANES):
            links.beyond[mine, flip, lane] = 0.0
        for m in range(links.near_first[x], links.near_first[x] + links.near_count[x]):
            y, second = links.near[m, 0], links.near[m, 1]
            last = links.to_hub[y, goal]
            if last < 0:
                continue
            raise_to_product(links.beyond, mine, flip + 0, row, second ^ flip, last ^ flip)
            if y != begin and product_above(row, second ^ flip, last ^ flip, lanes, FIRST):
                back(path, first, second, last)
                keep(room)


@merged
def between_nodes(a: int, b: int, arrays: Arrays, work: Work, room: Room) -> None:
    """Ways back where neither end is a hub: by one or two hubs, by a hub and a node, and by a node both know."""
    links, pairs = arrays.links, arrays.pairs
    lanes, path = work.lanes, room.path
    row, hubs, deep = pairs.row, len(links.hub_node), room.limits.max_hops >= 4
    for hub in range(hubs):
        first, last = links.to_hub[b, hub], links.to_hub[a, hub]
        if first < 0:
            continue
        if last >= 0 and product_above(row, first, last ^ 1, lanes, THREE):
            back(path, first, last ^ 1, -1)
            keep(room)
        if not deep or not divide(row, first, lanes, FOUR, FIRST):
            continue
        for other in range(hubs):
            second, last = links.to_hub[links.hub_node[hub], other], links.to_hub[a, other]
            if second >= 0 and last >= 0 and product_above(row, second, last ^ 1, lanes, FIRST):
                back(path, first, second, last ^ 1)
                keep(room)
    for k in range(links.near_first[a], links.near_first[a] + links.near_count[a]):
        y, last = links.near[k, 0], links.near[k, 1] ^ 1
        work.beside[y] = last + 1
        if y == b or not deep or not divide(row, last, lanes, FOUR, FIRST):
            continue
        for hub in range(hubs):
            first, second = links.to_hub[b, hub], links.to_hub[y, hub]
            if first >= 0 and second >= 0 and product_above(row, first, second ^ 1, lanes, FIRST):
                back(path, first, second ^ 1, last)
                keep(room)
    for k in range(links.near_first[b], links.near_first[b] + links.near_count[b]):
        x, first = links.near[k, 0], links.near[k, 1]
        last = work.beside[x] - 1
        if last >= 0 and product_above(row, first, last, lanes, THREE):
            back(path, first, last, -1)
            keep(room)
        if x == a or not deep or not divide(row, first, lanes, FOUR, FIRST):
            continue
        for hub in range(hubs):
            second, last = links.to_hub[x, hub], links.to_hub[a, hub]
            if second >= 0 and last >= 0 and product_above(row, second, last ^ 1, lanes, FIRST):
                back(path, first, second, last ^ 1)
                keep(room)
    for k in range(links.near_first[a], links.near_first[a] + links.near_count[a]):
        work.beside[links.near[k, 0]] = 0


@merged
def search_edge(edge: int, arrays: Arrays, limits: Limits, work: Work, needed: F4, room: Room) -> None:
    """Keep every closed walk through the edge that passes the screen; `needed[hops - 2]` is a walk's least product."""
    pair = arrays.edges.pair[edge]
    a, b = arrays.pairs.source[pair], arrays.pairs.target[pair]
    if not limits.nodes[a] or not limits.nodes[b]:
        return
    hub_a, hub_b = arrays.links.hub_of[a], arrays.links.hub_of[b]
    path = room.path
    path[EDGE], path[FLIP], path[SOURCE], path[TARGET] = edge, hub_a < 0 and hub_b >= 0, a, b
    alive = False
    for lane in range(LANES):
        rate = arrays.edges.row[edge, lane]
        alive |= rate > 0.0
        for which in (TWO, THREE, FOUR):
            work.lanes[which, lane] = needed[which, lane] / rate
    if not alive:
        return
    if above(arrays.pairs.row, pair ^ 1, 0, work.lanes, TWO):
        back(path, pair ^ 1, -1, -1)
        keep(room)
    if limits.max_hops < 3:
        return
    if hub_a >= 0 and hub_b >= 0:
        between_hubs(a, b, arrays, work, room)
    elif hub_a >= 0 or hub_b >= 0:
        to_one_hub(a, b, arrays, work, room)
    else:
        between_nodes(a, b, arrays, work, room)
