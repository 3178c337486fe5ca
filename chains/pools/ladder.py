"""Whole steps of a concentrated-liquidity swap, summed up once, so that a swap through many ticks need not repeat them.

What a step from one tick to the next takes and gives does not depend on the swap: only the first step, which starts
between ticks, and the last, which ends between them, do. A step is whole if what remains covers its cost; the
contracts ask the same, as ⌊r·(1 - f)⌋ ≥ a exactly if r ≥ a + ⌈a·f / (1 - f)⌉.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

from chains.pools.pool import PPM, BeyondKnownLiquidity
from chains.pools.swap_math import Step
from chains.pools.tick_math import MAX_TICK, MIN_TICK, Ticks, sqrt_price_at

StepMath = Callable[[int, int, int, int, int], Step]
"""One step: from price, target, liquidity, what remains and the fee in parts per million."""

_EVERYTHING = 2**512
"""More than any step can take."""


class Way(NamedTuple):
    """How a swap walks: which step, at what fee, in which direction; `exact_in` says what `remaining` counts."""

    step: StepMath
    fee_ppm: int
    exact_in: bool
    zero_for_one: bool


class Rung(NamedTuple):
    """Where whole steps lead: the pool's tick and liquidity there, and what was spent and got on the way."""

    tick: int
    liquidity: int
    amount_in: int
    amount_out: int


class Ladder:
    """Sums of whole steps from one tick on, as far as a swap has needed them."""

    __slots__ = ("_complete", "_find", "_net", "_places", "_rungs", "_skip", "_spent", "_way")

    def __init__(self, ticks: Ticks, way: Way, tick: int, liquidity: int) -> None:
        self._way, self._net = way, ticks.net
        self._find, self._skip = (
            (ticks.next_below, ticks.skip_below) if way.zero_for_one else (ticks.next_above, ticks.skip_above)
        )
        self._rungs = [Rung(tick, liquidity, 0, 0)]
        self._spent = [0]
        self._places = {tick: 0}
        self._complete = False

    def place(self, tick: int, liquidity: int) -> int | None:
        """Which rung that is; None if it is none of these."""
        place = self._places.get(tick)
        return place if place is not None and self._rungs[place].liquidity == liquidity else None

    def leap(self, place: int, remaining: int) -> Rung:
        """From a rung over all whole steps that `remaining` covers; what was spent and got since that rung."""
        target = self._spent[place] + remaining
        while self._spent[-1] < target and not self._complete:
            self._grow()
        end = bisect_left(self._spent, target, place)
        if end == len(self._spent) or self._spent[end] > target:
            end -= 1
        start, reached = self._rungs[place], self._rungs[end]
        return Rung(
            reached.tick,
            reached.liquidity,
            reached.amount_in - start.amount_in,
            reached.amount_out - start.amount_out,
        )

    def _grow(self) -> None:
        """One more whole step; none where the known or the possible prices end."""
        step, fee_ppm, exact_in, down = self._way
        tick, liquidity, amount_in, amount_out = self._rungs[-1]
        try:
            next_tick, initialised = self._find(tick) if liquidity else self._skip(tick)
        except BeyondKnownLiquidity:
            self._complete = True
            return
        if not MIN_TICK < next_tick < MAX_TICK:
            self._complete = True
            return
        price = sqrt_price_at(tick + 1 if down else tick)
        taken = step(price, sqrt_price_at(next_tick), liquidity, _EVERYTHING, fee_ppm)
        if initialised:
            liquidity += -self._net[next_tick] if down else self._net[next_tick]
        amount_in, amount_out = amount_in + taken.amount_in + taken.fee, amount_out + taken.amount_out
        self._places[next_tick - down] = len(self._rungs)
        self._rungs.append(Rung(next_tick - down, liquidity, amount_in, amount_out))
        self._spent.append(amount_in if exact_in else amount_out)


def leapt(ticks: Ticks, way: Way, tick: int, liquidity: int, remaining: int) -> Rung | None:
    """From a pool that stands exactly at a tick over all whole steps; None where steps cannot be whole."""
    if way.fee_ppm >= PPM:
        return None
    ladder = ticks.ladders.get(way)
    place = ladder.place(tick, liquidity) if isinstance(ladder, Ladder) else None
    if place is None:
        ladder, place = Ladder(ticks, way, tick, liquidity), 0
        ticks.ladders[way] = ladder
    assert isinstance(ladder, Ladder)
    return ladder.leap(place, remaining)
