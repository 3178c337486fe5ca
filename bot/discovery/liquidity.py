"""How deep pools are, in wei of ETH at the market's own prices: one number that compares pools of every family."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bot.market import Market
from bot.market.kernels import depth
from bot.market.prices import widest_paths
from bot.market.readable import DEPTH_FALL
from chains.assets import ETH
from chains.pools.pool import Pool

_WEI = 10**18
_MOST_WEI = 2**256 - 1
"""As much as any balance can hold: a vault of WETH that takes any amount is no deeper."""
_SHARE_OF_RESERVE = math.sqrt(1.0 / (1.0 - DEPTH_FALL)) - 1.0
"""The input that lowers a constant-product pool's price by `DEPTH_FALL`, as a share of its reserve."""


def liquidity_wei(market: Market) -> dict[str, int]:
    """Of every pool, the reserve on one side of a constant-product pool of the same depth, in wei of ETH.

    A pool counts for no more than the way from ETH to its tokens is wide: a price that comes through a puddle cannot
    make an ocean. A pool whose tokens have no price has none.
    """
    graph = market.graph
    eth = graph.find(ETH)
    if eth is None:
        return dict.fromkeys(market.pools, 0)
    widths, prices = widest_paths(graph, market.depth, eth)
    return {
        venue: _reserve_wei(
            min(market.depth(edge) * prices.get(edge.source, 0.0), widths.get(edge.source, 0.0))
            for edge in graph.edges_of(venue)
        )
        for venue in market.pools
    }


def depth_wei(market: Market, pool: Pool) -> int:
    """The same for one pool that is not in the market: at the prices that the market has for its tokens without it."""
    worths = []
    for token_in in pool.tokens:
        price = market.price(market.graph.assets.of(token_in), in_=ETH)
        if not math.isfinite(price):
            continue
        for token_out in pool.tokens:
            if token_out != token_in:
                deep = depth(pool.pieces(token_in, token_out), DEPTH_FALL)
                worths.append(deep / 10.0**token_in.decimals * price)
    return _reserve_wei(worths)


def _reserve_wei(worths: Iterable[float]) -> int:
    """The reserve that goes with the greatest of some depths in ETH."""
    deepest = max((worth for worth in worths if math.isfinite(worth)), default=0.0)
    return min(int(deepest / _SHARE_OF_RESERVE * _WEI), _MOST_WEI)
