"""The optimum's flows taken apart into walks that can be traded one after another."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.market.dual.kernels import CAP, CURVATURE, RATE
from bot.market.dual.problem import Problem
from bot.market.dual.solve import Solution

Edges = tuple[int, ...]

NEGLIGIBLE = 1e-9
"""What is left of a way's flow, relative to all of it, counts as nothing."""

NEARLY = 0.98
"""A gain is rather sold at a hub, if that brings this part of what selling it where it arises brings."""

LONGEST = 16
"""Walks through the numeraire are sought up to this many hops; longer ones are met as what is left."""

SHORTER = 1.5
"""A longer walk is preferred only if it carries this many times as much."""


@dataclass(frozen=True, slots=True)
class Share:
    """One walk of the optimum: a closed one, and where that does not close in the numeraire, the sale of its gain.

    `amount_in` is base units of the first token; `worth` is what the walk gains in the numeraire, by the model.
    """

    cycle: Edges
    sale: Edges
    amount_in: float
    worth: float

    @property
    def edges(self) -> Edges:
        return self.cycle + self.sale


def shares(solution: Solution, most_hops: int) -> list[Share]:
    """The flows as walks, most valuable first; their worth adds up to the optimum.

    Prices make all amounts comparable: a way takes in `left` and gives `ratio` ≥ 1 times as much. Walks through the
    numeraire are taken first, the widest of at most `most_hops` hops before longer ones. What is left circulates
    elsewhere: such a cycle is begun at its greatest hub, so that gains come in few tokens, and its gain is sold.
    """
    flows = _Flows(solution)
    found: list[Share] = []
    for hops in (min(most_hops, LONGEST), LONGEST):
        while (cycle := flows.widest_cycle(hops)) is not None:
            found.append(flows.take_cycle(cycle))
    while (walk := flows.feeding_cycle()) is not None:
        found.append(flows.take_fed(*walk))
    return sorted(found, key=lambda share: share.worth, reverse=True)


def _outlets(problem: Problem) -> dict[int, int]:
    """For each node the way that pays most of the numeraire for the first bit of it."""
    best: dict[int, tuple[float, int]] = {}
    for edge, (source, target) in enumerate(problem.ends.tolist()):
        if target == 0:
            rate = problem.pieces[problem.stretches[edge, 0], RATE]
            if rate > best.get(source, (0.0,))[0]:
                best[source] = rate, edge
    return {node: edge for node, (_, edge) in best.items()}


class _Flows:
    """What is still to be taken apart."""

    def __init__(self, solution: Solution) -> None:
        self.ends, self.prices = solution.problem.ends.tolist(), solution.prices.tolist()
        self.whole: dict[int, float] = {}
        self.ratio: dict[int, float] = {}
        for edge, (amount_in, amount_out) in enumerate(solution.amounts.tolist()):
            if amount_in:
                source, target = self.ends[edge]
                self.whole[edge] = amount_in * self.prices[source]
                self.ratio[edge] = amount_out * self.prices[target] / self.whole[edge]
        self._problem = solution.problem
        self.left = dict(self.whole)
        self._between: dict[tuple[int, int], list[tuple[float, int]]] = {}
        self._after: dict[int, dict[int, None]] = {}
        self._before: dict[int, dict[int, None]] = {}
        for edge, left in self.left.items():
            source, target = self.ends[edge]
            self._between.setdefault((source, target), []).append((-left, edge))
            self._after.setdefault(source, {})[target] = None
            self._before.setdefault(target, {})[source] = None
        for ways in self._between.values():
            heapq.heapify(ways)

    @cached_property
    def _outlet(self) -> dict[int, int]:
        return _outlets(self._problem)

    def widest_cycle(self, most_hops: int) -> Edges | None:
        """The walk from the numeraire back to it that carries most, preferring short ones; None if there is none."""
        best: tuple[float, Edges] | None = None
        layer: dict[int, tuple[float, Edges]] = {0: (math.inf, ())}
        for _ in range(most_hops):
            following: dict[int, tuple[float, Edges]] = {}
            for node, (width, path) in layer.items():
                passed = {self.ends[edge][0] for edge in path} - {0}
                for target, edge in self._leaving(node):
                    through = min(width, self.left[edge])
                    if target not in passed and through > following.get(target, (0.0,))[0]:
                        following[target] = through, (*path, edge)
            closed = following.pop(0, None)
            if closed is not None and (best is None or closed[0] > SHORTER * best[0]):
                best = closed
            layer = following
            if not layer:
                break
        return None if best is None else best[1]

    def take_cycle(self, cycle: Edges) -> Share:
        """As much of `cycle` as its ways have left."""
        worth_in = self._most(cycle)
        factor = self._take(cycle, worth_in)
        return Share(cycle, (), worth_in, worth_in * (factor - 1.0))

    def feeding_cycle(self) -> tuple[Edges, Edges] | None:
        """A cycle away from the numeraire and the path that takes its gain there; None if nothing feeds it any more."""
        while (last := self._feeding(0)) is not None:
            walk, place = [last], {0: 0, self.ends[last][0]: 1}
            while (edge := self._feeding(self.ends[walk[-1]][0])) is not None:
                walk.append(edge)
                node = self.ends[edge][0]
                if node in place:
                    at = place[node]
                    return tuple(walk[at:][::-1]), tuple(walk[:at][::-1])
                place[node] = len(walk)
            del self.left[walk[-1]]
        return None

    def take_fed(self, cycle: Edges, sale: Edges) -> Share:
        """As much of the cycle, and of the sale of its gain, as their ways have left; begun at its greatest hub."""
        excess = math.prod(self.ratio[edge] for edge in cycle) - 1.0
        worth_in = self._most(cycle)
        if excess > 0.0:
            worth_in = min(worth_in, self._most(sale) / excess)
        gained = worth_in * (self._take(cycle, worth_in) - 1.0)
        worth = gained * self._take(sale, gained)
        hub = max(range(len(cycle)), key=lambda at: self.ends[cycle[at]][0])
        node = self.ends[cycle[hub]][0]
        direct = self._outlet.get(node)
        if hub and direct is not None and self._paid(direct, gained) >= NEARLY * worth:
            worth_in *= math.prod(self.ratio[edge] for edge in cycle[:hub])
            cycle, sale = cycle[hub:] + cycle[:hub], (direct,)
        return Share(cycle, sale, worth_in / self.prices[self.ends[cycle[0]][0]], worth)

    def _paid(self, outlet: int, worth: float) -> float:
        """What the sale of that much worth of its token brings, through the outlet's first piece."""
        rate, curvature, cap = self._problem.pieces[self._problem.stretches[outlet, 0], [RATE, CURVATURE, CAP]]
        amount = worth / self.prices[self.ends[outlet][0]]
        return float(rate * amount / (1.0 + curvature * amount)) if amount < cap else 0.0

    def _leaving(self, node: int) -> list[tuple[int, int]]:
        """Where one can go from `node`, each with the way there that has most left."""
        found = ((target, self._widest(node, target)) for target in list(self._after.get(node, ())))
        return [(target, edge) for target, edge in found if edge is not None]

    def _feeding(self, node: int) -> int | None:
        """The way into `node` that has most left."""
        found = [self._widest(source, node) for source in list(self._before.get(node, ()))]
        return max((edge for edge in found if edge is not None), key=self.left.__getitem__, default=None)

    def _widest(self, source: int, target: int) -> int | None:
        """Of the ways between two nodes the one that has most left; None if none has any."""
        ways = self._between[source, target]
        while ways:
            noted, edge = ways[0]
            left = self.left.get(edge)
            if left == -noted:
                return edge
            if left is None:
                heapq.heappop(ways)
            else:
                heapq.heapreplace(ways, (-left, edge))
        self._after[source].pop(target, None)
        self._before[target].pop(source, None)
        return None

    def _most(self, path: Sequence[int]) -> float:
        """What can enter `path` before one of its ways has nothing left."""
        most, factor = math.inf, 1.0
        for edge in path:
            most = min(most, self.left[edge] / factor)
            factor *= self.ratio[edge]
        return most

    def _take(self, path: Sequence[int], worth_in: float) -> float:
        """Take `worth_in` along `path`; what it has become, as a factor. A way that is used up goes."""
        factor = 1.0
        for edge in path:
            self.left[edge] -= worth_in * factor
            factor *= self.ratio[edge]
            if self.left[edge] <= NEGLIGIBLE * self.whole[edge]:
                del self.left[edge]
        return factor
