"""One factor per exchange symbol that moves its recorded prices (August 2024) onto the snapshot's (12 July 2023).

Factor = snapshot price / first recorded mid-price of the symbol's `bookTicker`. The snapshot price of ETHUSDT is that
of the deepest WETH/USDT pool, Uniswap V3 0.05 % 0x11b8…97F6 (1890.3903 USDT); of BTCUSDT, Uniswap V3 0.05 % WBTC/WETH
0x4585…20c0 (16.251277 WETH) times that. The first recorded mids are 2683.805 and 61837.635 USDT.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

ANCHORS: Mapping[str, Decimal] = MappingProxyType(
    {
        "ETHUSDT": Decimal("0.704369453026646679"),
        "BTCUSDT": Decimal("0.496805164472346667"),
    }
)
"""Recorded price times this is the twin's price, by the exchange's symbol."""
