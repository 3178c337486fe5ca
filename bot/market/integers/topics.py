"""The events of pairs and of pools with ranges, by number, for kernels."""

from __future__ import annotations

import numpy as np

from bot.market.integers.layout import limbs
from chains.pools import concentrated, constant_product, uniswap_v4, upgrades

SYNC, SWAP, PANCAKE, SWAP_BY_ID, LEFT = range(5)
"""From `LEFT` on, an event is for the pool's own `applied`."""

_EVENTS = (
    constant_product.SYNC,
    concentrated.SWAP,
    concentrated.PANCAKE_SWAP,
    uniswap_v4.SWAP,
    concentrated.MINT,
    concentrated.BURN,
    concentrated.INITIALIZE,
    uniswap_v4.MODIFY_LIQUIDITY,
    uniswap_v4.PROTOCOL_FEE_UPDATED,
    uniswap_v4.INITIALIZE,
    upgrades.UPGRADED,
    upgrades.BEACON_UPGRADED,
)

KNOWN = np.array([limbs(int.from_bytes(event, "big"), 4) for event in _EVENTS], np.uint64)
"""Their topics as words; anything else changes no state."""
