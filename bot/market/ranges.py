"""Pools of concentrated liquidity as the packed market keeps them: bounds, the liquidity between them, a root price."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from bot.market.packed.shapes import F8
from chains.pools.concentrated import ConcentratedPool
from chains.pools.pool import PPM, Pool
from chains.pools.tick_math import Q96, Ticks, sqrt_price_at
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_math import protocol_fee, swap_fee

Ranged = ConcentratedPool | UniswapV4Pool


@dataclass(frozen=True, slots=True)
class Anchor:
    """The state that a pool's ranges were made from: another price on the same ticks leaves them as they are."""

    ticks: Ticks
    tick: int
    liquidity: int

    def holds(self, pool: Ranged) -> bool:
        """Whether the pool has the same ticks, and the liquidity that they make of this one's."""
        if pool.ticks is not self.ticks:
            return False
        if pool.tick == self.tick:
            return pool.liquidity == self.liquidity
        order, net = self.ticks.order, self.ticks.net
        low, high = bisect_right(order, min(self.tick, pool.tick)), bisect_right(order, max(self.tick, pool.tick))
        crossed = sum(net[tick] for tick in order[low:high])
        return pool.liquidity == self.liquidity + (crossed if pool.tick > self.tick else -crossed)


def is_ranged(pool: Pool) -> TypeGuard[Ranged]:
    """Whether the pool has liquidity by range, and takes the same fee in both directions."""
    return isinstance(pool, ConcentratedPool) or (isinstance(pool, UniswapV4Pool) and len(set(_fees(pool))) == 1)


def kept(pool: Ranged) -> float:
    """What an input keeps after the fee."""
    return 1.0 - (_fees(pool)[0] if isinstance(pool, UniswapV4Pool) else pool.fee_ppm) / PPM


def anchor(pool: Ranged) -> Anchor:
    """The pool's present state."""
    return Anchor(pool.ticks, pool.tick, pool.liquidity)


def root_price(pool: Ranged) -> float:
    """√(token 1 per token 0), both in whole units; 0.0 before there is a price."""
    return pool.sqrt_price_x96 / Q96 * root_unit(pool)


def ranges(pool: Ranged) -> tuple[F8, F8]:
    """Ascending bounds (root prices as `root_price`) and the liquidity above each, √(whole units of both tokens).

    The last liquidity is 0: nothing is known beyond.
    """
    ticks = pool.ticks
    stops = sorted({ticks.lowest, *ticks.order, ticks.highest})
    here = min(max(bisect_right(stops, pool.tick) - 1, 0), len(stops) - 2)
    held = [0] * len(stops)
    held[here] = pool.liquidity
    for place in range(here + 1, len(stops) - 1):
        held[place] = held[place - 1] + ticks.net.get(stops[place], 0)
    for place in range(here - 1, -1, -1):
        held[place] = held[place + 1] - ticks.net.get(stops[place + 1], 0)
    unit, whole = root_unit(pool), math.sqrt(10.0 ** -sum(token.decimals for token in pool.tokens))
    bounds = np.array([sqrt_price_at(stop) / Q96 * unit for stop in stops])
    return bounds, np.array([max(liquidity, 0) * whole for liquidity in held])


def root_unit(pool: Ranged) -> float:
    """What turns the root of a price in base units into that of one in whole units."""
    one, other = pool.tokens
    return math.sqrt(10.0 ** (one.decimals - other.decimals))


def _fees(pool: UniswapV4Pool) -> tuple[int, int]:
    """The whole fee in parts per million, selling either token."""
    down, up = (protocol_fee(pool.protocol_fees, zero_for_one=way) for way in (True, False))
    return swap_fee(down, pool.lp_fee_ppm), swap_fee(up, pool.lp_fee_ppm)
