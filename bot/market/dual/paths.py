"""Which paths an order should take: cut into slices, each takes the path that pays it most after those before it."""

from __future__ import annotations

import math
from bisect import bisect_right

from bot.market.dual.decompose import Edges
from bot.market.dual.kernels import CAP, CURVATURE, RATE, SUM_IN, SUM_OUT
from bot.market.dual.problem import Problem


class Slices:
    """The float model of a problem's ways while an order goes through them, slice by slice."""

    def __init__(self, problem: Problem, source: int, target: int, most_hops: int) -> None:
        self._source, self._target, self._hops = source, target, most_hops
        self._used = [0.0] * len(problem.ways)
        self._venue = [way.venue for way in problem.ways]
        self._into: list[int] = problem.ends[:, 1].tolist()
        self._leaving: dict[int, list[int]] = {}
        self._starts: list[list[float]] = []
        self._rows: list[list[list[float]]] = []
        for edge, (start, end) in enumerate(problem.ends.tolist()):
            first, last = problem.stretches[edge]
            rows = problem.pieces[first:last].tolist()
            self._rows.append(rows)
            self._starts.append([row[SUM_IN] for row in rows])
            if start != target and end != source:
                self._leaving.setdefault(start, []).append(edge)

    def shares(self, amount: float, count: int) -> dict[Edges, float]:
        """What each path should carry of `amount`; less in all where the ways cannot take it."""
        carried: dict[Edges, float] = {}
        for _ in range(count):
            path = self.best(amount / count)
            if path is None:
                break
            carried[path] = carried.get(path, 0.0) + amount / count
            self._take(path, amount / count)
        return carried

    def best(self, amount: float, *, whole: bool = False) -> Edges | None:
        """The path that gives most for `amount` now; None if none takes it.

        With `whole` it is all that goes along the path, and each hop pays whole base units: of a coarse token that is
        less.
        """
        best: tuple[float, Edges] = (0.0, ())
        layer: dict[int, tuple[float, Edges]] = {self._source: (amount, ())}
        for _ in range(self._hops):
            following: dict[int, tuple[float, Edges]] = {}
            for node, (arrived, path) in layer.items():
                passed = {self._into[edge] for edge in path}
                venues = {self._venue[edge] for edge in path}
                for edge in self._leaving.get(node, ()):
                    end = self._into[edge]
                    if end in passed or self._venue[edge] in venues:
                        continue
                    given = self._given(edge, arrived)
                    if whole:
                        given = math.floor(given)
                    if given > following.get(end, (0.0,))[0]:
                        following[end] = given, (*path, edge)
            best = max(best, following.pop(self._target, (0.0, ())))
            layer = following
        return best[1] or None

    def _given(self, edge: int, amount: float) -> float:
        """What the way gives for `amount` more; nothing where that is more than it takes."""
        used = self._used[edge]
        return self._sum(edge, used + amount) - self._sum(edge, used) if self._fits(edge, used + amount) else 0.0

    def _fits(self, edge: int, total: float) -> bool:
        last = self._rows[edge][-1]
        return total <= (last[SUM_IN] + last[CAP]) * (1.0 - 1e-9)

    def _sum(self, edge: int, total: float) -> float:
        row = self._rows[edge][max(0, bisect_right(self._starts[edge], total) - 1)]
        step = total - row[SUM_IN]
        return row[SUM_OUT] + row[RATE] * step / (1.0 + row[CURVATURE] * step)

    def _take(self, path: Edges, amount: float) -> None:
        for edge in path:
            given = self._given(edge, amount)
            self._used[edge] += amount
            amount = given
