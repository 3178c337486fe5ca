"""Which paths an order should take, and how much along each, when they are traded one after another."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from bot.market.dual.decompose import NEGLIGIBLE, Edges
from bot.market.dual.kernels import CAP, CURVATURE, RATE, SUM_IN, SUM_OUT
from bot.market.dual.problem import Problem

Flows = dict[int, float]
"""What goes into each way, in base units; ways into which nothing goes are left out."""


class Slices:
    """The float model of a problem's ways while an order goes through them, part by part; each question begins anew."""

    def __init__(self, problem: Problem, source: int, target: int, most_hops: int) -> None:
        self._source, self._target, self._hops = source, target, most_hops
        self._venue = [way.venue for way in problem.ways]
        ways = Counter(self._venue)
        self._several = [ways[venue] > 2 for venue in self._venue]
        self._into: list[int] = problem.ends[:, 1].tolist()
        self._leaving: dict[int, list[int]] = {}
        self._starts: list[list[float]] = []
        self._ends: list[list[float]] = []
        self._rows: list[list[list[float]]] = []
        for edge, (start, end) in enumerate(problem.ends.tolist()):
            first, last = problem.stretches[edge]
            rows = problem.pieces[first:last].tolist()
            self._rows.append(rows)
            self._starts.append([row[SUM_IN] for row in rows])
            self._ends.append([row[SUM_OUT] for row in rows])
            if start != target and end != source:
                self._leaving.setdefault(start, []).append(edge)

    def filled(self, amounts: Iterable[float], used: Flows | None = None) -> Flows:
        """What has gone into the ways after `used` and then `amounts`: each takes the path that pays it most by then.

        Less where the ways cannot take them all.
        """
        self._begin(used)
        for amount in amounts:
            path = self._best(amount, self._given, self._leaving)
            if path is None:
                break
            self._take(path, amount)
        return {edge: amount for edge, amount in enumerate(self._used) if amount}

    def best(self, amount: float, *, whole: bool = False) -> Edges | None:
        """The path that gives most for `amount`; None if none takes it.

        With `whole` each hop pays whole base units: of a coarse token that is less than what the model says.
        """
        self._begin()
        return self._best(amount, self._floored if whole else self._given, self._leaving)

    def parted(self, flows: Flows) -> list[tuple[Edges, float]]:
        """Paths that bring the ways to `flows` when they are traded in this order, the widest first, and their inputs.

        Each goes on until one of its ways has had its flow. Of a way that several paths share the first gets the better
        price: what is left of the flows still adds up at every token, as it would not if each paid their mean.
        """
        self._begin()
        left = {edge: min(flow, self._most_in(edge)) for edge, flow in flows.items()}
        leaving = {node: [edge for edge in edges if edge in left] for node, edges in self._leaving.items()}
        parts: list[tuple[Edges, float]] = []

        def given(edge: int, arrived: float) -> float:
            return self._given(edge, min(arrived, left[edge])) if edge in left else 0.0

        while (path := self._best(math.inf, given, leaving)) is not None:
            amount, full = self._until_full(path, left)
            parts.append((path, amount))
            for edge in path:
                paid = self._given(edge, amount)
                self._used[edge] += amount
                left[edge] -= amount
                if edge == full or left[edge] <= NEGLIGIBLE * flows[edge]:
                    del left[edge]
                amount = paid
        return parts

    def _begin(self, used: Flows | None = None) -> None:
        self._used = [0.0] * len(self._rows)
        for edge, amount in (used or {}).items():
            self._used[edge] = amount

    def _best(
        self, amount: float, given: Callable[[int, float], float], leaving: Mapping[int, Iterable[int]]
    ) -> Edges | None:
        """The path that gives most.

        To every token the best way is followed; where that ends at a venue of several tokens, which may be needed
        further on and is passed once, the best by another venue is followed beside it.
        """
        best: tuple[float, Edges] = (0.0, ())
        layer: list[tuple[int, float, Edges]] = [(self._source, amount, ())]
        for _ in range(self._hops):
            ahead: dict[int, tuple[float, Edges]] = {}
            beside: dict[int, tuple[float, Edges]] = {}
            for node, arrived, path in layer:
                passed = {self._into[edge] for edge in path}
                venues = {self._venue[edge] for edge in path}
                for edge in leaving.get(node, ()):
                    end = self._into[edge]
                    if end in passed or self._venue[edge] in venues:
                        continue
                    paid, first = given(edge, arrived), ahead.get(end)
                    if paid > (0.0 if first is None else first[0]):
                        if first is not None and self._venue[first[1][-1]] != self._venue[edge]:
                            beside[end] = first
                        ahead[end] = paid, (*path, edge)
                    elif (
                        first is not None
                        and self._several[first[1][-1]]
                        and self._venue[first[1][-1]] != self._venue[edge]
                        and paid > beside.get(end, (0.0,))[0]
                    ):
                        beside[end] = paid, (*path, edge)
            best = max(best, ahead.pop(self._target, (0.0, ())))
            layer = [(node, *found) for node, found in ahead.items()]
            layer += [
                (node, *beside[node]) for node, (_, path) in ahead.items() if node in beside and self._several[path[-1]]
            ]
        return best[1] or None

    def _until_full(self, path: Edges, left: Mapping[int, float]) -> tuple[float, int]:
        """What can enter the path before one of its ways has had what is `left` for it, and which one."""
        full = path[0]
        most = arrived = left[full]
        for hop, edge in enumerate(path):
            if arrived > left[edge]:
                full, most, arrived = edge, left[edge], left[edge]
                for before in reversed(path[:hop]):
                    most = min(self._asked(before, most), left[before])
            arrived = self._given(edge, arrived)
        return most, full

    def _asked(self, edge: int, amount_out: float) -> float:
        """What the way takes for `amount_out` more; without end where it does not give as much."""
        used = self._used[edge]
        total = self._sum(edge, used) + amount_out
        row = self._rows[edge][max(0, bisect_right(self._ends[edge], total) - 1)]
        rest = total - row[SUM_OUT]
        slope = row[RATE] - row[CURVATURE] * rest
        return row[SUM_IN] + rest / slope - used if slope > 0.0 else math.inf

    def _given(self, edge: int, amount: float) -> float:
        """What the way gives for `amount` more; nothing where that is more than it takes."""
        used = self._used[edge]
        return self._sum(edge, used + amount) - self._sum(edge, used) if self._fits(edge, used + amount) else 0.0

    def _floored(self, edge: int, amount: float) -> float:
        return math.floor(self._given(edge, amount))

    def _fits(self, edge: int, total: float) -> bool:
        return total <= self._most_in(edge)

    def _most_in(self, edge: int) -> float:
        """What the way takes in all, but for a hair: at its very end floats are on either side."""
        last = self._rows[edge][-1]
        return (last[SUM_IN] + last[CAP]) * (1.0 - 1e-9)

    def _sum(self, edge: int, total: float) -> float:
        row = self._rows[edge][max(0, bisect_right(self._starts[edge], total) - 1)]
        step = total - row[SUM_IN]
        return row[SUM_OUT] + row[RATE] * step / (1.0 + row[CURVATURE] * step)

    def _take(self, path: Edges, amount: float) -> None:
        for edge in path:
            given = self._given(edge, amount)
            self._used[edge] += amount
            amount = given
