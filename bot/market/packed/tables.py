"""Kernels that keep what is derived from ladders: the best of each pair, and the best ways between two hubs."""

from __future__ import annotations

from bot.market.packed.shapes import F4, GROUP, LANES, Links, Pairs, Vias
from chains.kernels.jit import inlined, merged
from chains.kernels.lanes import put_product, raise_between, raise_row, raise_to_product


@inlined
def reduce_pair(pair: int, pairs: Pairs, edge_row: F4) -> bool:
    """Write the lane-wise best over the pair's edges; whether that changed anything."""
    row, edges, first, count = pairs.row, pairs.edges, pairs.first[pair], pairs.many[pair]
    changed = False
    for lane in range(LANES):
        best = edge_row[edges[first], lane] if count else edge_row.dtype.type(0.0)
        for k in range(first + 1, first + count):
            value = edge_row[edges[k], lane]
            if value > best:
                best = value
        if best != row[pair, lane]:
            row[pair, lane] = best
            changed = True
    return changed


@inlined
def renew_top(group: int, end: int, row: F4, top: F4) -> None:
    """Make the maximum over a group's rows, of which the last is before `end`, anew."""
    begin = group * GROUP
    for lane in range(top.shape[1]):
        top[group, lane] = row[begin, lane]
    for other in range(begin + 1, min(begin + GROUP, end)):
        raise_row(top, group, row, other, 0)
        raise_row(top, group, row, other, LANES)


@inlined
def put_bridge(at: int, to_low: int, to_high: int, pair_row: F4, row: F4, top: F4) -> bool:
    """Write low → X → high and back; whether the group's maximum is now stale."""
    group = at // GROUP
    up = put_product(row, top, at, group, 0, pair_row, to_low ^ 1, to_high, -1)
    down = put_product(row, top, at, group, LANES, pair_row, to_high ^ 1, to_low, -1)
    return bool(up | down)


@inlined
def put_chain(at: int, low: int, middle: int, high: int, pair_row: F4, row: F4, top: F4) -> bool:
    """Write low hub → X → Y → high hub and back, where `low` is X → low hub, `middle` X → Y and `high` Y → high hub."""
    group = at // GROUP
    up = put_product(row, top, at, group, 0, pair_row, low ^ 1, middle, high)
    down = put_product(row, top, at, group, LANES, pair_row, high ^ 1, middle ^ 1, low)
    return bool(up | down)


@inlined
def set_bridge(node: int, one: int, other: int, links: Links, bridges: Vias, pair_row: F4) -> None:
    """Rewrite the row of the two hubs' way by `node`, if it is a member."""
    of = bridges.of[node]
    hubs = links.to_hub.shape[1]
    low, high = min(one, other), max(one, other)
    if of < 0 or bridges.slot[of, low * hubs + high] < 0:
        return
    at = bridges.first[low * hubs + high] + bridges.slot[of, low * hubs + high]
    if put_bridge(at, links.to_hub[node, low], links.to_hub[node, high], pair_row, bridges.row, bridges.top):
        bridges.stale[at // GROUP] = 1


@inlined
def set_chain(
    of: int, middle: int, one: int, other: int, to_one: int, to_other: int, pair_row: F4, chains: Vias
) -> None:
    """Rewrite the row of the way from hub `one` by the nodes of the pair `middle` to hub `other`, if it is a member.

    `of` is the link's place among the members, `to_one` the pair middle's source → `one`, `to_other` target → `other`.
    """
    hubs = len(chains.best)
    slot = chains.slot[of, other * hubs + one if middle & 1 else one * hubs + other]
    if slot < 0:
        return
    if one < other:
        at = chains.first[one * hubs + other] + slot
        stale = put_chain(at, to_one, middle, to_other, pair_row, chains.row, chains.top)
    else:
        at = chains.first[other * hubs + one] + slot
        stale = put_chain(at, to_other, middle ^ 1, to_one, pair_row, chains.row, chains.top)
    if stale:
        chains.stale[at // GROUP] = 1


@inlined
def raise_beyond(node: int, middle: int, hub: int, there: int, links: Links, pair_row: F4) -> None:
    """Take in that the way from `node` by `middle` to a hub has changed; `there` is the pair node → middle."""
    at, last = links.beyond_of[node] * len(links.hub_node) + hub, links.to_hub[middle, hub] + 0
    raise_to_product(links.beyond, at, 0, pair_row, there, last)
    raise_to_product(links.beyond, at, 1, pair_row, there ^ 1, last ^ 1)


@merged
def follow_link(link: int, links: Links, pairs: Pairs, bridges: Vias, chains: Vias) -> None:
    """Rewrite every way between two hubs that the link is a part of."""
    x, y = pairs.source[2 * link], pairs.target[2 * link]
    hub_x, hub_y = links.hub_of[x], links.hub_of[y]
    hubs = links.to_hub.shape[1]
    if hub_x >= 0 and hub_y >= 0:
        return
    if hub_x < 0 and hub_y < 0:
        for hub in range(hubs):
            if links.to_hub[y, hub] >= 0:
                raise_beyond(x, y, hub, 2 * link, links, pairs.row)
            if links.to_hub[x, hub] >= 0:
                raise_beyond(y, x, hub, 2 * link + 1, links, pairs.row)
        of = chains.of[link]
        for one in range(hubs):
            to_one = links.to_hub[x, one]
            if of < 0 or to_one < 0:
                continue
            for other in range(hubs):
                to_other = links.to_hub[y, other]
                if to_other >= 0:
                    set_chain(of, 2 * link, one, other, to_one + 0, to_other + 0, pairs.row, chains)
        return
    hub, node = max(hub_x, hub_y), y if hub_x >= 0 else x
    here = links.to_hub[node, hub] + 0
    for other in range(hubs):
        if other != hub and links.to_hub[node, other] >= 0:
            set_bridge(node, hub, other, links, bridges, pairs.row)
    for k in range(links.near_first[node], links.near_first[node] + links.near_count[node]):
        beyond, pair = links.near[k, 0], links.near[k, 1]
        raise_beyond(beyond, node, hub, pair ^ 1, links, pairs.row)
        of = chains.of[pair >> 1]
        if of < 0:
            continue
        for other in range(hubs):
            far = links.to_hub[beyond, other]
            if other != hub and far >= 0:
                set_chain(of, pair + 0, hub, other, here, far + 0, pairs.row, chains)


@merged
def close_hubs(links: Links, pair_row: F4, bridges: Vias, chains: Vias) -> None:
    """The best way between any two hubs, per lane: by a node or a hub in between, and by two nodes that are no hubs."""
    hubs = len(links.hub_node)
    for vias in (bridges, chains):
        for low in range(hubs):
            for high in range(low + 1, hubs):
                block, count = vias.first[low * hubs + high], vias.rows[low * hubs + high]
                vias.best[low, high] = 0.0
                vias.best[high, low] = 0.0
                for group in range(block // GROUP, (block + count + GROUP - 1) // GROUP):
                    if vias.stale[group]:
                        renew_top(group, block + count, vias.row, vias.top)
                        vias.stale[group] = 0
                    raise_between(vias.best, low, high, vias.top, group, 0)
                    raise_between(vias.best, high, low, vias.top, group, LANES)
    for middle in range(hubs):
        for one in range(hubs):
            into = links.to_hub[links.hub_node[one], middle]
            if into < 0:
                continue
            for other in range(hubs):
                out = links.to_hub[links.hub_node[middle], other]
                if out < 0 or one == other:
                    continue
                raise_to_product(bridges.best, one, other, pair_row, into, out)
