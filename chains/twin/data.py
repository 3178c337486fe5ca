"""The recorded market the twin starts from: pools, tokens, swap sizes, exchange prices. See data/README.md."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from chains.assets import Address, address
from chains.twin.errors import CorruptSnapshot
from chains.twin.layout import safe_symbol

SNAPSHOT_BLOCK = 17_675_948
SNAPSHOT_TIME_S = 1_689_157_096
"""2023-07-12 10:18:16 UTC, the time of the snapshot's last event."""

DATA = Path(__file__).parent / "data"
POOLS_FILE = DATA / "pools_17675948.json.gz"
SWAP_SIZES_FILE = DATA / "swap_sizes_2024-01-05.json.gz"
MIDS_FILE = DATA / "mids_2024-08-08.json.gz"

V3_TICK_SPACINGS: Mapping[int, int] = {100: 1, 500: 10, 3000: 60, 10000: 200}
"""Tick spacing by fee in parts per million, as the factory's owner enabled them on mainnet."""


class Family(StrEnum):
    """Which factory a pool comes from."""

    UNISWAP_V2 = "uniswap_v2"
    SUSHI_V2 = "sushi_v2"
    UNISWAP_V3 = "uniswap_v3"


@dataclass(frozen=True, slots=True)
class TwinTokenRow:
    """A token of the snapshot. `symbol` is safe to print."""

    address: Address
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class RecordedPair:
    """A constant-product pair; `reserves` in base units, ordered as `tokens`. `block` is that of its last event."""

    family: Family
    address: Address
    tokens: tuple[Address, Address]
    fee_ppm: int
    block: int
    reserves: tuple[int, int]


@dataclass(frozen=True, slots=True)
class RecordedV3Pool:
    """A concentrated pool at its active tick. `liquidity` is the active one; ticks beyond it were not recorded."""

    family: Family
    address: Address
    tokens: tuple[Address, Address]
    fee_ppm: int
    block: int
    liquidity: int
    sqrt_price_x96: int
    tick: int

    @property
    def tick_spacing(self) -> int:
        return V3_TICK_SPACINGS[self.fee_ppm]


RecordedPool = RecordedPair | RecordedV3Pool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All recorded pools, by address in order, and the tokens they name."""

    pools: tuple[RecordedPool, ...]
    tokens: Mapping[Address, TwinTokenRow]


@lru_cache(maxsize=1)
def snapshot() -> Snapshot:
    """The market of block 17675948. Raises `CorruptSnapshot`."""
    raw = _read(POOLS_FILE)
    try:
        tokens = {
            address(token): TwinTokenRow(address(token), safe_symbol(symbol), decimals)
            for token, (symbol, decimals) in raw["tokens"].items()
        }
        return Snapshot(tuple(_pool(pool) for pool in raw["pools"]), tokens)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptSnapshot(
            f"{POOLS_FILE.name} is not a snapshot ({error!r}); restore it with git checkout"
        ) from error


@lru_cache(maxsize=1)
def swap_sizes_usd() -> Sequence[float]:
    """Notionals of a day's real swaps, in USD. Raises `CorruptSnapshot`."""
    return tuple(float(size) for size in _read(SWAP_SIZES_FILE))


@lru_cache(maxsize=1)
def recorded_mids() -> Mapping[str, tuple[Decimal, ...]]:
    """The exchange's mid-price at each full second, by symbol, not re-anchored. Raises `CorruptSnapshot`."""
    return {symbol: tuple(Decimal(mid) for mid in mids) for symbol, mids in _read(MIDS_FILE).items()}


def _pool(raw: Mapping[str, Any]) -> RecordedPool:
    family = Family(raw["family"])
    first, second = raw["tokens"]
    tokens = (address(first), address(second))
    state = [int(value) for value in raw["state"]]
    if family is Family.UNISWAP_V3:
        liquidity, sqrt_price_x96, tick = state
        return RecordedV3Pool(
            family, address(raw["address"]), tokens, raw["fee_ppm"], raw["block"], liquidity, sqrt_price_x96, tick
        )
    reserve0, reserve1 = state
    return RecordedPair(family, address(raw["address"]), tokens, raw["fee_ppm"], raw["block"], (reserve0, reserve1))


def _read(file: Path) -> Any:
    try:
        return orjson.loads(gzip.decompress(file.read_bytes()))
    except (OSError, EOFError, zlib.error, orjson.JSONDecodeError) as error:
        raise CorruptSnapshot(f"{file} cannot be read ({error}); restore it with git checkout") from error
