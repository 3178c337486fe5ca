"""Who neighbours whom: hubs, and the members of the ways between them. Values are not known here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.market.packed.shapes import F4, GROUP, I4, LANES, Links, Vias

LEAST_DEGREE = 2
"""A hub joins at least this many nodes."""


class Full(Exception):
    """No slack is left where a new neighbour or member should go: lay everything out anew."""


class Places:
    """Consecutive numbers for some of many owners, with slack for more: `of` an owner is its number, or -1."""

    def __init__(self, owners: int, owning: I4) -> None:
        self.of = np.full(owners, -1, np.int32)
        self.of[owning] = np.arange(len(owning), dtype=np.int32)
        self._used, self.room = len(owning), len(owning) + len(owning) // 8 + GROUP

    def give(self, owner: int) -> None:
        """A number, where the owner has none. Raises `Full`."""
        if self.of[owner] >= 0:
            return
        if self._used == self.room:
            raise Full
        self.of[owner] = self._used
        self._used += 1


class Members:
    """One `Vias` table as it grows: members between each two hubs, each block with slack."""

    def __init__(self, owners: int, hubs: int, slots: list[tuple[int, I4, I4, I4]]) -> None:
        """`slots`: for each block (lower · hubs + higher), its owners, their cells of `slot`, and their names."""
        count = np.zeros(hubs * hubs, np.int32)
        self.capacity = np.zeros(hubs * hubs, np.int32)
        owning = np.unique(np.concatenate([of for _, of, _, _ in slots])) if slots else np.zeros(0, np.int32)
        self._places = Places(owners, owning)
        of_owner = self._places.of
        slot = np.full((self._places.room, hubs * hubs), -1, np.int32)
        for block, of, cells, _ in slots:
            slot[of_owner[of], cells] = count[block] + np.arange(len(of), dtype=np.int32)
            count[block] += len(of)
        for block in range(hubs * hubs):
            if block // hubs < block % hubs:
                self.capacity[block] = -(-(int(count[block]) * 9 // 8 + 1) // GROUP) * GROUP
        first = (np.cumsum(self.capacity) - self.capacity).astype(np.int32)
        size = int(self.capacity.sum())
        member = np.full(size, -1, np.int32)
        for block, of, cells, names in slots:
            member[first[block] + slot[of_owner[of], cells]] = names
        row = np.zeros((size, 2 * LANES), np.float32)
        top = np.zeros((size // GROUP, 2 * LANES), np.float32)
        stale = np.zeros(size // GROUP, np.uint8)
        best = np.zeros((hubs, hubs, LANES), np.float32)
        self.table = Vias(of_owner, slot, first, count, member, row, top, stale, best)

    def add(self, owner: int, block: int, cell: int, name: int) -> None:
        """A new member; none if it is known. Raises `Full`."""
        table = self.table
        self._places.give(owner)
        slot = table.slot[table.of[owner]]
        if slot[cell] >= 0:
            return
        if table.rows[block] == self.capacity[block]:
            raise Full
        slot[cell] = table.rows[block]
        table.member[table.first[block] + slot[cell]] = name
        table.rows[block] += 1


class Topology:
    """Links between nodes, given as the two ends of each, lower first; pair 2 · link leads from the lower."""

    def __init__(self, nodes: int, low: I4, high: I4, links: int, most_hubs: int) -> None:
        """The first `links` of `low` and `high` are used; tables are laid out for all `nodes` and all their rows."""
        self._low, self._high = low, high
        low, high = low[:links], high[:links]
        degree = np.bincount(low, minlength=nodes) + np.bincount(high, minlength=nodes)
        ranked = np.argsort(-degree, kind="stable")[:most_hubs]
        self.hub_node = np.sort(ranked[degree[ranked] >= LEAST_DEGREE]).astype(np.int32)
        hubs = len(self.hub_node)
        hub_of = np.full(nodes, -1, np.int32)
        hub_of[self.hub_node] = np.arange(hubs, dtype=np.int32)
        to_hub = np.full((nodes, hubs), -1, np.int32)
        number = np.arange(links, dtype=np.int32)
        by_high, by_low = hub_of[high] >= 0, hub_of[low] >= 0
        to_hub[low[by_high], hub_of[high[by_high]]] = 2 * number[by_high]
        to_hub[high[by_low], hub_of[low[by_low]]] = 2 * number[by_low] + 1
        apart = number[~by_high & ~by_low]
        near = self._near(nodes, low, high, apart)
        self.links = Links(hub_of, self.hub_node, to_hub, *near, *self._beyond(near[1], hubs))
        self.bridges = Members(nodes, hubs, _bridges(hub_of, to_hub))
        self.chains = Members(len(self._low), hubs, _chains(to_hub, low, high, apart))

    def attach(self, link: int) -> None:
        """Take in a new link. Raises `Full`, with nothing to be trusted until all is laid out anew."""
        low, high = int(self._low[link]), int(self._high[link])
        hub_low, hub_high = int(self.links.hub_of[low]), int(self.links.hub_of[high])
        if hub_high >= 0:
            self.links.to_hub[low, hub_high] = 2 * link
        if hub_low >= 0:
            self.links.to_hub[high, hub_low] = 2 * link + 1
        if hub_low >= 0 and hub_high >= 0:
            return
        if hub_low < 0 and hub_high < 0:
            self._attach_near(low, high, 2 * link)
            self._attach_near(high, low, 2 * link + 1)
            self._attach_chains(link)
            return
        hub, node = max(hub_low, hub_high), high if hub_low >= 0 else low
        hubs = len(self.hub_node)
        for other in self._hubs_of(node):
            if other != hub:
                one, two = min(hub, other), max(hub, other)
                self.bridges.add(node, one * hubs + two, one * hubs + two, node)
        for _, pair in self._near_of(node):
            self._attach_chains(pair >> 1)

    def link_between(self, one: int, other: int) -> int:
        """The link that joins two nodes, or -1."""
        hub = int(self.links.hub_of[other])
        if hub < 0:
            one, other = other, one
            hub = int(self.links.hub_of[other])
        if hub >= 0:
            pair = int(self.links.to_hub[one, hub])
            return pair >> 1 if pair >= 0 else -1
        return next((pair >> 1 for node, pair in self._near_of(one) if node == other), -1)

    def _hubs_of(self, node: int) -> list[int]:
        return [int(hub) for hub in np.flatnonzero(self.links.to_hub[node] >= 0)]

    def _near_of(self, node: int) -> list[tuple[int, int]]:
        first = self.links.near_first[node]
        return [(int(near), int(pair)) for near, pair in self.links.near[first : first + self.links.near_count[node]]]

    def _near(self, nodes: int, low: I4, high: I4, apart: I4) -> tuple[I4, I4, I4]:
        """Adjacency of nodes that are no hubs, each with room for some more."""
        source = np.concatenate([low[apart], high[apart]])
        target = np.concatenate([high[apart], low[apart]])
        pair = np.concatenate([2 * apart, 2 * apart + 1])
        count = np.bincount(source, minlength=nodes).astype(np.int32)
        self._room = (count + count // 4 + 2).astype(np.int32)
        first = (np.cumsum(self._room) - self._room).astype(np.int32)
        order = np.argsort(source, kind="stable")
        begin = np.cumsum(count) - count
        at = first[source[order]] + np.arange(len(order)) - begin[source[order]]
        near = np.full((int(self._room.sum()), 2), -1, np.int32)
        near[at, 0], near[at, 1] = target[order], pair[order]
        return first, count, near

    def _beyond(self, near_count: I4, hubs: int) -> tuple[I4, F4]:
        """A row per hub for each node that has neighbours which are no hubs, and for some more."""
        self._beyond_places = Places(len(near_count), np.flatnonzero(near_count).astype(np.int32))
        return self._beyond_places.of, np.zeros((self._beyond_places.room * hubs, 2, LANES), np.float32)

    def _attach_near(self, node: int, other: int, pair: int) -> None:
        links = self.links
        if links.near_count[node] == self._room[node]:
            raise Full
        self._beyond_places.give(node)
        links.near[links.near_first[node] + links.near_count[node]] = other, pair
        links.near_count[node] += 1

    def _attach_chains(self, link: int) -> None:
        hubs = len(self.hub_node)
        for one in self._hubs_of(int(self._low[link])):
            for other in self._hubs_of(int(self._high[link])):
                if one != other:
                    block = min(one, other) * hubs + max(one, other)
                    self.chains.add(link, block, one * hubs + other, 2 * link + (one > other))


def _bridges(hub_of: I4, to_hub: I4) -> list[tuple[int, I4, I4, I4]]:
    """Nodes between two hubs, for each two hubs."""
    hubs = to_hub.shape[1]
    known: NDArray[np.bool_] = to_hub >= 0
    nodes = np.flatnonzero((hub_of < 0) & (known.sum(axis=1) >= 2)).astype(np.int32)
    known = known[nodes]
    slots = []
    for low in range(hubs):
        for high in range(low + 1, hubs):
            members = nodes[known[:, low] & known[:, high]]
            slots.append((low * hubs + high, members, np.full(len(members), low * hubs + high, np.int32), members))
    return slots


def _chains(to_hub: I4, low: I4, high: I4, apart: I4) -> list[tuple[int, I4, I4, I4]]:
    """Links between two hubs, for each two hubs, in both orders."""
    hubs = to_hub.shape[1]
    of_low, of_high = to_hub[low[apart]] >= 0, to_hub[high[apart]] >= 0
    slots = []
    for one in range(hubs):
        for other in range(hubs):
            if one != other:
                members = apart[of_low[:, one] & of_high[:, other]]
                block = min(one, other) * hubs + max(one, other)
                cells = np.full(len(members), one * hubs + other, np.int32)
                slots.append((block, members, cells, (2 * members + (one > other)).astype(np.int32)))
    return slots
