"""Kernels that look for closed walks through one changed edge, pair by pair, and keep those that may pay.

A walk passes when at some lane its product of rates exceeds what gas asks for. The way back from the edge's target b to
its source a has one to three hops. Where it is known how good the best way between two hubs is, single ways are looked
at only if that best passes: so everything is found, and next to nothing is looked at.
"""

from __future__ import annotations

from bot.market.packed.jit import inlined, jit
from bot.market.packed.shapes import F4, F8, GROUP, HITS, LANES, Arrays, Limits, Work

TWO, THREE, FOUR, FIRST = 0, 1, 2, 3
"""Rows of `Work.lanes`: what the way back must exceed in a walk of two, three, four hops, and after its first hop."""

ENDLESS = 1e30


@inlined
def exceeds(row: F4, at: int, needed: F4, which: int) -> bool:
    """Whether a row is above the needed one at any lane."""
    passed = False
    for lane in range(LANES):
        passed |= row[at, lane] > needed[which, lane]
    return passed


@inlined
def pair_exceeds(row: F4, one: int, other: int, needed: F4, which: int) -> bool:
    """Whether the product of two rows is above the needed one at any lane."""
    passed = False
    for lane in range(LANES):
        passed |= row[one, lane] * row[other, lane] > needed[which, lane]
    return passed


@inlined
def divide(row: F4, at: int, lanes: F4, which: int, into: int) -> bool:
    """What is still needed after a row; whether anything could give it at any lane."""
    alive = False
    for lane in range(LANES):
        lanes[into, lane] = lanes[which, lane] / row[at, lane]
        alive |= lanes[into, lane] < ENDLESS
    return alive


@jit
def keep(
    edge: int,
    flip: int,
    q1: int,
    q2: int,
    q3: int,
    a: int,
    b: int,
    arrays: Arrays,
    limits: Limits,
    work: Work,
    sizes: F8,
) -> None:
    """Keep edge `edge` and its way back by pairs q1, q2, q3 (-1: none), given backwards if `flip`, if it may be taken.

    No node twice, only nodes that are allowed, and the start among them if one is asked for.
    """
    if flip:
        if q3 >= 0:
            q1, q2, q3 = q3 ^ 1, q2 ^ 1, q1 ^ 1
        elif q2 >= 0:
            q1, q2 = q2 ^ 1, q1 ^ 1
        else:
            q1 ^= 1
    pairs, edge_row = arrays.pairs, arrays.edges.row
    x = pairs.target[q1] if q2 >= 0 else -1
    y = pairs.target[q2] if q3 >= 0 else -1
    if x >= 0 and ((x == a) | (x == b) | (y == x) or not limits.nodes[x]):
        return
    if y >= 0 and ((y == a) | (y == b) or not limits.nodes[y]):
        return
    if limits.start >= 0 and limits.start != a and limits.start != b and limits.start != x and limits.start != y:
        return
    at = work.counts[HITS]
    work.counts[HITS] = at + 1
    if at >= len(work.hit_gain):
        return
    gain = 0.0
    for lane in range(LANES):
        product = float(edge_row[edge, lane]) * float(pairs.row[q1, lane])
        if q2 >= 0:
            product *= pairs.row[q2, lane]
        if q3 >= 0:
            product *= pairs.row[q3, lane]
        gain = max(gain, sizes[lane] * (product - 1.0))
    work.hit_gain[at] = gain
    work.hit[at, 0], work.hit[at, 1], work.hit[at, 2], work.hit[at, 3] = edge, q1, q2, q3


@jit
def scan_bridges(
    edge: int,
    flip: int,
    before: int,
    after: int,
    one: int,
    other: int,
    which: int,
    a: int,
    b: int,
    arrays: Arrays,
    limits: Limits,
    work: Work,
    sizes: F8,
) -> None:
    """Keep each way hub `one` → X → hub `other` above what is needed, with the pair `before` or `after` it, if any."""
    pairs, links, bridges = arrays.pairs, arrays.links, arrays.bridges
    hubs = len(links.hub_node)
    low, high = min(one, other), max(one, other)
    block, count = bridges.first[low * hubs + high], bridges.rows[low * hubs + high]
    side = LANES if (one > other) != (flip == 1) else 0
    for at in range(block, block + count):
        if at % GROUP == 0:
            passed = False
            for lane in range(LANES):
                passed |= bridges.top[at // GROUP, side + lane] > work.lanes[which, lane]
            skip = not passed
        if skip:
            continue
        passed = False
        for lane in range(LANES):
            passed |= bridges.row[at, side + lane] > work.lanes[which, lane]
        if passed:
            node = bridges.member[at]
            q1, q2 = links.to_hub[node, one] ^ 1, links.to_hub[node, other]
            if before >= 0:
                keep(edge, flip, before, q1, q2, a, b, arrays, limits, work, sizes)
            else:
                keep(edge, flip, q1, q2, after, a, b, arrays, limits, work, sizes)
    for middle in range(hubs):
        q1, q2 = links.to_hub[links.hub_node[one], middle], links.to_hub[links.hub_node[middle], other]
        if q1 >= 0 and q2 >= 0 and pair_exceeds(pairs.row, q1 ^ flip, q2 ^ flip, work.lanes, which):
            if before >= 0:
                keep(edge, flip, before, q1, q2, a, b, arrays, limits, work, sizes)
            else:
                keep(edge, flip, q1, q2, after, a, b, arrays, limits, work, sizes)


@inlined
def best_exceeds(best: F4, one: int, other: int, flip: int, needed: F4, which: int) -> bool:
    """Whether the best way between two hubs is above what is needed at any lane."""
    if flip:
        one, other = other, one
    passed = False
    for lane in range(LANES):
        passed |= best[one, other, lane] > needed[which, lane]
    return passed


@inlined
def reaches(pair: int, one: int, other: int, flip: int, arrays: Arrays, lanes: F4) -> bool:
    """Whether a pair and the best way between two hubs are enough for a walk of four hops; leaves what is needed."""
    known = divide(arrays.pairs.row, pair, lanes, FOUR, FIRST)
    return known and best_exceeds(arrays.bridges.best, one, other, flip, lanes, FIRST)


@inlined
def between_hubs(edge: int, a: int, b: int, arrays: Arrays, limits: Limits, work: Work, sizes: F8) -> None:
    """Ways back from one hub to another."""
    links, pairs, bridges, chains = arrays.links, arrays.pairs, arrays.bridges, arrays.chains
    lanes, hubs = work.lanes, len(arrays.links.hub_node)
    begin, end = links.hub_of[b], links.hub_of[a]
    if best_exceeds(bridges.best, begin, end, 0, lanes, THREE):
        scan_bridges(edge, 0, -1, -1, begin, end, THREE, a, b, arrays, limits, work, sizes)
    if limits.max_hops < 4:
        return
    for hub in range(hubs):
        if (hub == begin) | (hub == end):
            continue
        first, last = links.to_hub[b, hub], links.to_hub[links.hub_node[hub], end]
        if (
            first >= 0
            and divide(pairs.row, first, lanes, FOUR, FIRST)
            and best_exceeds(bridges.best, hub, end, 0, lanes, FIRST)
        ):
            scan_bridges(edge, 0, first, -1, hub, end, FIRST, a, b, arrays, limits, work, sizes)
        if (
            last >= 0
            and divide(pairs.row, last, lanes, FOUR, FIRST)
            and best_exceeds(bridges.best, begin, hub, 0, lanes, FIRST)
        ):
            scan_bridges(edge, 0, -1, last, begin, hub, FIRST, a, b, arrays, limits, work, sizes)
    if not best_exceeds(chains.best, begin, end, 0, lanes, FOUR):
        return
    low, high = min(begin, end), max(begin, end)
    block, count = chains.first[low * hubs + high], chains.rows[low * hubs + high]
    side = LANES if begin > end else 0
    for at in range(block, block + count):
        passed = False
        for lane in range(LANES):
            passed |= chains.row[at, side + lane] > lanes[FOUR, lane]
        if passed:
            middle = chains.member[at] ^ (begin > end)
            x, y = pairs.source[middle], pairs.target[middle]
            keep(edge, 0, links.to_hub[x, begin] ^ 1, middle, links.to_hub[y, end], a, b, arrays, limits, work, sizes)


@inlined
def to_one_hub(edge: int, flip: int, a: int, b: int, arrays: Arrays, limits: Limits, work: Work, sizes: F8) -> None:
    """Ways from a node that is no hub to a hub; with `flip`, of the ways back read backwards."""
    links, bridges = arrays.links, arrays.bridges
    lanes, row, hubs = work.lanes, arrays.pairs.row, len(arrays.links.hub_node)
    begin, end = (a, b) if flip else (b, a)
    goal = links.hub_of[end]
    deep = limits.max_hops >= 4
    for hub in range(hubs):
        first = links.to_hub[begin, hub]
        if first < 0 or hub == goal:
            continue
        last = links.to_hub[links.hub_node[hub], goal]
        if last >= 0 and pair_exceeds(row, first ^ flip, last ^ flip, lanes, THREE):
            keep(edge, flip, first, last, -1, a, b, arrays, limits, work, sizes)
        if (
            deep
            and divide(row, first ^ flip, lanes, FOUR, FIRST)
            and best_exceeds(bridges.best, hub, goal, flip, lanes, FIRST)
        ):
            scan_bridges(edge, flip, first, -1, hub, goal, FIRST, a, b, arrays, limits, work, sizes)
    for k in range(links.near_first[begin], links.near_first[begin] + links.near_count[begin]):
        x, first = links.near[k, 0], links.near[k, 1]
        last = links.to_hub[x, goal]
        if last >= 0 and pair_exceeds(row, first ^ flip, last ^ flip, lanes, THREE):
            keep(edge, flip, first, last, -1, a, b, arrays, limits, work, sizes)
        if not deep or not divide(row, first ^ flip, lanes, FOUR, FIRST):
            continue
        for hub in range(hubs):
            second, last = links.to_hub[x, hub], links.to_hub[links.hub_node[hub], goal]
            if (
                hub != goal
                and second >= 0
                and last >= 0
                and pair_exceeds(row, second ^ flip, last ^ flip, lanes, FIRST)
            ):
                keep(edge, flip, first, second, last, a, b, arrays, limits, work, sizes)
        for m in range(links.near_first[x], links.near_first[x] + links.near_count[x]):
            y, second = links.near[m, 0], links.near[m, 1]
            last = links.to_hub[y, goal]
            if last >= 0 and y != begin and pair_exceeds(row, second ^ flip, last ^ flip, lanes, FIRST):
                keep(edge, flip, first, second, last, a, b, arrays, limits, work, sizes)


@inlined
def between_nodes(edge: int, a: int, b: int, arrays: Arrays, limits: Limits, work: Work, sizes: F8) -> None:
    """Ways back where neither end is a hub: by one or two hubs, by a hub and a node, and by a node both know."""
    links = arrays.links
    lanes, row, hubs, deep = work.lanes, arrays.pairs.row, len(arrays.links.hub_node), limits.max_hops >= 4
    for hub in range(hubs):
        first, last = links.to_hub[b, hub], links.to_hub[a, hub]
        if first < 0:
            continue
        if last >= 0 and pair_exceeds(row, first, last ^ 1, lanes, THREE):
            keep(edge, 0, first, last ^ 1, -1, a, b, arrays, limits, work, sizes)
        if not deep or not divide(row, first, lanes, FOUR, FIRST):
            continue
        for other in range(hubs):
            second, last = links.to_hub[links.hub_node[hub], other], links.to_hub[a, other]
            if second >= 0 and last >= 0 and pair_exceeds(row, second, last ^ 1, lanes, FIRST):
                keep(edge, 0, first, second, last ^ 1, a, b, arrays, limits, work, sizes)
    for k in range(links.near_first[a], links.near_first[a] + links.near_count[a]):
        y, last = links.near[k, 0], links.near[k, 1] ^ 1
        work.beside[y] = last + 1
        if y == b or not deep or not divide(row, last, lanes, FOUR, FIRST):
            continue
        for hub in range(hubs):
            first, second = links.to_hub[b, hub], links.to_hub[y, hub]
            if first >= 0 and second >= 0 and pair_exceeds(row, first, second ^ 1, lanes, FIRST):
                keep(edge, 0, first, second ^ 1, last, a, b, arrays, limits, work, sizes)
    for k in range(links.near_first[b], links.near_first[b] + links.near_count[b]):
        x, first = links.near[k, 0], links.near[k, 1]
        last = work.beside[x] - 1
        if last >= 0 and pair_exceeds(row, first, last, lanes, THREE):
            keep(edge, 0, first, last, -1, a, b, arrays, limits, work, sizes)
        if x == a or not deep or not divide(row, first, lanes, FOUR, FIRST):
            continue
        for hub in range(hubs):
            second, last = links.to_hub[x, hub], links.to_hub[a, hub]
            if second >= 0 and last >= 0 and pair_exceeds(row, second, last ^ 1, lanes, FIRST):
                keep(edge, 0, first, second, last ^ 1, a, b, arrays, limits, work, sizes)
    for k in range(links.near_first[a], links.near_first[a] + links.near_count[a]):
        work.beside[links.near[k, 0]] = 0


@inlined
def search_edge(edge: int, arrays: Arrays, limits: Limits, work: Work, sizes: F8, needed: F4) -> None:
    """Keep every closed walk through the edge that passes the screen; `needed[hops - 2]` is a walk's least product."""
    pair = arrays.edges.pair[edge]
    a, b = arrays.pairs.source[pair], arrays.pairs.target[pair]
    if not limits.nodes[a] or not limits.nodes[b]:
        return
    alive = False
    for lane in range(LANES):
        rate = arrays.edges.row[edge, lane]
        alive |= rate > 0.0
        for which in (TWO, THREE, FOUR):
            work.lanes[which, lane] = needed[which, lane] / rate
    if not alive:
        return
    if exceeds(arrays.pairs.row, pair ^ 1, work.lanes, TWO):
        keep(edge, 0, pair ^ 1, -1, -1, a, b, arrays, limits, work, sizes)
    if limits.max_hops < 3:
        return
    hub_a, hub_b = arrays.links.hub_of[a], arrays.links.hub_of[b]
    if hub_a >= 0 and hub_b >= 0:
        between_hubs(edge, a, b, arrays, limits, work, sizes)
    elif hub_a >= 0 or hub_b >= 0:
        to_one_hub(edge, 1 if hub_b >= 0 else 0, a, b, arrays, limits, work, sizes)
    else:
        between_nodes(edge, a, b, arrays, limits, work, sizes)
