"""What one strategy may risk. All limits are wei of ETH at the run's opening marks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one strategy. Zero allows no risk at all; raises `ValueError` for a negative limit.

    - `capital_wei`: inventory in flight at once, summed over plans whose other side is not done yet.
    - `per_trade_wei`: one plan's worst case: the most it may lose (gas at its maximum fee included) plus the
      inventory it puts at risk. An atomic cycle borrows its input and risks gas only; its size is not limited here.
    - `hour_loss_wei`, `day_loss_wei`: the losses of losing trades in any sliding hour or day, with the worst case of
      everything in flight. Profits do not buy new risk: what was earned does not offset what was lost.
    - `gas_day_wei`: gas paid in any sliding day, by winners and losers, with the most that is in flight.
    - `drawdown_wei`: how far the strategy's total may fall below its high-water mark; there it halts until resumed.
    """

    capital_wei: int
    per_trade_wei: int
    hour_loss_wei: int
    day_loss_wei: int
    gas_day_wei: int
    drawdown_wei: int

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value < 0:
                raise ValueError(f"{limit.name} is {value}; a limit cannot be negative, and 0 allows no risk")


def summed(budgets: Iterable[Budget]) -> Budget:
    """What `budgets` come to together, limit by limit."""
    each = tuple(budgets)
    return Budget(**{limit.name: sum(getattr(budget, limit.name) for budget in each) for limit in fields(Budget)})
