"""The dual solved: token prices at which every venue's own best trade leaves nothing over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bot.market.dual.compiled import Kernels, kernels
from bot.market.dual.kernels import Floats
from bot.market.dual.problem import Problem, opening_prices

TOLERANCE = 1e-9
"""The worth of what does not balance, relative to the optimum, at which the prices are good enough."""

LEAST_OFF = 1.0
"""The same in base units of the numeraire: less cannot be settled anyway."""

CLOSED = 1e-4
"""What may stay unbalanced where flows must close, as a part of all of every token's."""

MOST_STEPS = 400


@dataclass(frozen=True, slots=True)
class Solution:
    """Prices of `problem.tokens` in base units of the numeraire, and what each way does at them.

    `amounts` are base units in and out per way; `value` is the dual value; `residual` the worth of what the flows
    leave unbalanced; `steps` counts Newton steps.
    """

    problem: Problem
    prices: Floats
    amounts: Floats
    value: float
    residual: float
    steps: int


def solve(problem: Problem, start: Floats | None = None, using: Kernels | None = None) -> Solution:
    """The optimum, from the prices `start` or a first guess of its own."""
    return _solved(problem, start, using, TOLERANCE, 0.0)


def closed(solution: Solution, using: Kernels | None = None) -> Solution:
    """The same optimum, solved on until the flows close at every token, however little it is worth.

    A token that drains a pool is worth next to nothing in the end, and yet all of the gain may hang on it.
    """
    return _solved(solution.problem, solution.prices, using, CLOSED, 1.0)


def _solved(problem: Problem, start: Floats | None, using: Kernels | None, tolerance: float, hung: float) -> Solution:
    made = using or kernels()
    prices = opening_prices(problem) if start is None else start.copy()
    arrays = problem.ends, problem.stretches, problem.pieces
    amounts = np.zeros((len(problem.ways), 2))
    if not problem.ways:
        return Solution(problem, prices, amounts, 0.0, 0.0, 0)
    value, residual, steps = made.newton(prices, *arrays, tolerance, LEAST_OFF, MOST_STEPS, hung)
    made.flows(prices, *arrays, amounts)
    return Solution(problem, prices, amounts, float(value), float(residual), int(steps))


def ready() -> None:
    """Solve the least problem there is, so that the kernels are loaded before the first one that waits for them."""
    ends, stretches = np.array([[0, 1], [1, 0]]), np.array([[0, 1], [1, 2]])
    pieces = np.array([[1.0, 1e-3, 1e9, 0.0, 0.0], [1.1, 1e-3, 1e9, 0.0, 0.0]])
    made, prices = kernels(), np.ones(2)
    made.newton(prices, ends, stretches, pieces, TOLERANCE, LEAST_OFF, MOST_STEPS, 0.0)
    made.flows(prices, ends, stretches, pieces, np.zeros((2, 2)))
