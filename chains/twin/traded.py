"""The part of the market the traders touch: pools an arbitrage can run through, priced, and deep enough to look at."""

from __future__ import annotations

from collections.abc import Iterable

from chains.assets import Address
from chains.twin.data import RecordedPool, Snapshot
from chains.twin.market import MarketView, PoolView, on_cycles
from chains.twin.parameters import TraderParameters
from chains.twin.prices import FairPrices, PricePath


class TradedMarket:
    """A view of the pools, what their tokens are worth, and `traded`: the pools deep enough at the opening.

    `depth_usd` is what a traded pool held on its shallower side at the opening.
    """

    def __init__(
        self, snapshot: Snapshot, pools: Iterable[RecordedPool], parameters: TraderParameters, path: PricePath
    ) -> None:
        self.tokens = snapshot.tokens
        self.view = MarketView(on_cycles(pools))
        self.fair = FairPrices(self.view.pools.values(), snapshot.tokens, path)
        usd = self.fair.usd(0.0)
        depths = ((pool, self._depth_usd(pool, usd)) for pool in self.view.pools.values())
        deep = [(pool, depth) for pool, depth in depths if depth >= parameters.shallowest_usd]
        self.traded: list[PoolView] = [pool for pool, _ in deep]
        self.depth_usd: dict[Address, float] = {pool.address: depth for pool, depth in deep}

    def _depth_usd(self, pool: PoolView, usd: dict[Address, float]) -> float:
        return min(
            reserve / float(10 ** self.tokens[token].decimals) * usd[token]
            for token, reserve in zip(pool.tokens, pool.reserves, strict=True)
        )
