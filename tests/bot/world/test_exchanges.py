from __future__ import annotations

from pathlib import Path

import pytest

from bot.config.load import load
from bot.world.exchanges import exchange_of
from chains.tools import ROOT

NETWORK = """\
inherits = "ethereum"
[assets]
ETH = ["ETH", "WETH", "binance:ETH", "okx:ETH"]
USDT = ["USDT", "binance:USDT", "okx:USDT"]
[exchanges.okx]
decimals = 18
"""
RUN = """\
network = "mine.toml"
strategies = ["{root}/strategies/dex_arbitrage.toml"]
[node]
endpoints = ["ws://127.0.0.1:1"]
[[exchanges]]
name = "{name}"
symbols = ["ETH/USDT"]
[[transfers]]
source = "{name}:ETH"
target = "mine:ETH"
delay_s = 60
"""


@pytest.mark.parametrize(("name", "decimals"), [("okx", 18), ("binance", 8)])
async def test_an_exchange_accounts_as_exactly_as_the_networks_file_says(
    tmp_path: Path, name: str, decimals: int
) -> None:
    (tmp_path / "mine.toml").write_text(NETWORK)
    (tmp_path / "isthmus.toml").write_text(RUN.format(root=ROOT, name=name))
    loaded = load(tmp_path / "isthmus.toml")
    exchange = exchange_of(loaded.config.exchanges[0], loaded.network)
    assert exchange.token("ETH").decimals == decimals
    await exchange.close()
