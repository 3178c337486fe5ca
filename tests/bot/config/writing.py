"""A small valid configuration on disk, to be spoilt one key at a time."""

from __future__ import annotations

from pathlib import Path

RUN = """\
network = "twin"
strategies = ["dex.toml"]

[[exchanges]]
name = "binance"
symbols = ["ETH/USDT"]

[executor]
profit_tokens = ["WETH"]
inventory_caps = ["20 WETH"]

[signer]
max_fee_gwei = 200
gas_limit = 1_500_000

[dashboard]
port = 0
"""

STRATEGY = """\
strategy = "strategies.dex_arbitrage:DexArbitrage"

[parameters]
max_hops = 3
min_profit = "0.0005 ETH"

[budget]
capital = "5 ETH"
per_trade = "0.5 ETH"
hour_loss = "1 ETH"
day_loss = "2 ETH"
gas_day = "5 ETH"
drawdown = "1 ETH"

[filter]
tokens = ["WETH", "USDC"]
venues = ["uniswap_v3"]
"""


def written(folder: Path, run: str = RUN, strategy: str = STRATEGY) -> Path:
    """Write both files into `folder`; the run file's path."""
    path = folder / "isthmus.toml"
    path.write_text(run, encoding="utf-8")
    (folder / "dex.toml").write_text(strategy, encoding="utf-8")
    return path


def spoilt(text: str, old: str, new: str) -> str:
    """`text` with one passage replaced, which must be there."""
    assert old in text, f"{old!r} is not in the file to spoil"
    return text.replace(old, new, 1)
