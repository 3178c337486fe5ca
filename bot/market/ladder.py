"""Which trade sizes the market is screened at: the cheaper gas is, the smaller a trade can pay."""

from __future__ import annotations

import math

import numpy as np

from bot.market.packed import Detector, PackedMarket
from bot.market.packed.shapes import F8, LANES

MOST_FOUND = 128
"""How many walks one search gives at most."""

MOST_SIZED = 1024

SMALLEST, LEAST, LARGEST = 0.01, 1e-4, 164.0
"""The smallest size where gas is dear, the smallest of all, and the largest, in ETH."""

DEAR_WEI = 7 * 10**9
"""The gas price at which `SMALLEST` suits."""

PATIENCE = 30.0
"""Sizes are chosen anew when the gas price is this many times off what they suit."""


def sizes_from(smallest: float) -> F8:
    """As many sizes as there are lanes, each as many times the one before."""
    return np.asarray(np.geomspace(smallest, LARGEST, LANES), np.float64)


def suitable(gas_price_wei: int) -> float:
    """The smallest size, in ETH, at which a trade can pay its gas."""
    return min(max(SMALLEST * gas_price_wei / DEAR_WEI, LEAST), SMALLEST)


class Ladder:
    """The detector over a market, and the sizes it screens at."""

    def __init__(self, market: PackedMarket) -> None:
        self._market = market
        self._smallest = SMALLEST
        self._detector: Detector | None = None

    def detector(self, gas_price_wei: int) -> Detector:
        """The detector, with sizes that suit the gas price."""
        wanted = suitable(gas_price_wei)
        if self._detector is None or abs(math.log(wanted / self._smallest)) > math.log(PATIENCE):
            self._smallest = wanted
            self._detector = Detector(self._market, MOST_FOUND, MOST_SIZED, sizes_from(wanted))
        return self._detector
