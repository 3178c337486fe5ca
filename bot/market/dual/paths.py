"""Which paths an order should take, and how much along each, when they are traded one after another."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from bot.market.dual.decompose import NEGLIGIBLE, Edges
from bot.market.dual.kernels import CAP, CURVATURE, RATE, SUM_IN, SUM_OUT
from bot.market.dual.problem import Problem, falling, summed
from bot.market.dual.venues import Venue
from chains.pools.pool import NOT_UNDERSTOOD, Piece

Flows = dict[int, float]
"""What goes into each way, in base units; ways into which nothing goes are left out."""

RESTS = 8
"""In how many slices the rest of an order is taken apart."""

SMALLEST = 1e-3
"""A slice that no path takes is cut in halves down to this part of it."""

WORTHWHILE = 1.01
"""A curve goes on behind what one swap takes if it is so many times as long then."""


class Slices:
    """The float model of a problem's ways while an order goes through them, part by part; each question begins anew."""

    def __init__(self, problem: Problem, source: int, target: int, most_hops: int) -> None:
        self._problem, self._source, self._target, self._hops = problem, source, target, most_hops
        self._venue = [way.venue for way in problem.ways]
        ways = Counter(self._venue)
        self._several = [ways[venue] > 2 for venue in self._venue]
        self._into: list[int] = problem.ends[:, 1].tolist()
        self._behind: dict[int, tuple[float, Venue]] = {}
        self._ended: set[int] = set()
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

        Of what no path takes at once, as many halves as some do.
        """
        self._begin(used)
        waiting = list(amounts)[::-1]
        least = min(waiting) * SMALLEST
        for _ in range(2 * len(waiting)):
            if not waiting:
                break
            amount = waiting.pop()
            path = self._best(amount, self._given, self._leaving)
            if path is not None:
                self._take(path, amount)
                for edge in path:
                    self._lengthen(edge, self._used[edge])
            elif amount > least:
                waiting += (amount / 2.0, amount / 2.0)
        return {edge: amount for edge, amount in enumerate(self._used) if amount}

    def lengthened(self, flows: Flows) -> bool:
        """Whether curves are known further than before, of ways that `flows` fill by half or more."""
        return sum(self._lengthen(edge, flow) for edge, flow in flows.items()) > 0

    def rows(self, edge: int) -> list[list[float]]:
        """The way's rows of `pieces`, as far as they are known by now."""
        return self._rows[edge]

    def best(self, amount: float, *, whole: bool = False) -> Edges | None:
        """The path that gives most for `amount`; None if none takes it.

        With `whole` each hop pays whole base units: of a coarse token that is less than what the model says.
        """
        self._begin()
        return self._best(amount, self._floored if whole else self._given, self._leaving)

    def parted(self, flows: Flows, amount: float) -> list[tuple[Edges, float]]:
        """Paths that bring the ways to `flows` when they are traded in this order, the widest first.

        Each goes on until one of its ways has had its flow. Of a way that several paths share the first gets the better
        price: what is left of the flows still adds up at every token, as it would not if each paid their mean. What
        such paths leave of `amount`, where flows go in circles or farther than is allowed, takes the best of the ways.
        """
        self._begin()
        left = {edge: min(flow, self._most_in(edge)) for edge, flow in flows.items()}
        leaving = {node: [edge for edge in edges if edge in left] for node, edges in self._leaving.items()}
        parts: dict[Edges, float] = {}

        def given(edge: int, arrived: float) -> float:
            return self._given(edge, min(arrived, left[edge])) if edge in left else 0.0

        while (path := self._best(math.inf, given, leaving)) is not None:
            into, full = self._until_full(path, left)
            for edge, paid in self._take(path, into):
                left[edge] -= paid
                if edge == full or left[edge] <= NEGLIGIBLE * flows[edge]:
                    del left[edge]
            parts[path] = into
        rest = amount - sum(parts.values())
        leaving = {node: [edge for edge in edges if edge in flows] for node, edges in self._leaving.items()}
        for _ in range(RESTS if rest > NEGLIGIBLE * amount else 0):
            if (path := self._best(rest / RESTS, self._given, leaving)) is None:
                break
            self._take(path, rest / RESTS)
            parts[path] = parts.get(path, 0.0) + rest / RESTS
        return list(parts.items())

    def _lengthen(self, edge: int, used: float) -> bool:
        """Follow the way's curve behind what one swap can take, as soon as half of what is known of it is used.

        A pool that takes no more in one swap may take it in another. False where it is known no further than before.
        """
        if edge in self._ended or 2.0 * used < self._most_in(edge):
            return False
        way, rows = self._problem.ways[edge], self._rows[edge]
        before, venue = self._behind.get(edge, (0.0, self._problem.venues[way.venue]))
        known = rows[-1][SUM_IN] + rows[-1][CAP]
        curve = [Piece(row[RATE], row[CURVATURE], row[CAP]) for row in rows]
        try:
            venue = venue.swapped(way.token_in, int((known - before) * (1.0 - 1e-6)), way.token_out)
            beyond = venue.pieces(way.token_in, way.token_out)
            longer = [list(row) for row in summed(falling((*curve, *beyond), way.token_in))]
        except NOT_UNDERSTOOD:
            longer = rows
        if longer[-1][SUM_IN] + longer[-1][CAP] < WORTHWHILE * known:
            self._ended.add(edge)
            return False
        self._behind[edge] = known, venue
        self._rows[edge] = longer
        self._starts[edge] = [row[SUM_IN] for row in longer]
        self._ends[edge] = [row[SUM_OUT] for row in longer]
        return True

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

    def _take(self, path: Edges, amount: float) -> list[tuple[int, float]]:
        """What goes into each way of the path, which they keep from then on."""
        taken = []
        for edge in path:
            given = self._given(edge, amount)
            self._used[edge] += amount
            taken.append((edge, amount))
            amount = given
        return taken
