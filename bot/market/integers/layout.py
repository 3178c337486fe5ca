"""Pools as arrays of 256-bit limbs, exactly as their contracts hold them; built from the pools the market knows.

A kernel sees a pool by its row. `stops` are the ticks a swap may stop at, nearest first in the direction of the swap:
initialised ticks, and the ends of bitmap words, where the contract stops too and rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.tick_math import MAX_TICK, MIN_TICK, WORD_BITS, sqrt_price_at

U8 = NDArray[np.uint8]
I4 = NDArray[np.int32]
U64 = NDArray[np.uint64]

LIMB_BITS, LIMB = 64, 2**64 - 1
PRODUCT, RANGES = 0, 1
FILLED, PARTLY, UNKNOWN, EMPTY, UNFIT, SHORT = range(6)
"""What became of a swap: filled; only partly, as prices end; beyond the liquidity that is known; the pool is empty;
the amount does not fit; the pool holds too little."""


class Exact(NamedTuple):
    """Pools in rows. Limbs are `uint64`, least significant first.

    `state[n]`: for a product the reserves, two limbs each (words 0–3); for ranges the square-root price in Q96, three
    limbs (0–2), and the active liquidity, two limbs (3–4). Word 5 is the input fee in parts per million, word 6 the
    pool's tick, two's complement.
    `kind[n]` is PRODUCT or RANGES. `first[n]` are the first and the last-plus-one row of the pool's stops downwards
    (0, 1) and upwards (2, 3). `stop_tick`, `stop_price` (three limbs) and `stop_change` (two limbs, two's complement:
    what crossing adds to the liquidity in that direction) are the stops' columns.
    """

    kind: U8
    state: U64
    first: I4
    stop_tick: I4
    stop_price: U64
    stop_change: U64


class Filled(NamedTuple):
    """Answers of a batch, a row each: amounts (four limbs), price (three) and liquidity (two) afterwards, `FILLED`…"""

    amount_in: U64
    amount_out: U64
    price: U64
    liquidity: U64
    status: U8

    @classmethod
    def room(cls, count: int) -> Filled:
        """Space for `count` answers."""
        sizes = ((count, 4), (count, 4), (count, 3), (count, 2))
        amount_in, amount_out, price, liquidity = (np.zeros(size, np.uint64) for size in sizes)
        return cls(amount_in, amount_out, price, liquidity, np.zeros(count, np.uint8))


def limbs(value: int, count: int) -> list[int]:
    """`value` modulo 2^(64·count) in limbs: negative numbers in two's complement."""
    return [value >> LIMB_BITS * place & LIMB for place in range(count)]


def whole(row: Sequence[Any] | U64) -> int:
    """Limbs back to the number."""
    return sum(int(limb) << LIMB_BITS * place for place, limb in enumerate(row))


def packed(pools: Sequence[ConstantProductPool | ConcentratedPool]) -> Exact:
    """The pools as arrays, in this order."""
    kind = np.zeros(len(pools), np.uint8)
    state = np.zeros((len(pools), 7), np.uint64)
    first = np.zeros((len(pools), 4), np.int32)
    stops: list[tuple[int, int]] = []
    for row, pool in enumerate(pools):
        if isinstance(pool, ConstantProductPool):
            words = limbs(pool.reserves[0], 2) + limbs(pool.reserves[1], 2) + [0, pool.fee_ppm, 0]
        else:
            kind[row] = RANGES
            words = limbs(pool.sqrt_price_x96, 3) + limbs(pool.liquidity, 2) + [pool.fee_ppm, pool.tick & LIMB]
            down, up = _stops(pool)
            first[row] = (
                len(stops),
                len(stops) + len(down),
                len(stops) + len(down),
                len(stops) + len(down) + len(up),
            )
            stops += down + up
        state[row] = words
    return Exact(
        kind,
        state,
        first,
        np.array([tick for tick, _ in stops], np.int32).reshape(-1),
        np.array([limbs(sqrt_price_at(tick), 3) for tick, _ in stops], np.uint64).reshape(-1, 3),
        np.array([limbs(change, 2) for _, change in stops], np.uint64).reshape(-1, 2),
    )


def _stops(pool: ConcentratedPool) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(tick, change of liquidity) downwards and upwards, over all that is known of the pool."""
    ticks = pool.ticks
    if ticks.edges is not None:
        low, high = ticks.edges
        return [(max(low, MIN_TICK), 0)], [(min(high, MAX_TICK), 0)]
    words = range(ticks.first_word, ticks.last_word + 1)
    starts = {max(word * WORD_BITS * ticks.spacing, MIN_TICK): 0 for word in words}
    ends = {min((word * WORD_BITS + WORD_BITS - 1) * ticks.spacing, MAX_TICK): 0 for word in words}
    down = starts | {tick: -net for tick, net in ticks.net.items()}
    up = ends | dict(ticks.net)
    return sorted(down.items(), reverse=True), sorted(up.items())
