"""Ticks of concentrated liquidity: their prices, the bitmap's words, and where liquidity changes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from functools import lru_cache

from chains.pools.pool import BeyondKnownLiquidity, MalformedLog, MalformedState

MIN_TICK, MAX_TICK = -887_272, 887_272
Q96 = 2**96
WORD_BITS = 256

_MAX_UINT256 = 2**256 - 1


def _inverse_powers() -> tuple[int, ...]:
    """sqrt(1.0001)^-(2^i) for i = 0…19 in Q128, rounded to nearest: the factors of the contract's TickMath."""
    with localcontext() as context:
        context.prec = 120
        root = Decimal("1.0001").sqrt()
        return tuple(int(Decimal(2**128) / root ** (2**i) + Decimal("0.5")) for i in range(20))


_INVERSE_POWERS = _inverse_powers()


@lru_cache(maxsize=1 << 17)
def sqrt_price_at(tick: int) -> int:
    """sqrt(1.0001^tick) in Q96, rounded as Uniswap v3-core's TickMath.getSqrtRatioAtTick. Raises `ValueError`."""
    magnitude = abs(tick)
    if magnitude > MAX_TICK:
        raise ValueError(f"tick {tick} is outside ±{MAX_TICK}")
    ratio = 1 << 128
    for bit, factor in enumerate(_INVERSE_POWERS):
        if magnitude >> bit & 1:
            ratio = ratio * factor >> 128
    if tick > 0:
        ratio = _MAX_UINT256 // ratio
    return (ratio >> 32) + (ratio % (1 << 32) != 0)


MIN_SQRT_PRICE, MAX_SQRT_PRICE = sqrt_price_at(MIN_TICK), sqrt_price_at(MAX_TICK)
_LOG_TICK = math.log(1.0001) / 2


def tick_at(sqrt_price_x96: int) -> int:
    """The greatest tick whose price is not above: TickMath.getTickAtSqrtRatio. Raises `ValueError`."""
    if not MIN_SQRT_PRICE <= sqrt_price_x96 < MAX_SQRT_PRICE:
        raise ValueError(f"the square-root price {sqrt_price_x96} is outside the contract's range")
    guess = math.floor(math.log(sqrt_price_x96 / Q96) / _LOG_TICK)
    tick = min(max(guess, MIN_TICK), MAX_TICK - 1)
    while sqrt_price_at(tick) > sqrt_price_x96:
        tick -= 1
    while sqrt_price_at(tick + 1) <= sqrt_price_x96:
        tick += 1
    return tick


def word_of(tick: int, spacing: int) -> int:
    """The bitmap word that `tick` lies in."""
    return tick // spacing // WORD_BITS


def all_words(spacing: int) -> tuple[int, int]:
    """The first and the last bitmap word a pool of this spacing can have."""
    return word_of(MIN_TICK, spacing), word_of(MAX_TICK, spacing)


@dataclass(frozen=True, slots=True)
class Ticks:
    """Where liquidity changes, over the bitmap words `first_word` to `last_word` (inclusive) that are known.

    `net` is the liquidity added when a tick is crossed upwards; `gross` counts what refers to it, and at 0 the tick
    is not initialised. Where only the active liquidity was recorded, `edges` are the two ticks between which nothing
    can be initialised, and nothing is known beyond. Shared between versions of a pool, and never mutated.
    Raises `MalformedState`.
    """

    spacing: int
    first_word: int
    last_word: int
    net: Mapping[int, int]
    gross: Mapping[int, int]
    edges: tuple[int, int] | None = None
    order: tuple[int, ...] = field(init=False, repr=False)
    ladders: dict[object, object] = field(init=False, repr=False, compare=False, default_factory=dict)
    """What `ladder.py` remembers of these ticks, which never change."""

    def __post_init__(self) -> None:
        if not 0 < self.spacing <= MAX_TICK or self.first_word > self.last_word:
            raise MalformedState(
                f"ticks of spacing {self.spacing} in the bitmap words {self.first_word} to {self.last_word}"
            )
        object.__setattr__(self, "order", tuple(sorted(self.net)))
        if self.edges is not None:
            low, high = self.edges
            if self.net or self.gross or not low < high <= low + self.spacing or low % self.spacing:
                raise MalformedState(f"nothing can be known between the ticks {low} and {high}")
        elif not self._consistent():
            raise MalformedState(f"ticks of spacing {self.spacing} whose gross and net liquidity do not fit together")

    @classmethod
    def around(cls, tick: int, spacing: int) -> Ticks:
        """What is known where only the active liquidity is: nothing is initialised between two usable ticks.

        Raises `MalformedState`.
        """
        if not 0 < spacing <= MAX_TICK:
            raise MalformedState(f"a tick spacing of {spacing}")
        low, word = tick // spacing * spacing, word_of(tick, spacing)
        return cls(spacing, word, word, {}, {}, (low, low + spacing))

    def next_below(self, tick: int) -> tuple[int, bool]:
        """The next tick at or below `tick` within its bitmap word, and whether it is initialised.

        Stopping at word boundaries is what the contract does, and it is visible in the rounding. Raises
        `BeyondKnownLiquidity`.
        """
        if self.edges is not None:
            return self._edge(tick, 0), False
        word = word_of(tick, self.spacing)
        self._require(word)
        boundary = word * WORD_BITS * self.spacing
        index = bisect_right(self.order, tick) - 1
        if index >= 0 and self.order[index] >= boundary:
            return self.order[index], True
        return boundary, False

    def next_above(self, tick: int) -> tuple[int, bool]:
        """The next tick above `tick` within the bitmap word of its upper neighbour. Raises as `next_below`."""
        if self.edges is not None:
            return self._edge(tick, 1), False
        word = (tick // self.spacing + 1) // WORD_BITS
        self._require(word)
        boundary = (word * WORD_BITS + WORD_BITS - 1) * self.spacing
        index = bisect_right(self.order, tick)
        if index < len(self.order) and self.order[index] <= boundary:
            return self.order[index], True
        return boundary, False

    def skip_below(self, tick: int) -> tuple[int, bool]:
        """As `next_below` through as many words as it takes: where there is no liquidity, nothing is rounded."""
        if self.edges is not None:
            return self._edge(tick, 0), False
        self._require(word_of(tick, self.spacing))
        index = bisect_right(self.order, tick) - 1
        if index >= 0:
            return self.order[index], True
        self._require(word_of(MIN_TICK, self.spacing))
        return MIN_TICK, False

    def skip_above(self, tick: int) -> tuple[int, bool]:
        """As `next_above` through as many words as it takes."""
        if self.edges is not None:
            return self._edge(tick, 1), False
        self._require((tick // self.spacing + 1) // WORD_BITS)
        index = bisect_right(self.order, tick)
        if index < len(self.order):
            return self.order[index], True
        self._require(word_of(MAX_TICK, self.spacing))
        return MAX_TICK, False

    def below(self, tick: int) -> tuple[int, ...]:
        """Initialised ticks at or below `tick`, nearest first."""
        return self.order[: bisect_right(self.order, tick)][::-1]

    def above(self, tick: int) -> tuple[int, ...]:
        """Initialised ticks above `tick`, nearest first."""
        return self.order[bisect_right(self.order, tick) :]

    @property
    def lowest(self) -> int:
        """The lowest tick up to which liquidity is known."""
        low = self.edges[0] if self.edges is not None else self.first_word * WORD_BITS * self.spacing
        return max(low, MIN_TICK)

    @property
    def highest(self) -> int:
        """The highest tick up to which liquidity is known."""
        last = (self.last_word * WORD_BITS + WORD_BITS - 1) * self.spacing
        return min(self.edges[1] if self.edges is not None else last, MAX_TICK)

    def with_position(self, lower: int, upper: int, liquidity: int) -> Ticks:
        """After `liquidity` (negative: removed) was put between two ticks. Raises `MalformedLog`.

        Ticks that are not known are left unknown.
        """
        if self.edges is not None:
            return self
        net, gross = dict(self.net), dict(self.gross)
        for tick, sign in ((lower, 1), (upper, -1)):
            if not self.first_word <= word_of(tick, self.spacing) <= self.last_word:
                continue
            references = gross.get(tick, 0) + liquidity
            if references < 0 or tick % self.spacing:
                raise MalformedLog(f"tick {tick} cannot change by {liquidity}: it has {gross.get(tick, 0)}")
            if references:
                gross[tick], net[tick] = references, net.get(tick, 0) + sign * liquidity
            else:
                gross.pop(tick, None)
                net.pop(tick, None)
        return replace(self, net=net, gross=gross)

    def _consistent(self) -> bool:
        """Whether the ticks are usable ones in known words, and none nets more than refers to it."""
        if self.net.keys() != self.gross.keys():
            return False
        net, spacing = self.net, self.spacing
        return all(
            abs(net[tick]) <= gross and gross and not tick % spacing and self._covers(tick)
            for tick, gross in self.gross.items()
        )

    def _covers(self, tick: int) -> bool:
        return MIN_TICK <= tick <= MAX_TICK and self.first_word <= word_of(tick, self.spacing) <= self.last_word

    def _edge(self, tick: int, side: int) -> int:
        """The edge on that side. Raises `BeyondKnownLiquidity` for a tick that is not between the two."""
        assert self.edges is not None
        low, high = self.edges
        if not low <= tick < high:
            raise BeyondKnownLiquidity(f"only the liquidity between the ticks {low} and {high} was recorded")
        return self.edges[side]

    def _require(self, word: int) -> None:
        if not self.first_word <= word <= self.last_word:
            raise BeyondKnownLiquidity(
                f"bitmap word {word} is not loaded; known are {self.first_word} to {self.last_word}"
            )


def set_bits(bitmap: int, word: int, spacing: int) -> list[int]:
    """The initialised ticks of one bitmap word."""
    return [(word * WORD_BITS + bit) * spacing for bit in range(WORD_BITS) if bitmap >> bit & 1]
