"""How deep pools are, in wei of ETH at the market's own prices: one number that compares pools of every family."""

from __future__ import annotations

import math

from bot.market import Market
from bot.market.market import DEPTH_FALL, ETH
from bot.market.prices import widest_paths

_WEI = 10**18
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
    measured = {}
    for venue in market.pools:
        deepest = 0.0
        for edge in graph.edges_of(venue):
            worth = market.depth(edge) * prices.get(edge.source, 0.0)
            deepest = max(deepest, min(worth, widths.get(edge.source, 0.0)))
        measured[venue] = int(deepest / _SHARE_OF_RESERVE * _WEI) if math.isfinite(deepest) else 0
    return measured
