"""What a run file and its network must agree on about gas."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.config.errors import ConfigError
from bot.config.load import load
from chains.networks import network_names
from chains.tools import ROOT

_RUN = """
network = "{network}"
strategies = ["{root}/strategies/dex_arbitrage.toml"]
[node]
endpoints = ["http://127.0.0.1:9"]
[executor]
profit_tokens = ["{token}"]
[signer]
max_tip_gwei = {tip}
"""


def _written(folder: Path, network: str, tip: int) -> Path:
    path = folder / "run.toml"
    token = {"avalanche": "WETH.e", "bsc": "ETH"}.get(network, "WETH")
    path.write_text(_RUN.format(network=network, tip=tip, root=ROOT, token=token))
    return path


def test_a_tip_that_no_node_of_the_network_takes_is_refused_with_the_least(tmp_path: Path) -> None:
    for tip in (10, 30, 33):
        with pytest.raises(ConfigError, match=r"polygon takes no tip below 30 gwei.*least `max_tip_gwei = 33.75`"):
            load(_written(tmp_path, "polygon", tip))
    assert load(_written(tmp_path, "polygon", 34)).network.chain_id == 137


@pytest.mark.parametrize("network", ["ethereum", "arbitrum", "base", "optimism", "bsc", "avalanche"])
def test_every_other_network_runs_with_the_usual_limits(tmp_path: Path, network: str) -> None:
    assert load(_written(tmp_path, network, 10)).network.name == network


def test_a_networks_own_file_is_read_beside_the_run_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('inherits = "base"\nchain_id = 84532\n[factories.uniswap_v2]\nfee_ppm = "x"\n')
    with pytest.raises(ConfigError, match=r"own\.toml: factories\.uniswap_v2\.fee_ppm: .*integer"):
        load(_written(tmp_path, "own.toml", 10))
    (tmp_path / "own.toml").write_text('inherits = "base"\nchain_id = 84532\n')
    assert load(_written(tmp_path, "own.toml", 10)).network.gas.name == "op_stack"


@pytest.mark.parametrize("network", sorted({*network_names()} - {"twin"}))
def test_a_first_configuration_of_every_network_is_one_that_loads(tmp_path: Path, network: str) -> None:
    arguments = ["init", str(tmp_path), "--network", network, "--node", "http://127.0.0.1:9"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    loaded = load(tmp_path / "isthmus.toml")
    assert loaded.network.name == network
    assert loaded.config.signer.max_tip_gwei * 10**9 >= 2 * loaded.network.gas.least_tip_wei


def test_an_exchange_that_is_called_as_the_network_is_refused(tmp_path: Path) -> None:
    """What lies at it would be sought on the chain, at an address that is a currency's name."""
    (tmp_path / "binance.toml").write_text('inherits = "twin"\n')
    path = _written(tmp_path, "binance.toml", 10)
    path.write_text(f'{path.read_text()}[[exchanges]]\nname = "binance"\nsymbols = ["ETH/USDT"]\n')
    with pytest.raises(ConfigError, match=r"run.toml:11: exchanges\[0\].name: the network is called 'binance' too"):
        load(path)
