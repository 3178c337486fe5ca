"""The packed market: numbers instead of names, flat arrays, and the compiled kernels that search them."""

from bot.market.packed.arrays import PackedMarket
from bot.market.packed.detector import Detector
from bot.market.packed.shapes import Candidate, Filter, Found

__all__ = ["Candidate", "Detector", "Filter", "Found", "PackedMarket"]
