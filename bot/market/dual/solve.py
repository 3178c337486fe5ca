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
    made = using or kernels()
    prices = opening_prices(problem) if start is None else start.copy()
    arrays = problem.ends, problem.stretches, problem.pieces
    amounts = np.zeros((len(problem.ways), 2))
    if not problem.ways:
        return Solution(problem, prices, amounts, 0.0, 0.0, 0)
    value, residual, steps = made.newton(prices, *arrays, TOLERANCE, LEAST_OFF, MOST_STEPS)
    made.flows(prices, *arrays, amounts)
    return Solution(problem, prices, amounts, float(value), float(residual), int(steps))
