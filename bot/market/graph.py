"""The price graph: assets are nodes, every direction of every venue is an edge.

It knows rates and neighbours, not what a venue is: that is `market.py`'s. Walks are looked for in `packed/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chains.assets import ZERO_ADDRESS, Asset, Assets, Token

VenueId = str
"""A pool's address, or `exchange:symbol` for an order book."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One direction of one venue. `source` and `target` are node numbers; `id` indexes the graph's arrays."""

    id: int
    venue: VenueId
    token_in: Token
    token_out: Token
    source: int
    target: int
    is_book: bool

    @property
    def wraps_native(self) -> bool:
        """Whether it wraps or unwraps the native coin, which any amount may at any time."""
        ends = {self.token_in.address, self.token_out.address}
        return ends == {ZERO_ADDRESS, self.venue}


class Neighbours:
    """Edge numbers by their two ends."""

    def __init__(self) -> None:
        self.out: dict[int, dict[int, list[int]]] = {}

    def add(self, edge: Edge) -> None:
        self.out.setdefault(edge.source, {}).setdefault(edge.target, []).append(edge.id)

    def discard(self, edge: Edge) -> None:
        between = self.out[edge.source][edge.target]
        between.remove(edge.id)
        if not between:
            del self.out[edge.source][edge.target]


class Graph:
    """Nodes, edges and their marginal rates (whole units out per whole unit in, after fees; 0.0: closed).

    A removed edge's number is used again. `updates` counts edge rates written, for whoever wants to know what a
    change cost.
    """

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._nodes: dict[Asset, int] = {}
        self._free: list[int] = []
        self._of_venue: dict[VenueId, tuple[Edge, ...]] = {}
        self.asset_of: list[Asset] = []
        self.edges: list[Edge | None] = []
        self.pools, self.books = Neighbours(), Neighbours()
        self.rates: NDArray[np.float64] = np.zeros(64)
        self.rate: memoryview = self.rates.data
        self.updates = 0
        self._inner: dict[int, tuple[int, ...]] = {}

    def with_own_rates(self) -> Graph:
        """The same nodes and edges with rates of their own; only those may be written."""
        other = copy(self)
        other.rates = self.rates.copy()
        other.rate = other.rates.data
        return other

    def node(self, asset: Asset) -> int:
        """The asset's node number; a new one if it is new."""
        number = self._nodes.setdefault(asset, len(self.asset_of))
        if number == len(self.asset_of):
            self.asset_of.append(asset)
        return number

    def find(self, asset: Asset) -> int | None:
        """The asset's node number, if it is in the graph."""
        return self._nodes.get(asset)

    def open(self, venue: VenueId, directions: Sequence[tuple[Token, Token]], *, is_book: bool) -> tuple[Edge, ...]:
        """The venue's edges, one per (token in, token out), made at rate 0.0 if they are new."""
        known = self._of_venue.get(venue)
        if known is not None and [(edge.token_in, edge.token_out) for edge in known] == list(directions):
            return known
        self.close(venue)
        neighbours = self.books if is_book else self.pools
        made = []
        for token_in, token_out in directions:
            source, target = self.node(self.assets.of(token_in)), self.node(self.assets.of(token_out))
            edge = Edge(self._new_id(), venue, token_in, token_out, source, target, is_book)
            self.edges[edge.id] = edge
            neighbours.add(edge)
            made.append(edge)
        self._inner.clear()
        self._of_venue[venue] = tuple(made)
        return self._of_venue[venue]

    def close(self, venue: VenueId) -> None:
        """Remove the venue's edges."""
        for edge in self._of_venue.pop(venue, ()):
            (self.books if edge.is_book else self.pools).discard(edge)
            self.set_rate(edge, 0.0)
            self.edges[edge.id] = None
            self._free.append(edge.id)
        self._inner.clear()

    def inner(self, node: int) -> tuple[int, ...]:
        """The numbers of the edges from a node to all its neighbours but dead ends; pools' first, in order."""
        known = self._inner.get(node)
        if known is None:
            known = self._inner[node] = tuple(
                number
                for neighbours in (self.pools, self.books)
                for target, numbers in neighbours.out.get(node, {}).items()
                if self.degree(target) > 1
                for number in numbers
            )
        return known

    def degree(self, node: int) -> int:
        """How many neighbours a node has, those by pools and those by books counted apart."""
        return len(self.pools.out.get(node, ())) + len(self.books.out.get(node, ()))

    def edges_of(self, venue: VenueId) -> tuple[Edge, ...]:
        return self._of_venue.get(venue, ())

    def edge(self, number: int) -> Edge:
        """The edge of that number. Raises `LookupError` if it was removed."""
        edge = self.edges[number]
        if edge is None:
            raise LookupError(f"edge {number} was removed from the market")
        return edge

    def set_rate(self, edge: Edge, rate: float) -> None:
        """Write one edge's rate. What is not a positive finite number closes the edge."""
        self.rates[edge.id] = rate if 0.0 < rate < np.inf else 0.0
        self.updates += 1

    def set_rates(self, edges: NDArray[np.int32], rates: NDArray[np.float64]) -> None:
        """As `set_rate`, of many by their numbers."""
        self.rates[edges] = np.where((rates > 0.0) & (rates < np.inf), rates, 0.0)
        self.updates += edges.size

    def _new_id(self) -> int:
        if self._free:
            return self._free.pop()
        self.edges.append(None)
        if len(self.edges) > len(self.rates):
            grown = 2 * len(self.rates)
            self.rates = np.pad(self.rates, (0, grown - len(self.rates)))
            self.rate = self.rates.data
        return len(self.edges) - 1
