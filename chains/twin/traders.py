"""The traders: what each would swap in the next block, from the pools they see and the prices they have heard of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from random import Random

from chains.assets import Address
from chains.twin.accounts import TRADERS
from chains.twin.market import PoolView
from chains.twin.parameters import GWEI, TraderParameters
from chains.twin.prices import DOLLARS, MAJORS
from chains.twin.traded import TradedMarket


@dataclass(frozen=True, slots=True)
class TraderSwap:
    """A swap one trader sends: exactly `amount_in` base units in, at least `min_out` out, `tip_wei` per gas."""

    trader: Address
    pool: PoolView
    sell_first: bool
    amount_in: int
    min_out: int
    tip_wei: int
    displacement: float
    """How far it will move the pool if nobody comes before: the size of the change of the price's logarithm."""


@dataclass(frozen=True, slots=True)
class _Wish:
    pool: PoolView
    sell_first: bool
    amount_in: float


class Traders:
    """Noise traders and followers. The same seed, block and pools give the same swaps."""

    def __init__(
        self, seed: int, market: TradedMarket, sizes_usd: Sequence[float], parameters: TraderParameters
    ) -> None:
        self._seed = seed
        self._fair = market.fair
        self._scale = {token.address: float(10**token.decimals) for token in market.tokens.values()}
        self._sizes_usd = sizes_usd
        self._parameters = parameters
        self._pools = market.traded
        self._depth_usd = market.depth_usd
        usual = parameters.usual_depth_usd
        self._weights = {pool: min(depth / usual, usual / depth) ** 0.5 for pool, depth in market.depth_usd.items()}
        self._majors = [
            pool for pool in self._pools if MAJORS.issuperset(pool.tokens) and not DOLLARS.issuperset(pool.tokens)
        ]

    def swaps(self, block_number: int, at_s: float, block_time_s: float) -> list[TraderSwap]:
        """What they send for block `block_number`, `at_s` seconds after the twin opened."""
        random = Random(f"{self._seed} {block_number}")  # noqa: S311 - a market, not a secret
        traders = random.sample(TRADERS, random.randint(*self._parameters.swaps_per_block))
        now_usd = self._fair.usd(at_s)
        busy: set[Address] = set()
        swaps = []
        for trader in traders:
            wish: _Wish | None
            if random.random() < self._parameters.noise_share:
                wish = self._noise(random, now_usd, busy)
            else:
                delay_s = random.randint(*self._parameters.follower_delay_blocks) * block_time_s
                wish = self._follow(random, self._fair.usd(at_s - delay_s), busy)
            if wish is None:
                continue
            busy.add(wish.pool.address)
            swap = self._swap(trader, wish, self._tip_wei(random))
            if swap.min_out > 0:
                swaps.append(swap)
        return swaps

    def _noise(self, random: Random, usd: Mapping[Address, float], busy: set[Address]) -> _Wish:
        """Somebody who needs the other token, whatever the price: a recorded size, in a pool deep enough for it."""
        size_usd = random.choice(self._sizes_usd)
        sell_first = random.random() < 0.5
        looked_at = self._majors if random.random() < self._parameters.majors_share else self._pools
        moves = [
            pool.displacement(sell_first, self._units(pool.tokens[not sell_first], size_usd, usd))
            / min(pool.fee * self._parameters.displacement_fees, self._parameters.displacement)
            for pool in looked_at
        ]
        weights = [
            self._weights[pool.address] if move <= 1 and pool.address not in busy else 0.0
            for pool, move in zip(looked_at, moves, strict=True)
        ]
        if any(weights):
            pool = random.choices(looked_at, weights)[0]
        else:
            pool = looked_at[min(range(len(moves)), key=moves.__getitem__)]
        return _Wish(pool, sell_first, self._units(pool.tokens[not sell_first], size_usd, usd))

    def _follow(self, random: Random, heard_usd: Mapping[Address, float], busy: set[Address]) -> _Wish | None:
        """Somebody who pulls a pool towards the price heard of, as far as the fee lets it pay; None if nothing pays."""
        chances: list[tuple[PoolView, float]] = []
        weights: list[float] = []
        for pool in self._pools:
            fair = self._fair_price(pool, heard_usd) * exp(random.gauss(0.0, self._parameters.follower_noise))
            gap = log(pool.price / fair)
            worth = abs(gap) - pool.fee - self._parameters.follower_margin
            if worth > 0 and pool.address not in busy:
                chances.append((pool, worth if gap > 0 else -worth))
                weights.append(worth * self._depth_usd[pool.address] ** 0.5)
        if not chances:
            return None
        pool, move = random.choices(chances, weights)[0]
        sell_first, amount_in = pool.amount_to(pool.price * exp(-move * random.uniform(*self._parameters.correction)))
        return _Wish(pool, sell_first, amount_in)

    def _swap(self, trader: Address, wish: _Wish, tip_wei: int) -> TraderSwap:
        expected = wish.pool.amount_out(wish.sell_first, wish.amount_in)
        return TraderSwap(
            trader=trader,
            pool=wish.pool,
            sell_first=wish.sell_first,
            amount_in=int(wish.amount_in),
            min_out=int(expected * (1 - self._parameters.slippage)),
            tip_wei=tip_wei,
            displacement=wish.pool.displacement(wish.sell_first, wish.amount_in),
        )

    def _tip_wei(self, random: Random) -> int:
        hasty = random.random() < self._parameters.hasty_share
        low, high = self._parameters.hasty_tip_gwei if hasty else self._parameters.tip_gwei
        return int(exp(random.uniform(log(low), log(high))) * GWEI)

    def _units(self, token: Address, size_usd: float, usd: Mapping[Address, float]) -> float:
        return size_usd / usd[token] * self._scale[token]

    def _fair_price(self, pool: PoolView, usd: Mapping[Address, float]) -> float:
        first, second = pool.tokens
        return usd[first] / usd[second] * self._scale[second] / self._scale[first]
