"""Pools as arrays of 256-bit limbs, exactly as their contracts hold them; built from the pools the market knows.

A kernel sees a pool by its row. `stops` are the ticks a swap may stop at, nearest first in the direction of the swap:
initialised ticks, and the ends of bitmap words, where the contract stops too and rounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PPM
from chains.pools.tick_math import MAX_TICK, MIN_TICK, WORD_BITS, sqrt_price_at
from chains.pools.uniswap_v4 import UniswapV4Pool

U8 = NDArray[np.uint8]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
U64 = NDArray[np.uint64]
F8 = NDArray[np.float64]

LIMB_BITS, LIMB = 64, 2**64 - 1
PRODUCT, RANGES = 0, 1
Q96_INVERSE = 2.0**-96
TICKS = 2.0 / math.log(1.0001)
"""Ticks per unit of the logarithm of the root of a price."""
NEAR = 1e-6
"""Within so small a part of a tick of its ends the pool itself says which tick a price belongs to."""
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


class States(NamedTuple):
    """Pools in rows as a block's logs change them: `kind` and `state` as in `Exact`.

    `fixed[n]` is what never changes, as floats: what an input keeps after the fee; for a product the base units of a
    whole unit of token 0 and of token 1, for ranges what turns the root of the price into one of whole units, and 0;
    10^(decimals 0 - decimals 1), and its inverse. `since[n]` is the block that the pool was read at: logs up to it are
    in its state already. `span[n]` are the ticks between which liquidity is known to be `span_liquidity[n]` (two
    limbs), the second not among them; equal where nothing is known. `home[n]` is the number of the contract that holds
    the pool among many, as `Directory` has it, -1 where the pool is a contract of its own. `mark` is room to work in,
    -1 between calls.
    """

    kind: U8
    state: U64
    fixed: F8
    since: I8
    span: I8
    span_liquidity: U64
    home: I4
    mark: I4

    @classmethod
    def of(cls, exact: Exact) -> States:
        """As `exact` stands: in base units, and nothing known of its ranges."""
        count = len(exact.kind)
        fixed = np.ones((count, 5))
        fixed[:, 0] = 1.0 - exact.state[:, 5] / PPM
        since, span = np.zeros(count, np.int64), np.zeros((count, 2), np.int64)
        held, home, mark = np.zeros((count, 2), np.uint64), np.full(count, -1, np.int32), np.full(count, -1, np.int32)
        return cls(exact.kind, exact.state, fixed, since, span, held, home, mark)


class Taken(NamedTuple):
    """What a block's logs did. The first so many rows are used of each but `row`, which has one per log.

    `changed[k]` is a row that changed, in the order of their first logs, each once; `first[k]` the place of that log
    and `prior[k]` its state before. `values[k]` are its reserves in whole units, or the root of its price and 0;
    `rates[k]` what a whole unit of token 0 and of token 1 is sold for, fee paid; `holds[k]` whether its liquidity is as
    the span says (1 for a product). `left` are the places of logs for the pools' own `applied`.
    """

    row: I4
    changed: I4
    first: I4
    prior: U64
    values: F8
    rates: F8
    holds: U8
    left: I4

    @classmethod
    def room(cls, logs: int) -> Taken:
        """Space for what so many logs do."""
        row, changed, first, left = (np.zeros(logs, np.int32) for _ in range(4))
        prior, holds = np.zeros((logs, 7), np.uint64), np.zeros(logs, np.uint8)
        return cls(row, changed, first, prior, np.zeros((logs, 2)), np.zeros((logs, 2)), holds, left)


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
        state[row] = words_of(pool)
        if isinstance(pool, ConcentratedPool):
            kind[row] = RANGES
            down, up = _stops(pool)
            first[row] = (
                len(stops),
                len(stops) + len(down),
                len(stops) + len(down),
                len(stops) + len(down) + len(up),
            )
            stops += down + up
    return Exact(
        kind,
        state,
        first,
        np.array([tick for tick, _ in stops], np.int32).reshape(-1),
        np.array([limbs(sqrt_price_at(tick), 3) for tick, _ in stops], np.uint64).reshape(-1, 3),
        np.array([limbs(change, 2) for _, change in stops], np.uint64).reshape(-1, 2),
    )


def words_of(pool: ConstantProductPool | ConcentratedPool | UniswapV4Pool) -> list[int]:
    """A pool's row of `Exact.state`."""
    if isinstance(pool, ConstantProductPool):
        return limbs(pool.reserves[0], 2) + limbs(pool.reserves[1], 2) + [0, pool.fee_ppm, 0]
    return limbs(pool.sqrt_price_x96, 3) + limbs(pool.liquidity, 2) + [pool.fee_ppm, pool.tick & LIMB]


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
