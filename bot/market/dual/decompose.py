"""The optimum's flows taken apart into walks that can be traded one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.market.dual.kernels import CAP, CURVATURE, RATE
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


def _outlets(solution: Solution) -> dict[int, int]:
    """For each node the way that pays most of the numeraire for the first bit of it."""
    problem = solution.problem
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
        self.ends, self.prices = solution.problem.ends.tolist(), solution.prices
        self.whole: dict[int, float] = {}
        self.ratio: dict[int, float] = {}
        for edge in solution.amounts[:, 0].nonzero()[0].tolist():
            source, target = self.ends[edge]
            amount_in, amount_out = (float(amount) for amount in solution.amounts[edge])
            self.whole[edge] = amount_in * float(self.prices[source])
            self.ratio[edge] = amount_out * float(self.prices[target]) / self.whole[edge]
        self._pieces, self._stretches = solution.problem.pieces, solution.problem.stretches
        self.left = dict(self.whole)
        self._outlet = _outlets(solution)

    def widest_cycle(self, most_hops: int) -> Edges | None:
        """The walk from the numeraire back to it that carries most, preferring short ones; None if there is none."""
        leaving: dict[int, list[int]] = {}
        for edge in self.left:
            leaving.setdefault(self.ends[edge][0], []).append(edge)
        best: tuple[float, Edges] | None = None
        layer: dict[int, tuple[float, Edges]] = {0: (math.inf, ())}
        for _ in range(most_hops):
            following: dict[int, tuple[float, Edges]] = {}
            for node, (width, path) in layer.items():
                passed = {self.ends[edge][0] for edge in path}
                for edge in leaving.get(node, ()):
                    target = self.ends[edge][1]
                    through = min(width, self.left[edge])
                    if target in passed - {0} or through <= following.get(target, (0.0,))[0]:
                        continue
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
        entering: dict[int, list[int]] = {}
        for edge in self.left:
            entering.setdefault(self.ends[edge][1], []).append(edge)
        while entering.get(0):
            walk = [max(entering[0], key=self.left.__getitem__)]
            place = {0: 0, self.ends[walk[0]][0]: 1}
            while sources := entering.get(self.ends[walk[-1]][0]):
                walk.append(max(sources, key=self.left.__getitem__))
                node = self.ends[walk[-1]][0]
                if node in place:
                    at = place[node]
                    return tuple(walk[at:][::-1]), tuple(walk[:at][::-1])
                place[node] = len(walk)
            lost = walk[-1]
            del self.left[lost]
            entering[self.ends[lost][1]].remove(lost)
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
        return Share(cycle, sale, worth_in / float(self.prices[self.ends[cycle[0]][0]]), worth)

    def _paid(self, outlet: int, worth: float) -> float:
        """What the sale of that much worth of its token brings, through the outlet's first piece."""
        rate, curvature, cap = self._pieces[self._stretches[outlet, 0], [RATE, CURVATURE, CAP]]
        amount = worth / float(self.prices[self.ends[outlet][0]])
        return float(rate * amount / (1.0 + curvature * amount)) if amount < cap else 0.0

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
