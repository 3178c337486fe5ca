"""Makes the three extracts beside this file from the recordings README.md names: `python make_extract.py FOLDER`.

`FOLDER` holds `market_snapshots/`, `yield/` and `exchange_streams/`. The result is the same bytes each time.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FAMILIES = {"uniswap_v2": "uniswap_v2", "sushiswap_v2": "sushi_v2", "uniswap_v3": "uniswap_v3"}
SWAP_DAY = "ethereum-0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640-2024-01-05.pool.tick.csv.gz"
SYMBOLS = ("ETHUSDT", "BTCUSDT")
DAYS = ("20240808", "20240809")


def pools(folder: Path) -> dict[str, Any]:
    """The Uniswap and Sushi pools that hold state, and the tokens they name."""
    with gzip.open(folder / "market_snapshots" / "pools_17675948.json.gz") as file:
        recorded = json.load(file)
    tokens: dict[str, list[Any]] = {}
    kept = []
    for pool in recorded:
        family = FAMILIES.get(pool["exchange_name"])
        if family is None:
            continue
        keys = ("liquidity", "sqrt_price_q96", "tick") if family == "uniswap_v3" else ("tkn0_balance", "tkn1_balance")
        state = [pool.get(key) for key in keys]
        if any(value is None or value != value for value in state) or not state[0]:
            continue
        for side in "01":
            tokens[pool[f"tkn{side}_address"]] = [pool[f"tkn{side}_symbol"], int(pool[f"tkn{side}_decimals"])]
        kept.append(
            {
                "family": family,
                "address": pool["address"],
                "tokens": [pool["tkn0_address"], pool["tkn1_address"]],
                "fee_ppm": int(pool["fee"]) if family == "uniswap_v3" else 3000,
                "block": pool["last_updated_block"],
                "state": [str(value) for value in state],
            }
        )
    kept.sort(key=lambda pool: str(pool["address"]).lower())
    return {"tokens": dict(sorted(tokens.items())), "pools": kept}


def swap_sizes(folder: Path) -> list[float]:
    """USDC notionals of the day's swaps, in order of time."""
    with gzip.open(folder / "yield" / "uniswap_v3_and_aave_days" / SWAP_DAY, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["tx_type"] == "SWAP"]
    return [round(abs(int(row["amount0"])) / 1e6, 2) for row in rows]


def mids(folder: Path) -> dict[str, list[str]]:
    """Each symbol's mid-price as recorded: the first, then the last one before each full second."""
    return {symbol: list(_seconds(folder, symbol)) for symbol in SYMBOLS}


def _seconds(folder: Path, symbol: str) -> Iterator[str]:
    second: int | None = None
    mid = Decimal(0)
    for day in DAYS:
        with gzip.open(folder / "exchange_streams" / "binance_spot" / f"{symbol.lower()}_{day}.gz", "rt") as file:
            for line in file:
                if "@bookTicker" not in line:
                    continue
                nanoseconds, frame = line.split(" ", 1)
                book = json.loads(frame)["data"]
                now = int(nanoseconds) // 10**9
                here = (Decimal(book["b"]) + Decimal(book["a"])) / 2
                if second is None:
                    second, mid = now - 1, here
                while second < now:
                    yield str(mid.normalize())
                    second += 1
                mid = here


def write(name: str, value: Any) -> None:
    raw = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    (HERE / name).write_bytes(gzip.compress(raw, 9, mtime=0))


if __name__ == "__main__":
    source = Path(sys.argv[1])
    write("pools_17675948.json.gz", pools(source))
    write("swap_sizes_2024-01-05.json.gz", swap_sizes(source))
    write("mids_2024-08-08.json.gz", mids(source))
