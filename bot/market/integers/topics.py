"""The events of pairs and of pools with ranges, by number, for kernels."""

from __future__ import annotations

import numpy as np

from bot.market.integers.layout import limbs
from chains.pools import concentrated, constant_product

SYNC, SWAP, PANCAKE, LEFT = range(4)
"""From `LEFT` on, an event is for the pool's own `applied`."""

_EVENTS = (
    constant_product.SYNC,
    concentrated.SWAP,
    concentrated.PANCAKE_SWAP,
    concentrated.MINT,
    concentrated.BURN,
    concentrated.INITIALIZE,
)

KNOWN = np.array([limbs(int.from_bytes(event, "big"), 4) for event in _EVENTS], np.uint64)
"""Their topics as words; anything else changes no state."""
