"""An arbitrageur on paper: finds cycles and exchange gaps among the twin's pools by exact integer arithmetic.

It knows nothing of the bot. Pools are constant products of integers; a V3 pool is stepped once, which is what the
contract does inside one range of liquidity, up to a few wei at the borders of its tick bitmap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from chains.assets import Address
from chains.twin.data import RecordedPair, RecordedPool
from chains.twin.layout import WETH9
from chains.twin.market import MarketView, PoolView

Q96 = 1 << 96


@dataclass(slots=True)
class IntegerPool:
    """`state` is the reserves of a pair, or square-root price and liquidity of a V3 pool."""

    view: PoolView
    state: tuple[int, int]
    concentrated: bool

    def swap(self, sell_first: bool, amount_in: int) -> tuple[int, tuple[int, int]]:
        """Amount out, and the state after."""
        if self.concentrated:
            return self._swap_concentrated(sell_first, amount_in)
        reserve_in, reserve_out = self.state if sell_first else self.state[::-1]
        effective = amount_in * 997
        out = effective * reserve_out // (reserve_in * 1000 + effective)
        after = (reserve_in + amount_in, reserve_out - out)
        return out, after if sell_first else after[::-1]

    def _swap_concentrated(self, sell_first: bool, amount_in: int) -> tuple[int, tuple[int, int]]:
        price, liquidity = self.state
        effective = amount_in * (1_000_000 - self.view.fee_ppm) // 1_000_000
        if sell_first:
            scaled = liquidity << 96
            after = -(-scaled * price // (scaled + effective * price))
            out = liquidity * (price - after) // Q96
        else:
            after = price + (effective << 96) // liquidity
            out = (liquidity << 96) * (after - price) // after // price
        return out, (after, liquidity)

    def apply(self, sell_first: bool, amount_in: int) -> int:
        out, self.state = self.swap(sell_first, amount_in)
        if self.concentrated:
            price, liquidity = self.state
            self.view.reserves = (liquidity * Q96 / price, liquidity * price / Q96)
        else:
            self.view.reserves = (float(self.state[0]), float(self.state[1]))
        return out


Hop = tuple[IntegerPool, bool]


class PaperMarket:
    """The traders' pools with exact states, and all WETH-closed cycles of two and three hops through them."""

    def __init__(self, view: MarketView, recorded: list[RecordedPool]) -> None:
        self.pools: dict[Address, IntegerPool] = {}
        for pool in recorded:
            if pool.address not in view.pools:
                continue
            pair = isinstance(pool, RecordedPair)
            state = pool.reserves if pair else (pool.sqrt_price_x96, pool.liquidity)
            self.pools[pool.address] = IntegerPool(view.pools[pool.address], state, not pair)
        self.cycles = list(self._cycles())

    def _cycles(self) -> Iterator[tuple[Hop, ...]]:
        selling: defaultdict[Address, list[Hop]] = defaultdict(list)
        for pool in self.pools.values():
            selling[pool.view.tokens[0]].append((pool, True))
            selling[pool.view.tokens[1]].append((pool, False))
        for first in selling[WETH9]:
            for second in selling[_bought(first)]:
                if second[0] is first[0]:
                    continue
                if _bought(second) == WETH9:
                    yield first, second
                    continue
                for third in selling[_bought(second)]:
                    if _bought(third) == WETH9 and third[0] not in (first[0], second[0]):
                        yield first, second, third

    def best(self) -> tuple[int, int, tuple[Hop, ...]]:
        """Gain and amount in, in wei, and the cycle that gains most now, before gas."""
        _, amount_in, cycle = max(((*_best_size(cycle), cycle) for cycle in self.cycles), key=lambda each: each[0])
        amount = out = int(amount_in)
        for pool, sell_first in cycle:
            out, _ = pool.swap(sell_first, out)
        return out - amount, amount, cycle

    def take(self, cycle: tuple[Hop, ...], amount_in: int) -> None:
        for pool, sell_first in cycle:
            amount_in = pool.apply(sell_first, amount_in)


def _bought(hop: Hop) -> Address:
    pool, sell_first = hop
    return pool.view.tokens[1 if sell_first else 0]


def _best_size(cycle: tuple[Hop, ...]) -> tuple[float, float]:
    """Largest gain and its amount in, in floats: hops compose to out = a x / (b + c x)."""
    a, b, c = 1.0, 1.0, 0.0
    for pool, sell_first in cycle:
        reserve_in, reserve_out = pool.view.reserves if sell_first else pool.view.reserves[::-1]
        kept = 1 - pool.view.fee
        a, b, c = reserve_out * kept * a / reserve_in, b, c + kept * a / reserve_in
    if a <= b:
        return 0.0, 0.0
    size = (sqrt(a * b) - b) / c
    return a * size / (b + c * size) - size, size
