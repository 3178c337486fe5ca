"""Pools whose code changed: what was known of them is void, whatever their family. No I/O."""

from __future__ import annotations

from chains.blocks import Log
from chains.pools.pool import Pool, PoolError, Source
from chains.pools.words import topic

UPGRADED = topic("Upgraded(address)")
"""What a proxy emits when its implementation changes (EIP-1967, and zOS before it)."""
BEACON_UPGRADED = topic("BeaconUpgraded(address)")
TOPICS = frozenset({UPGRADED, BEACON_UPGRADED})


class CodeChanged(PoolError):
    """Other code than the one that was proven answers for the pool now."""


def followed(pool: Pool, log: Log) -> Pool:
    """`pool.applied(log)`, but for a log that says that a contract of the pool has other code now.

    Raises as `Pool.applied`, and `CodeChanged`.
    """
    if log.topics and log.topics[0] in TOPICS and Source(log.address) in pool.sources:
        raise CodeChanged(
            f"{log.address} has other code since block {log.block_number}; check what pool {pool.venue} does now, "
            "then load it again"
        )
    return pool.applied(log)
