"""What the twin's pools remember of their prices, as mainnet's do: enough for a mean price from the first block on."""

from __future__ import annotations

from collections.abc import Iterable

from chains.anvil import Anvil
from chains.networks import load_network
from chains.twin.data import RecordedPool, RecordedV3Pool
from chains.twin.deploy import call_data
from chains.twin.opening import send

HISTORY_S = 3600
"""So long before the twin's first second its pools were opened; until then each has stood at its recorded price."""

OBSERVATIONS = 800
"""As many blocks' prices a pool of two well-known tokens keeps; mainnet's larger pools keep some 700 upwards."""

_AT_A_TIME = 400
_GAS = 12_000_000


async def grow_memories(anvil: Anvil, pools: Iterable[RecordedPool]) -> None:
    """Have every V3 pool between two tokens that the network names keep `OBSERVATIONS`. Raises `AnvilFailed`."""
    known = {token.address for token in load_network("ethereum").tokens.values()}
    grown = [pool for pool in pools if isinstance(pool, RecordedV3Pool) and known.issuperset(pool.tokens)]
    calls = [
        (pool.address, call_data("increaseObservationCardinalityNext(uint16)", count))
        for pool in grown
        for count in range(_AT_A_TIME, OBSERVATIONS + 1, _AT_A_TIME)
    ]
    await send(anvil, calls, _GAS, [])
