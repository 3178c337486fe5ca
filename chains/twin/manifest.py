"""The manifest beside the state file: what the twin is made of, pool by pool, and what it was built from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from chains.assets import Address
from chains.twin.data import RecordedPair, RecordedPool, Snapshot
from chains.twin.opening import FILLED_SPACINGS, Opening, filled_range

RECORDED = "recorded"
"""A pool that opens with exactly the recorded reserves, or price, tick and active liquidity."""


def manifest(
    snapshot: Snapshot, opening: Opening, *, chain_id: int, head: Mapping[str, Any], stamp: str, state_sha256: str
) -> dict[str, Any]:
    """The manifest as it is written. `head` is the JSON-RPC block the twin opens with."""
    pools = [_entry(pool) for pool in sorted(opening.pools, key=lambda pool: pool.address)]
    return {
        "stamp": stamp,
        "state_sha256": state_sha256,
        "chain_id": chain_id,
        "block": int(head["number"], 16),
        "timestamp_s": int(head["timestamp"], 16),
        "counts": {
            "pools": len(pools),
            "recorded": sum(pool["state"] == RECORDED for pool in pools),
            "filled": sum(pool["state"] != RECORDED for pool in pools),
            "range_filled": sum("range" in pool for pool in pools),
            "dropped": len(opening.dropped),
        },
        "tokens": [
            {"address": token.address, "symbol": token.symbol, "decimals": token.decimals}
            for token in snapshot.tokens.values()
            if token.address not in {pool.address for pool in snapshot.pools}
        ],
        "pools": pools,
        "dropped": [{"address": pool, "reason": reason} for pool, reason in sorted(opening.dropped.items())],
    }


def _entry(pool: RecordedPool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "address": pool.address,
        "family": pool.family.value,
        "tokens": list(pool.tokens),
        "fee_ppm": pool.fee_ppm,
        "state": RECORDED,
        "block": pool.block,
    }
    if not isinstance(pool, RecordedPair):
        lower, upper = filled_range(pool)
        entry["tick_spacing"] = pool.tick_spacing
        entry["range"] = f"filled ±{FILLED_SPACINGS} spacings"
        entry["filled_ticks"] = [lower, upper]
    return entry


def read_manifest(file: Path) -> dict[str, Any]:
    """The manifest in `file`. Raises `ValueError` when it is not one, `FileNotFoundError`."""
    value = orjson.loads(file.read_bytes())
    if not isinstance(value, dict) or "stamp" not in value or "pools" not in value:
        raise ValueError(f"{file} is not a manifest of the twin")
    return value


def pool_addresses(read: Mapping[str, Any]) -> frozenset[Address]:
    """The addresses of the pools a manifest lists."""
    return frozenset(Address(pool["address"]) for pool in read["pools"])
