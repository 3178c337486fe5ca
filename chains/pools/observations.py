"""How Uniswap V3's pools and their kin lie in storage, as far as the slots that move from block to block. No I/O.

A swap writes an observation in each block, into a ring in which others search for mean prices, by where it stands. So
what a call touches there is the same from block to block only as seen from the newest observation.

Source: v3-core and PancakeSwap's v3-core, UniswapV3Pool.sol, PancakeV3Pool.sol, libraries/Oracle.sol.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from chains.pools.tick_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE

_STATE_SLOT = 0
_PRICE_BITS = 160
_INDEX_AT, _CARDINALITY_AT, _NEXT_AT, _REST_AT = 184, 200, 216, 232
_UINT16 = 2**16 - 1
# After the ring's numbers Uniswap packs the protocol's fee in eight bits, and whether the pool is unlocked. Pancake's
# fee has 32, so that both begin the next slot, and all that follows lies one slot later.
_UNISWAP_UNLOCKED_AT, _PANCAKE_UNLOCKED_AT = 8, 32
_UNISWAP_FIRST, _PANCAKE_FIRST = 8, 9
_MAPPINGS = 3
"""Ticks, their bitmap and positions lie between what every swap may touch and the first observation."""
_NEAR = 48
"""By how many observations the end of a search for one and the same age may move until it is looked at again."""


@dataclass(frozen=True, slots=True)
class Observations:
    """The ring of one pool: `first` is the slot of its observation 0, `index` says which one is the newest.

    It has `cardinality` of them, and `cardinality_next` once it has come to its end.
    """

    first: int
    index: int
    cardinality: int
    cardinality_next: int

    def written(self) -> Observations:
        """After the next observation (Oracle.write)."""
        grows = self.cardinality_next > self.cardinality and self.index == self.cardinality - 1
        cardinality = self.cardinality_next if grows else self.cardinality
        return replace(self, index=(self.index + 1) % cardinality, cardinality=cardinality)

    def slot(self, offset: int) -> int:
        """Of the observation that is `offset` after the newest, around the ring."""
        return self.first + (self.index + offset) % self.cardinality

    def offset(self, slot: int) -> int:
        """How far after the newest the observation in `slot` is; the contrary of `slot`."""
        return (slot - self.first - self.index) % self.cardinality

    def holds(self, slot: int) -> bool:
        """Whether an observation can lie in `slot`."""
        return self.first <= slot <= self.first + _UINT16

    def searched(self, offsets: Collection[int]) -> set[int]:
        """The offsets that searches touch which end about where those did that touched `offsets`."""
        touched = list(self._halved(lambda first, middle, last: middle % self.cardinality in offsets))
        passed = {(first, last) for first, _, last in touched}
        ends = [
            middle
            for first, middle, last in touched
            if (first, middle - 1) not in passed and (middle + 1, last) not in passed
        ]

        def is_near(first: int, middle: int, last: int) -> bool:
            return any(first - _NEAR <= end <= last + _NEAR for end in ends)

        # What a search comes to is compared with the one after it.
        return {offset for _, middle, _ in self._halved(is_near) for offset in (middle, middle + 1)}

    def _halved(self, goes_there: Callable[[int, int, int], bool]) -> Iterator[tuple[int, int, int]]:
        """The parts of the ring, as offsets, that searches go to: from all of it, the oldest first, to a half of that,
        and so on, each from its middle (Oracle.binarySearch)."""
        parts = [(1, self.cardinality)]
        while parts:
            first, last = parts.pop()
            middle = (first + last) // 2
            if first <= last and goes_there(first, middle, last):
                yield first, middle, last
                parts += [(first, middle - 1), (middle + 1, last)]

    def ahead(self, offsets: Iterable[int], writes: int) -> set[int]:
        """What calls touch that touch the observations at `offsets`, and swaps, after up to so many `writes`."""
        slots = set(range(_STATE_SLOT, self.first - _MAPPINGS))
        offsets = tuple(offsets)
        ring = self
        for _ in range(writes + 1):
            slots.add(ring.slot(0))
            slots.update(map(ring.slot, offsets))
            ring = ring.written()
        slots.add(ring.slot(0))
        return slots


def observations_of(words: Mapping[int, int]) -> Observations | None:
    """The ring of the pool whose storage holds `words`; None where that is no pool of a layout known here."""
    state = words.get(_STATE_SLOT, 0)
    if not MIN_SQRT_PRICE <= state & ((1 << _PRICE_BITS) - 1) < MAX_SQRT_PRICE:
        return None
    index, cardinality, following = (state >> at & _UINT16 for at in (_INDEX_AT, _CARDINALITY_AT, _NEXT_AT))
    rest = state >> _REST_AT
    if not index < cardinality <= following:
        return None
    if rest >> _UNISWAP_UNLOCKED_AT == 1:
        return Observations(_UNISWAP_FIRST, index, cardinality, following)
    # Who only reads prices does not read the next slot, which is then not known.
    if not rest and words.get(_STATE_SLOT + 1, 1 << _PANCAKE_UNLOCKED_AT) >> _PANCAKE_UNLOCKED_AT == 1:
        return Observations(_PANCAKE_FIRST, index, cardinality, following)
    return None
