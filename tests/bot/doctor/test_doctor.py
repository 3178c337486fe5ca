"""The doctor on real things: Anvil, the local exchange, files and sockets, each well and each broken."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.clock import SystemClock
from bot.config.load import Loaded, load
from bot.config.model import RunConfig
from bot.doctor import Check, Status, examine, exchanges, surroundings, tools
from bot.doctor.exchanges import _key
from bot.keys import new_keystore
from chains.anvil import Anvil
from chains.exchanges.local import LocalExchange
from chains.networks import load_network
from chains.twin.anchors import ANCHORS
from tests.bot.config.writing import RUN, spoilt, written

TWIN = load_network("twin")
REAL_NODE = 'node = {{ endpoints = ["{ws}", "{http}"] }}\nnetwork = "local.toml"'
LOCAL = 'inherits = "twin"\n'
REAL = 'inherits = "twin"\ntest_chain = false\n'


class Clock(SystemClock):
    """The machine's clock, so many seconds off."""

    def __init__(self, off_s: float = 0) -> None:
        self._off_s = off_s

    def wall_s(self) -> float:
        return super().wall_s() + self._off_s


def _on(folder: Path, ws: str, http: str, network: str = LOCAL) -> Loaded:
    (folder / "local.toml").write_text(network)
    return load(written(folder, spoilt(RUN, 'network = "twin"', REAL_NODE.format(ws=ws, http=http))))


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    async with Anvil(["--chain-id", "31337"]) as running:
        await running.rpc("evm_mine")
        yield running


async def _node(loaded: Loaded, clock: Clock | None = None) -> dict[str, Check]:
    checks = await surroundings.node(loaded.config, loaded.network, clock or Clock())
    return {check.name: check for check in checks}


async def test_a_node_on_the_right_chain_is_well(tmp_path: Path, anvil: Anvil) -> None:
    found = await _node(_on(tmp_path, anvil.ws_url, anvil.http_url))
    assert {check.status for check in found.values()} == {Status.OK}
    assert "block 1" in found[f"node {anvil.ws_url}"].found
    assert "units today" in found[f"node {anvil.http_url}"].found


@pytest.mark.parametrize(
    ("off_s", "status"), [(0, Status.OK), (-60, Status.WARN), (10, Status.WARN), (60, Status.FAIL)]
)
async def test_an_old_head_or_a_wrong_clock_is_told(tmp_path: Path, anvil: Anvil, off_s: float, status: Status) -> None:
    found = await _node(_on(tmp_path, anvil.ws_url, anvil.http_url, REAL), Clock(off_s))
    assert found["clock and head"].status is status
    assert ("set the clock" in found["clock and head"].remedy) is (status is not Status.OK)


async def test_a_test_chain_may_keep_its_own_time(tmp_path: Path, anvil: Anvil) -> None:
    found = await _node(_on(tmp_path, anvil.ws_url, anvil.http_url), Clock(10**8))
    assert found["clock and head"].status is Status.WARN
    assert "a time of its own" in found["clock and head"].remedy


async def test_an_endpoint_on_another_chain_is_told_from_the_right_one(tmp_path: Path, anvil: Anvil) -> None:
    async with Anvil(["--chain-id", "1"]) as other:
        found = await _node(_on(tmp_path, anvil.ws_url, other.http_url))
    assert found[f"node {anvil.ws_url}"].status is Status.OK
    assert found[f"node {other.http_url}"].status is Status.FAIL
    assert "is on chain 1, but network local is chain 31337" in found[f"node {other.http_url}"].found


async def test_an_endpoint_that_is_behind_the_others_is_told(tmp_path: Path, anvil: Anvil) -> None:
    async with Anvil(["--chain-id", "31337"]) as other:
        await anvil.rpc("anvil_mine", "0x5")
        found = await _node(_on(tmp_path, anvil.ws_url, other.http_url))
    assert found[f"node {other.http_url} head"].status is Status.WARN
    assert "6 blocks behind" in found[f"node {other.http_url} head"].found


async def test_a_day_that_is_nearly_used_up_is_told(tmp_path: Path, anvil: Anvil) -> None:
    table = f'{{ url = "{anvil.http_url}", daily_units = 30, units = {{ eth_getBlockByNumber = 25 }} }}'
    (tmp_path / "local.toml").write_text(LOCAL)
    run = spoilt(RUN, 'network = "twin"', f'node = {{ endpoints = [{table}] }}\nnetwork = "local.toml"')
    found = await _node(load(written(tmp_path, run)))
    check = found[f"node {anvil.http_url}"]
    assert (check.status, "25 units of 30 (83%) today" in check.found) == (Status.WARN, True)


async def _failure(loaded: Loaded, name: str) -> Check:
    checks = [check async for check in examine(loaded, Clock())]
    found, *_ = [check for check in checks if check.status is Status.FAIL]
    assert found.name.startswith(name)
    assert found.remedy
    return found


async def test_a_node_on_another_chain_fails(tmp_path: Path, anvil: Anvil) -> None:
    loaded = _on(tmp_path, anvil.ws_url, anvil.http_url, REAL + "chain_id = 5\n")
    assert "31337" in (await _failure(_without_exchanges(loaded), "node")).found


async def test_a_node_that_is_not_there_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    loaded = _on(tmp_path, f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}")
    await _failure(_without_exchanges(loaded), "node")


def _without_exchanges(loaded: Loaded) -> Loaded:
    return Loaded(_changed(loaded.config, exchanges=()), loaded.network)


def _changed(config: RunConfig, **changes: Any) -> RunConfig:
    return config.model_copy(update=changes)


async def test_keystores_are_looked_at_without_opening_them(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    config = load(written(tmp_path, spoilt(RUN, "[signer]", '[signer]\nkeystore = "k.json"'))).config
    (missing,) = [check async for check in examine(Loaded(config, TWIN), Clock()) if check.name == "keystore"]
    assert missing.status is Status.FAIL
    address = new_keystore(path, "hunter2", light=True)
    (well,) = await surroundings.keystore(config, TWIN)
    assert well.status is Status.OK and address in well.found
    path.chmod(0o644)
    (open_to_others,) = await surroundings.keystore(config, TWIN)
    assert open_to_others.status is Status.FAIL
    assert f"chmod 600 {path}" in open_to_others.remedy


async def test_a_database_that_cannot_be_opened_fails(tmp_path: Path) -> None:
    run = spoilt(RUN, "[signer]", '[ledger]\nurl = "sqlite:///l.db"\n[signer]')
    loaded = load(written(tmp_path, run))
    (well,) = await surroundings.database(loaded.config, Clock())
    assert well.status is Status.OK
    (tmp_path / "l.db").write_bytes(b"not a database" * 100)
    assert "l.db" in (await _failure(loaded, "database")).found


async def test_a_ledger_per_run_leaves_nothing_behind_when_looked_at(tmp_path: Path) -> None:
    (well,) = await surroundings.database(load(written(tmp_path)).config, Clock())
    assert well.status is Status.OK
    assert not list((tmp_path / "var" / "runs").iterdir())


async def test_a_taken_port_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        loaded = load(written(tmp_path, spoilt(RUN, "port = 0", f"port = {port}")))
        assert f"127.0.0.1:{port}" in (await _failure(loaded, "ports")).found
    (free,) = await surroundings.ports(loaded.config)
    assert free.status is Status.OK


async def test_an_exchange_is_asked_through_the_real_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_TEST_KEY", "key")
    monkeypatch.setenv("ISTHMUS_TEST_SECRET", "secret")
    local = LocalExchange(ANCHORS)
    await local.start()
    try:
        local.deposit("key", "secret", "ETH", 10**8)
        keys = 'name = "binance"\napi_key = "env:ISTHMUS_TEST_KEY"\napi_secret = "env:ISTHMUS_TEST_SECRET"'
        loaded = load(written(tmp_path, spoilt(RUN, 'name = "binance"', keys)))
        settings = loaded.config.exchanges[0].model_copy(update={"urls": dict(local.ccxt_urls)})
        found = {check.name: check for check in await exchanges.look(settings, loaded.config, loaded.network)()}
    finally:
        await local.close()
    assert found["exchange binance"].status is Status.OK
    assert found["exchange binance clock"].status is Status.OK
    assert found["exchange binance key"] == Check("exchange binance key", Status.OK, "works, and cannot withdraw")


@pytest.mark.parametrize(("may", "status"), [(True, Status.FAIL), (False, Status.OK), (None, Status.WARN)])
def test_a_key_that_can_withdraw_is_refused(may: bool | None, status: Status) -> None:
    assert _key("key", may).status is status


async def test_an_exchange_that_is_not_there_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    urls = f'name = "binance"\nurls = {{ api = {{ public = "http://127.0.0.1:{port}/api/v3" }} }}'
    await _failure(load(written(tmp_path, spoilt(RUN, 'name = "binance"', urls))), "exchange binance")


@pytest.mark.parametrize(("free", "status"), [(10 << 30, Status.OK), (1 << 30, Status.WARN), (1 << 20, Status.FAIL)])
async def test_a_filling_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: Status
) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda _: usage)
    (check,) = await surroundings.disk(load(written(tmp_path)).config)
    assert check.status is status


def test_contracts_that_are_missing_or_stale_are_told(tmp_path: Path) -> None:
    source = tmp_path / "src" / "Executor.sol"
    source.parent.mkdir()
    source.touch()
    assert tools._contracts(tmp_path).status is Status.FAIL
    artefact = tmp_path / "out" / "Executor.sol" / "Executor.json"
    artefact.parent.mkdir(parents=True)
    artefact.touch()
    assert tools._contracts(tmp_path).status is Status.OK
    os.utime(artefact, (0, 0))
    assert tools._contracts(tmp_path).status is Status.WARN


def test_a_missing_anvil_is_exit_code_four(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("chains.tools.NODE_MODULES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["doctor", "--tools-only"])
    assert result.exit_code == 4
    assert "fail  anvil: not installed; run `make setup`" in result.stdout
    assert result.stderr == ""


def test_machines_get_every_check_as_an_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["doctor", "--json", "--config", str(written(tmp_path))])
    document = orjson.loads(result.stdout)
    assert {"python", "anvil", "node", "keystore", "database", "disk", "ports"} <= {
        check["name"] for check in document["checks"]
    }
    assert document["ok"] is (result.exit_code == 0)
