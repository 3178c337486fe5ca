"""The optimum of a big market after a few venues changed: only the ways that can matter are solved for.

At rest the market has prices at which little is worth trading. A change pulls some prices; what that makes worth
trading joins the active set, until nothing outside is worth more than a threshold. What stays outside is counted in
the bound all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bot.market.dual.compiled import kernels
from bot.market.dual.kernels import CAP, CURVATURE, RATE, SUM_IN, SUM_OUT, Floats, Ints
from bot.market.dual.problem import Problem
from bot.market.dual.solve import MOST_STEPS, Solution
from chains.pools.pool import Piece

MOST_ROUNDS = 6
MOST_FOUND = 4_096
"""How many ways join the active set in one round at most."""

PRECISION = 1e-7
"""What may stay unbalanced of a round's flows, relative to their value; and to the threshold."""

DEEPEST = 12
"""How many of a token's deepest ways are active from the start, so that its price has something to hold on to."""


@dataclass(frozen=True, slots=True)
class Local:
    """The optimum over the active set. `edges` are the whole problem's numbers of `solution.problem.ways`.

    `outside` is what the ways outside the set are worth at the final prices, all together.
    """

    solution: Solution
    edges: Sequence[int]
    outside: float
    rounds: int

    @property
    def bound(self) -> float:
        """The dual value over all ways, in base units of the numeraire; `certificate.bound` is the exact form."""
        return self.solution.value + self.outside


class Resting:
    """A market at rest, which a few changed ways then pull. Arrays are its own; one writer."""

    def __init__(self, problem: Problem, prices: Floats) -> None:
        self.problem = replace(problem, pieces=problem.pieces.copy(), stretches=problem.stretches.copy())
        self.prices = prices.copy()
        ends, pieces = self.problem.ends, self.problem.pieces
        self._room = self.problem.stretches[:, 1] - self.problem.stretches[:, 0]
        heads = pieces[self.problem.stretches[:, 0]]
        self._slack = np.log(self.prices[ends[:, 0]] / self.prices[ends[:, 1]] / heads[:, RATE])
        self._resting = np.zeros(len(ends))
        kernels().gains(self.prices, ends, self.problem.stretches, pieces, np.arange(len(ends)), self._resting)
        self._resting_worth = float(self._resting.sum())
        self._first, self._ordered = _by_node(ends, self._slack, len(self.prices))
        depth = np.minimum(1.0 / heads[:, CURVATURE], heads[:, CAP]) * self.prices[ends[:, 0]]
        self._deepest_first, self._deepest = _by_node(ends, -depth, len(self.prices))
        self._inside = np.zeros(len(ends), dtype=np.int64)
        self._moves = np.zeros(len(self.prices))
        self._local = np.zeros(len(self.prices), dtype=np.int64)
        self._found = np.zeros(MOST_FOUND, dtype=np.int64)

    def change(self, edge: int, curve: Sequence[Piece]) -> None:
        """The way's new price curve, of as many pieces as it had at rest, or fewer. Raises `ValueError` for more."""
        first, room = int(self.problem.stretches[edge, 0]), int(self._room[edge])
        if not 0 < len(curve) <= room:
            raise ValueError(f"way {edge} has room for {room} pieces, not {len(curve)}; build the market again")
        before_in = before_out = 0.0
        for row, (rate, curvature, cap) in enumerate(curve, first):
            self.problem.pieces[row, [RATE, CURVATURE, CAP, SUM_IN, SUM_OUT]] = (
                rate,
                curvature,
                cap,
                before_in,
                before_out,
            )
            before_in += cap
            before_out += rate * cap / (1.0 + curvature * cap)
        self.problem.stretches[edge, 1] = first + len(curve)

    def optimum(self, changed: Sequence[int], least: float, anchors: Sequence[int] = ()) -> Local:
        """The best use of the ways `changed` and all others. Ways worth less than `least` stay outside the set.

        `changed` must have every way whose curve is not the resting one; `anchors` are ways that hold hubs' prices.
        """
        made, arrays = kernels(), self.problem
        edges = np.unique(np.fromiter((*changed, *self._around(changed), *anchors), dtype=np.int64))
        self._inside[edges] = 1
        nodes = self._nodes_of(edges)
        rounds = 0
        while True:
            rounds += 1
            prices = self.prices[nodes] * np.exp(self._moves[nodes])
            self._local[nodes] = np.arange(len(nodes))
            ends, stretches = self._local[arrays.ends[edges]], arrays.stretches[edges]
            solved = made.newton(prices, ends, stretches, arrays.pieces, PRECISION, PRECISION * least, MOST_STEPS, 0.0)
            self._moves[nodes] = np.log(prices / self.prices[nodes])
            threshold = least if rounds < MOST_ROUNDS else math.inf
            count, gained = self._widened(nodes, threshold)
            if not count:
                break
            edges = np.concatenate([edges, self._found[:count]])
            nodes = self._nodes_of(edges)
        outside = self._resting_worth - float(self._resting[edges].sum()) + gained
        solution = self._solution(edges, nodes, (ends, stretches, prices), solved)
        self._inside[edges] = 0
        self._moves[nodes] = 0.0
        return Local(solution, tuple(edges.tolist()), outside, rounds)

    def _around(self, changed: Sequence[int]) -> Iterator[int]:
        """The deepest ways of the tokens of `changed`."""
        for node in set(self.problem.ends[list(changed)].ravel().tolist()):
            first, last = self._deepest_first[node], self._deepest_first[node + 1]
            yield from self._deepest[first : min(last, first + DEEPEST)].tolist()

    def _nodes_of(self, edges: Ints) -> Ints:
        """The nodes of `edges`, the numeraire first and hubs last, as elimination likes them."""
        return np.unique(np.append(self.problem.ends[edges].ravel(), 0))

    def _widened(self, nodes: Ints, least: float) -> tuple[int, float]:
        arrays = self.problem
        order = self._first, self._ordered, self._slack
        curves = arrays.ends, arrays.stretches, arrays.pieces
        return kernels().widen(
            nodes, self._moves, self.prices, *order, *curves, self._resting, self._inside, least, self._found
        )

    def _solution(
        self, edges: Ints, nodes: Ints, arrays: tuple[Ints, Ints, Floats], solved: tuple[float, float, int]
    ) -> Solution:
        """The active set as a problem of its own, with its answer."""
        whole, (ends, stretches, prices) = self.problem, arrays
        amounts = np.zeros((len(edges), 2))
        kernels().flows(prices, ends, stretches, whole.pieces, amounts)
        problem = replace(
            whole,
            tokens=tuple(whole.tokens[node] for node in nodes),
            ways=tuple(whole.ways[edge] for edge in edges),
            ends=ends,
            stretches=stretches,
        )
        value, residual, steps = solved
        return Solution(problem, prices, amounts, float(value), float(residual), int(steps))


def _by_node(ends: Ints, key: Floats, nodes: int) -> tuple[Ints, Ints]:
    """Every node's ways, in and out, by rising `key`: where each node's begin, and their numbers."""
    both = np.concatenate([ends[:, 0], ends[:, 1]])
    edges = np.concatenate([np.arange(len(ends))] * 2)
    order = np.lexsort((key[edges], both))
    first = np.searchsorted(both[order], np.arange(nodes + 1))
    return first.astype(np.int64), edges[order]
