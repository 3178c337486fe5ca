"""Compiling every kernel once, so that no later start has to."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bot.market.dual.compiled import warm
from bot.market.packed.arrays import PackedMarket
from bot.market.packed.cache import cache_folder, is_compiled
from bot.market.packed.detector import Detector


def warm_up() -> tuple[bool, float, Path]:
    """Whether kernels are compiled at all, how many seconds it took now, and where they are kept."""
    began = time.perf_counter()
    market = PackedMarket()
    market.add_nodes(np.ones(2), np.full(2, 18, np.int32))
    ends = np.array([[0, 1], [1, 0]], np.int32)
    pools = market.add_products(ends, np.ones((2, 2)), np.ones((2, 2)), np.zeros(2, np.int32))
    detector = Detector(market)
    detector.search(pools)
    detector.size((market.edges_of(int(pools[0]))[0], market.edges_of(int(pools[1]))[0]))
    warm()
    return is_compiled(), time.perf_counter() - began, cache_folder()
