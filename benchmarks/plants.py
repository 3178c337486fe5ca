"""Six classes of opportunity, planted one at a time into the synthetic universe, and the best that is in each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.universe import BOOK, V2, V3, Universe
from bot.market.kernels import optimal_input
from bot.market.packed.reference import curve_of

MOST_PARALLEL = 16
"""How many of a pair's pools are tried for the best known: as many as any pair has."""

LEAST_OFF, MOST_OFF = 0.003, 0.3
"""How far beyond all fees a planted pool's price is off: from what barely pays to a third."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A pool to be displaced by `noise`, and the closed walk of nodes that then may pay."""

    pool: int
    noise: float
    nodes: tuple[int, ...]


class Planter:
    """Picks plants of a class at random."""

    def __init__(self, made: Universe, rng: np.random.Generator) -> None:
        self._made, self._rng = made, rng
        self._arrays = made.market.arrays()
        pairs, links = self._arrays.pairs, self._arrays.links
        self._pair = {
            (int(pairs.source[pair]), int(pairs.target[pair])): int(pair) for pair in np.flatnonzero(pairs.many)
        }
        self._hubs = set(map(int, links.hub_node))
        self._bridges = np.flatnonzero(self._arrays.bridges.of >= 0)
        self._chains = np.flatnonzero(self._arrays.chains.of >= 0)
        self.classes: dict[str, Callable[[], tuple[int, ...] | None]] = {
            "two hops": self._two_hops,
            "book": self._book,
            "hub triangle": self._hub_triangle,
            "triangle without hub": self._free_triangle,
            "four hops by two hubs": self._square,
            "four hops with a pair of no hubs": self._chain,
        }

    def plants(self, name: str, many: int) -> Iterator[Plant]:
        """Plants of the class, whose displaced pool is neither dust nor a book."""
        while many:
            nodes = self.classes[name]()
            pool = None if nodes is None else self._movable(nodes)
            if nodes is None or pool is None:
                continue
            fees = len(nodes) * 0.004
            many -= 1
            beyond = np.exp(self._rng.uniform(np.log(LEAST_OFF), np.log(MOST_OFF)))
            yield Plant(pool, float(self._rng.choice([-1, 1]) * (fees + beyond)), nodes)

    def best_known(self, plant: Plant) -> float:
        """The greatest gain of the plant's walk, either way round, over its pools."""
        best = 0.0
        for nodes in (plant.nodes, plant.nodes[::-1]):
            choices = []
            for ends in zip(nodes, (*nodes[1:], nodes[0]), strict=True):
                edges = self._edges(self._pair[ends])
                if plant.pool in (own := [self._made.market.pool_of(edge) for edge in edges]):
                    edges = [edges[own.index(plant.pool)]]
                choices.append(edges)
            for walk in itertools.product(*choices):
                if len({self._made.market.pool_of(edge) for edge in walk}) == len(walk):
                    best = max(best, optimal_input([curve_of(edge, self._arrays) for edge in walk])[1])
        return best

    def _edges(self, pair: int) -> list[int]:
        pairs = self._arrays.pairs
        edges = [int(edge) for edge in pairs.edges[pairs.first[pair] : pairs.first[pair] + pairs.many[pair]]]
        return sorted(edges, key=lambda edge: -float(self._arrays.edges.row[edge, 3]))[:MOST_PARALLEL]

    def _movable(self, nodes: tuple[int, ...]) -> int | None:
        """A V2 or V3 pool of the walk's first hop that holds enough to pay for gas."""
        ends = nodes[0], nodes[1]
        pools = [self._made.market.pool_of(edge) for edge in self._edges(self._pair[ends])]
        fit = [pool for pool in pools if self._made.klass[pool] in (V2, V3) and self._made.depth[pool] > 2.0]
        return int(self._rng.choice(fit)) if fit else None

    def _any_hub(self, node: int, but: int = -1) -> int | None:
        to_hub = self._arrays.links.to_hub[node]
        known = [int(hub) for hub in self._arrays.links.hub_node[to_hub >= 0] if hub != but]
        return int(self._rng.choice(known)) if known else None

    def _near(self, node: int) -> list[int]:
        links = self._arrays.links
        first = links.near_first[node]
        return [int(other) for other in links.near[first : first + links.near_count[node], 0]]

    def _two_hops(self) -> tuple[int, ...] | None:
        pool = int(self._rng.choice(self._made.pools, p=self._made.weight))
        ends = int(self._made.nodes[pool, 0]), int(self._made.nodes[pool, 1])
        return ends if self._arrays.pairs.many[self._pair[ends]] > 1 else None

    def _book(self) -> tuple[int, ...] | None:
        book = int(self._rng.choice(np.flatnonzero(self._made.klass == BOOK)))
        return int(self._made.nodes[book, 0]), int(self._made.nodes[book, 1])

    def _hub_triangle(self) -> tuple[int, ...] | None:
        node = int(self._rng.choice(self._bridges))
        one = self._any_hub(node)
        other = None if one is None else self._any_hub(node, one)
        return (one, node, other) if one is not None and other is not None and (other, one) in self._pair else None

    def _free_triangle(self) -> tuple[int, ...] | None:
        one = int(self._rng.integers(5, min(len(self._made.true_value), 400)))
        near = self._near(one)
        if len(near) < 2:
            return None
        both = [(x, y) for x, y in itertools.combinations(near, 2) if (x, y) in self._pair]
        if not both:
            return None
        x, y = both[int(self._rng.integers(len(both)))]
        return one, x, y

    def _square(self) -> tuple[int, ...] | None:
        x, y = (int(node) for node in self._rng.choice(self._bridges, 2, replace=False))
        one = self._any_hub(x)
        other = None if one is None else self._any_hub(x, one)
        known = one is not None and other is not None and {(one, y), (other, y)} <= self._pair.keys()
        return (one, x, other, y) if known and one is not None and other is not None else None

    def _chain(self) -> tuple[int, ...] | None:
        link = int(self._rng.choice(self._chains))
        x, y = int(self._arrays.pairs.source[2 * link]), int(self._arrays.pairs.target[2 * link])
        one, other = self._any_hub(x), self._any_hub(y)
        known = one != other and one is not None and other is not None and (other, one) in self._pair
        return (x, y, other, one) if known and one is not None and other is not None else None
