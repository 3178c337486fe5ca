"""The twin's recorded pools as a snapshot: of V3 only the active range, which is all that was recorded."""

from __future__ import annotations

from functools import lru_cache

from chains.assets import Token, address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import Pool
from chains.pools.tick_math import Ticks
from chains.snapshot import Recorded, Snapshot
from chains.twin.data import RecordedPair, RecordedPool, snapshot

WETH = address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
NETWORK = "ethereum"


@lru_cache(maxsize=1)
def recorded_snapshot() -> Snapshot:
    """All 1,780 recorded pools."""
    return Snapshot(tuple(Recorded(pool_of(entry), entry.block) for entry in snapshot().pools))


def pool_of(entry: RecordedPool) -> Pool:
    rows = snapshot().tokens
    one, other = (Token(NETWORK, at, rows[at].symbol, rows[at].decimals) for at in entry.tokens)
    if isinstance(entry, RecordedPair):
        return ConstantProductPool(entry.address, (one, other), entry.reserves, entry.fee_ppm)
    ticks = Ticks.around(entry.tick, entry.tick_spacing)
    state = entry.sqrt_price_x96, entry.tick, entry.liquidity
    return ConcentratedPool(entry.address, (one, other), entry.fee_ppm, *state, ticks)
