"""Running every kernel of the packed market once."""

from __future__ import annotations

import numpy as np

from bot.market.packed.arrays import PackedMarket
from bot.market.packed.detector import Detector


def warm() -> None:
    """Search and size in the smallest market there is."""
    market = PackedMarket()
    market.add_nodes(np.ones(2), np.full(2, 18, np.int32))
    ends = np.array([[0, 1], [1, 0]], np.int32)
    pools = market.add_products(ends, np.ones((2, 2)), np.ones((2, 2)), np.zeros(2, np.int32))
    detector = Detector(market)
    detector.search(pools)
    detector.size((market.edges_of(int(pools[0]))[0], market.edges_of(int(pools[1]))[0]))
