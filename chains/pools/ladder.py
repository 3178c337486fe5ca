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
from chains.pools.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, Ticks, sqrt_price_at

StepMath = Callable[[int, int, int, int, int], Step]
"""One step: from price, target, liquidity, what remains and the fee in parts per million."""

_EVERYTHING = 2**512
"""More than any step can take."""


class Slot(NamedTuple):
    """Where a pool stands: its square-root price in Q96, its tick, and the liquidity active there."""

    sqrt_price_x96: int
    tick: int
    liquidity: int

    @property
    def consistent(self) -> bool:
        """Whether the tick is the price's, or the one below a price that stopped exactly at a tick."""
        if not MIN_SQRT_PRICE <= self.sqrt_price_x96 <= MAX_SQRT_PRICE or not MIN_TICK - 1 <= self.tick <= MAX_TICK:
            return False
        above = sqrt_price_at(min(self.tick + 1, MAX_TICK))
        return sqrt_price_at(max(self.tick, MIN_TICK)) <= self.sqrt_price_x96 <= above


class Way(NamedTuple):
    """How a swap walks: which step, at what fee, in which direction; `exact_in` says what is specified."""

    step: StepMath
    fee_ppm: int
    exact_in: bool
    zero_for_one: bool

    def price_at(self, tick: int) -> int:
        """The price at which a pool stands that came this way to a tick, and whose tick is then this."""
        return sqrt_price_at(tick + 1 if self.zero_for_one else tick)


class Rung(NamedTuple):
    """Where whole steps lead: the pool's tick and liquidity there, and what went in and out on the way."""

    tick: int
    liquidity: int
    amount_in: int
    amount_out: int


class Ladder:
    """Sums of whole steps from one tick on, as far as a swap has needed them. `spent` is what counts as remaining."""

    __slots__ = ("_complete", "_places", "_ticks", "_way", "rungs", "spent")

    def __init__(self, ticks: Ticks, way: Way, tick: int, liquidity: int) -> None:
        self._ticks, self._way = ticks, way
        self.rungs = [Rung(tick, liquidity, 0, 0)]
        self.spent = [0]
        self._places = {tick: 0}
        self._complete = False

    def place(self, tick: int, liquidity: int) -> int | None:
        """Which rung that is; None if it is none of these."""
        place = self._places.get(tick)
        return place if place is not None and self.rungs[place].liquidity == liquidity else None

    def grow(self, target: int) -> None:
        """Add whole steps until `target` is spent, or the known or the possible prices end."""
        while self.spent[-1] <= target and not self._complete:
            tick, liquidity, amount_in, amount_out = self.rungs[-1]
            step = whole_step(self._ticks, self._way, Slot(self._way.price_at(tick), tick, liquidity))
            if step is None:
                self._complete = True
                return
            rung = Rung(step.tick, step.liquidity, amount_in + step.amount_in, amount_out + step.amount_out)
            self._places[rung.tick] = len(self.rungs)
            self.rungs.append(rung)
            self.spent.append(rung.amount_in if self._way.exact_in else rung.amount_out)


class Ascent(NamedTuple):
    """From where a pool stands, by a whole first step of cost `first`, onto a ladder at `place`.

    What was spent, went in and came out on the way is what the ladder counts and these offsets. Without a ladder
    there is no whole first step.
    """

    slot: Slot
    ladder: Ladder | None
    place: int
    first: int
    spent: int
    amount_in: int
    amount_out: int

    @classmethod
    def of(cls, ticks: Ticks, way: Way, slot: Slot, before: Ascent | None) -> Ascent:
        """The ladder of the ascent before is climbed again if it has that tick."""
        first = whole_step(ticks, way, slot) if way.fee_ppm < PPM else None
        if first is None:
            return cls(slot, None, 0, 0, 0, 0, 0)
        ladder = None if before is None else before.ladder
        place = None if ladder is None else ladder.place(first.tick, first.liquidity)
        if ladder is None or place is None:
            ladder, place = Ladder(ticks, way, first.tick, first.liquidity), 0
        start = ladder.rungs[place]
        cost = first.amount_in if way.exact_in else first.amount_out
        amount_in, amount_out = first.amount_in - start.amount_in, first.amount_out - start.amount_out
        return cls(slot, ladder, place, cost, cost - ladder.spent[place], amount_in, amount_out)


Leap = tuple[int, int, int, int, int | None]
"""Tick and liquidity after whole steps, what went in and came out, and the tick of the rung after, if it is known."""


def leapt(ticks: Ticks, way: tuple[StepMath, int, bool, bool], slot: Slot, remaining: int) -> Leap | None:
    """From where a pool stands over all whole steps that `remaining` covers; None if it does not cover the first.

    `way` is a `Way`, or the equal tuple, which is cheaper to make.
    """
    ascent = ticks.ladders.get(way)
    if not isinstance(ascent, Ascent) or ascent[0] != slot:
        ascent = Ascent.of(ticks, Way(*way), slot, ascent if isinstance(ascent, Ascent) else None)
        ticks.ladders[way] = ascent
    _, ladder, place, first, before, amount_in, amount_out = ascent
    if ladder is None or remaining < first:
        return None
    target, spent, rungs = remaining - before, ladder.spent, ladder.rungs
    if spent[-1] <= target:
        ladder.grow(target)
    end = bisect_left(spent, target, place)
    if end == len(spent) or spent[end] > target:
        end -= 1
    tick, liquidity, went_in, came_out = rungs[end]
    ahead = rungs[end + 1][0] if end + 1 < len(rungs) else None
    return tick, liquidity, amount_in + went_in, amount_out + came_out, ahead


def whole_step(ticks: Ticks, way: Way, slot: Slot) -> Rung | None:
    """To the next tick, whatever it costs; None where the known or the possible prices end, or liquidity runs short."""
    price, tick, liquidity = slot
    down = way.zero_for_one
    try:
        if down:
            next_tick, initialised = ticks.next_below(tick) if liquidity else ticks.skip_below(tick)
        else:
            next_tick, initialised = ticks.next_above(tick) if liquidity else ticks.skip_above(tick)
    except BeyondKnownLiquidity:
        return None
    if not MIN_TICK < next_tick < MAX_TICK:
        return None
    _, amount_in, amount_out, fee = way.step(price, sqrt_price_at(next_tick), liquidity, _EVERYTHING, way.fee_ppm)
    if initialised:
        liquidity += -ticks.net[next_tick] if down else ticks.net[next_tick]
        if liquidity < 0:
            return None
    return Rung(next_tick - 1 if down else next_tick, liquidity, amount_in + fee, amount_out)
