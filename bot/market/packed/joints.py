"""Which edges join which nodes: links, pairs, the edges of each pair, and the topology on top."""

from __future__ import annotations

import numpy as np

from bot.market.packed.columns import Blocks, Columns
from bot.market.packed.shapes import I4, LANES, Pairs
from bot.market.packed.topology import Full, Topology

GROWTH = 1.5
"""Hubs are chosen anew once there are this many times as many links."""


class Joints:
    """Edges by their two nodes. A link, once there, stays; its pairs may come to hold no edge."""

    def __init__(self, most_hubs: int) -> None:
        self._most_hubs = most_hubs
        self._links = Columns({"low": (np.int32, 0, 0), "high": (np.int32, 0, 0)})
        self._pairs = Columns(
            {
                "row": (np.float32, LANES, 0.0),
                "source": (np.int32, 0, 0),
                "target": (np.int32, 0, 0),
                "first": (np.int32, 0, 0),
                "many": (np.int32, 0, 0),
                "room": (np.int32, 0, 0),
            },
            room=128,
        )
        self._members = Columns({"edges": (np.int32, 0, -1)})
        self._blocks = Blocks(self._members)
        self._topology: Topology | None = None
        self._laid_out_for = (0, 0)
        self._laid_out_links = 0
        self._stale: dict[int, None] = {}
        self.layouts = 0

    @property
    def nbytes(self) -> int:
        own = self._links.nbytes + self._pairs.nbytes + self._members.nbytes
        if self._topology is None:
            return own
        tables = (self._topology.links, self._topology.bridges.table, self._topology.chains.table)
        return own + sum(array.nbytes for table in tables for array in table)

    @property
    def pairs(self) -> Pairs:
        """The pair table."""
        columns = self._pairs
        return Pairs(
            columns["row"],
            columns["source"],
            columns["target"],
            columns["first"],
            columns["many"],
            self._members["edges"],
        )

    def topology(self, nodes: int) -> Topology:
        """Neighbours and hubs, laid out anew if there is no room, or far more to choose hubs from.

        `layouts` counts how often that was.
        """
        room = (nodes, self._links.room)
        grown = self._links.size > GROWTH * self._laid_out_links
        if self._topology is None or self._laid_out_for != room or grown:
            self._topology = Topology(nodes, self._links["low"], self._links["high"], self._links.size, self._most_hubs)
            self._laid_out_for, self._laid_out_links = room, self._links.size
            self.layouts += 1
        return self._topology

    def take_stale(self) -> I4:
        """Links that lost an edge since last asked."""
        stale, self._stale = list(self._stale), {}
        return np.array(stale, np.int32)

    def attach_all(self, source: I4, target: I4) -> I4:
        """Pairs for many first edges at once, numbered from 0 in the order given; only while no edge is attached."""
        if self._pairs.size:
            raise ValueError("edges were attached already; attach these one by one")
        low, high = np.minimum(source, target), np.maximum(source, target)
        keys, link = np.unique(low.astype(np.int64) << 32 | high, return_inverse=True)
        self._links.extend(len(keys))
        self._links["low"][: len(keys)], self._links["high"][: len(keys)] = keys >> 32, keys & 0xFFFFFFFF
        self._pairs.extend(2 * len(keys))
        for side, (one, other) in enumerate((("low", "high"), ("high", "low"))):
            self._pairs["source"][side : 2 * len(keys) : 2] = self._links[one][: len(keys)]
            self._pairs["target"][side : 2 * len(keys) : 2] = self._links[other][: len(keys)]
        pair: I4 = (2 * link + (source > target)).astype(np.int32)
        count = np.bincount(pair, minlength=2 * len(keys))
        room = np.array([Blocks.room_for(rows) for rows in range(int(count.max(initial=0)) + 1)])[count]
        first = np.cumsum(room) - room
        self._members.extend(int(room.sum()))
        order = np.argsort(pair, kind="stable")
        at = first[pair[order]] + np.arange(len(order)) - (np.cumsum(count) - count)[pair[order]]
        self._members["edges"][at] = order
        for name, values in (("first", first), ("many", count), ("room", room)):
            self._pairs[name][: len(values)] = values
        return pair

    def attach(self, edge: int, source: int, target: int, nodes: int) -> int:
        """The pair of a new edge, which is now among its edges."""
        pair = 2 * self._link(min(source, target), max(source, target), nodes) + (source > target)
        columns = self._pairs
        first, count, room = int(columns["first"][pair]), int(columns["many"][pair]), int(columns["room"][pair])
        if count == room:
            moved = self._blocks.take(count + 1)
            members = self._members["edges"]
            members[moved : moved + count] = members[first : first + count]
            if room:
                self._blocks.give_back(first, room)
            first = columns["first"][pair] = moved
            columns["room"][pair] = Blocks.room_for(count + 1)
        self._members["edges"][first + count] = edge
        columns["many"][pair] = count + 1
        return pair

    def detach(self, edge: int, pair: int) -> None:
        """Take an edge out of its pair."""
        columns, members = self._pairs, self._members["edges"]
        first, last = int(columns["first"][pair]), int(columns["first"][pair] + columns["many"][pair]) - 1
        at = first + int(np.flatnonzero(members[first : last + 1] == edge)[0])
        members[at], members[last] = members[last], -1
        columns["many"][pair] -= 1
        self._stale[pair >> 1] = None

    def _link(self, low: int, high: int, nodes: int) -> int:
        topology = self.topology(nodes)
        link = topology.link_between(low, high)
        if link >= 0:
            return link
        link = self._links.extend(1)
        self._links["low"][link], self._links["high"][link] = low, high
        pair = self._pairs.extend(2)
        self._pairs["source"][pair : pair + 2] = low, high
        self._pairs["target"][pair : pair + 2] = high, low
        try:
            if self._laid_out_for == (nodes, self._links.room):
                topology.attach(link)
        except Full:
            self._topology = None
        return link
