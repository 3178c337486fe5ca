"""`isthmus init` writes files that the reader accepts, and never over others."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.config.load import load

NODE = ["--node", "ws://127.0.0.1:8546", "--node", "http://127.0.0.1:8545"]


def test_what_init_writes_is_what_runs_without_a_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path / "mine")])
    assert result.exit_code == 0, result.stderr
    assert "isthmus config check" in result.stdout
    written = load(tmp_path / "mine" / "isthmus.toml").config
    assert written.digest == load().config.digest


def test_the_next_step_can_be_pasted_whatever_the_folder_is_called(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path / "my bot")])
    assert f"cd '{tmp_path / 'my bot'}' && isthmus config check" in result.stdout


def test_init_for_another_network_names_the_node(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path), "--network", "ethereum", *NODE, "--json"])
    assert result.exit_code == 0, result.stderr
    assert len(orjson.loads(result.stdout)["written"]) == 2
    loaded = load(tmp_path / "isthmus.toml")
    assert loaded.network.chain_id == 1
    assert [it.url for it in loaded.config.node.endpoints] == ["ws://127.0.0.1:8546", "http://127.0.0.1:8545"]


def test_a_network_file_is_named_as_it_lies_from_the_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my chain.toml").write_text('inherits = "ethereum"\nchain_id = 1337\ntest_chain = true\n')
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["init", "bots/first", "--network", "my chain.toml", *NODE])
    assert result.exit_code == 0, result.stderr
    assert load(tmp_path / "bots" / "first" / "isthmus.toml").network.chain_id == 1337


@pytest.mark.parametrize(("network", "listed"), [("ethereum", True), ("base", False), ("bsc", False)])
def test_where_no_list_of_pools_is_pools_of_every_protocol_are_discovered(
    tmp_path: Path, network: str, listed: bool
) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path), "--network", network, *NODE])
    assert result.exit_code == 0, result.stderr
    config = load(tmp_path / "isthmus.toml").config
    assert config.pools.discover is not listed
    assert bool(config.strategies[0].filter.venues) is listed


@pytest.mark.parametrize(
    ("network", "gained"),
    [
        ("ethereum", ("WETH", "USDC", "USDT", "WBTC")),
        ("base", ("WETH", "USDC", "cbBTC")),
        ("polygon", ("WETH", "WPOL", "USDC", "USDT")),
    ],
)
def test_cycles_may_gain_in_the_hubs_of_the_network(tmp_path: Path, network: str, gained: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path), "--network", network, *NODE])
    assert result.exit_code == 0, result.stderr
    assert load(tmp_path / "isthmus.toml").config.executor.profit_tokens == gained


def test_a_url_that_carries_a_key_is_not_left_behind(tmp_path: Path) -> None:
    secret = "https://node.example/v3/0123456789abcdef0123456789abcdef"
    arguments = ["init", str(tmp_path / "new"), "--network", "ethereum", "--node", "env:WS", "--node", secret]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "0123456789abcdef" not in result.stderr
    assert not (tmp_path / "new" / "isthmus.toml").exists()


def test_an_init_that_fails_half_way_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "strategies").touch()
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 4 and "strategies: there is something of that name already" in result.stderr
    (tmp_path / "strategies").unlink()
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0


@pytest.mark.parametrize("existing", ["isthmus.toml", "strategies/dex_arbitrage.toml"])
def test_init_overwrites_nothing(tmp_path: Path, existing: str) -> None:
    path = tmp_path / existing
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == f"error: {path}: already there; name another folder\n"
    assert path.read_text() == "mine"
    assert len([item for item in tmp_path.rglob("*") if item.is_file()]) == 1
