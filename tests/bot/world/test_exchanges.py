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


async def test_the_passphrase_of_a_key_is_read_from_where_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = "".join(f'api_{name} = "env:ISTHMUS_TEST_{name.upper()}"\n' for name in ("key", "secret", "passphrase"))
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.setenv(f"ISTHMUS_TEST_{name}", f"the {name}")
    (tmp_path / "mine.toml").write_text(NETWORK)
    run = RUN.format(root=ROOT, name="okx").replace("[[transfers]]", f"{keys}[[transfers]]")
    (tmp_path / "isthmus.toml").write_text(run)
    loaded = load(tmp_path / "isthmus.toml")
    exchange = exchange_of(loaded.config.exchanges[0], loaded.network)
    assert (exchange._client.secret, exchange._client.password) == ("the SECRET", "the PASSPHRASE")
    await exchange.close()
