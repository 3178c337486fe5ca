"""Who starts a run on something wrong meets one line and its exit code; nothing was sent, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.cli.errors import ExitCode
from bot.keys import new_keystore
from chains.anvil import Anvil
from chains.tools import ROOT
from chains.twin import data
from tests.bot.running import Isthmus, twin_config

NETWORK = 'inherits = "ethereum"\nchain_id = 31337\ntest_chain = true\nblock_time_s = 1\nfinality_tag = false\n'
RUN = """\
network = "mine.toml"
strategies = ["dex_arbitrage.toml"]

[node]
endpoints = ["{ws}", "{http}"]

[executor]
profit_tokens = ["WETH"]

[ledger]
folder = "runs"

[dashboard]
enabled = false
"""
DEAD = "127.0.0.1:1"
PASSPHRASE = "correct horse"
EXECUTOR = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


@dataclass(frozen=True, slots=True)
class Chains:
    """Two nodes by `host:port`: an empty one on the network's chain id, and one on another."""

    here: str
    elsewhere: str


@pytest.fixture(scope="module")
def chains() -> Iterator[Chains]:
    """Real nodes on an event loop of their own, because the command under test brings its own too."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    nodes = [Anvil(["--chain-id", "31337"]), Anvil(["--chain-id", "5"])]
    for node in nodes:
        asyncio.run_coroutine_threadsafe(node.start(), loop).result(60)
    yield Chains(*(f"{node.host}:{node.port}" for node in nodes))
    for node in nodes:
        asyncio.run_coroutine_threadsafe(node.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def _written(folder: Path, ws: str, http: str, *changes: tuple[str, str]) -> Path:
    text = RUN.format(ws=f"ws://{ws}", http=f"http://{http}")
    for old, new in changes:
        assert old in text, f"{old!r} is not there to be changed"
        text = text.replace(old, new, 1)
    strategy = (ROOT / "strategies" / "dex_arbitrage.toml").read_text()
    (folder / "dex_arbitrage.toml").write_text(strategy)
    (folder / "mine.toml").write_text(NETWORK)
    path = folder / "isthmus.toml"
    path.write_text(text)
    return path


def _run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["run", "--config", str(config), "--for", "2s", *words])


def _refused(result: Result, code: ExitCode, *told: str) -> None:
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert all(part in line for part in told), line
    assert "Traceback" not in result.output and "--debug" not in result.output


def _nothing_begun(folder: Path) -> None:
    """No run in any ledger; only the one that is meant to last may be there at all."""
    for ledger in folder.rglob("*.sqlite3"):
        assert ledger.parent.name == "mine"
        with closing(sqlite3.connect(ledger)) as database:
            assert database.execute("SELECT count(*) FROM runs").fetchone() == (0,)


@pytest.mark.parametrize(
    ("ws", "http", "told"),
    [
        (DEAD, DEAD, ["no endpoint of mine answers", f"ws://{DEAD}: no node answers", f"http://{DEAD}: no JSON-RPC"]),
        ("elsewhere", "here", ["the node is on chain 5, but network mine is chain 31337", "correct the address"]),
        ("here", "elsewhere", ["the node is on chain 5, but network mine is chain 31337", "correct the address"]),
        ("here", "here", ["the node's chain has no Multicall3 at 0xcA11", "correct the node's address"]),
    ],
    ids=["every endpoint down", "another chain", "another chain over http", "an empty chain"],
)
def test_a_node_that_is_not_the_networks_is_told_from_the_right_one(
    tmp_path: Path, chains: Chains, ws: str, http: str, told: list[str]
) -> None:
    places = {"here": chains.here, "elsewhere": chains.elsewhere, DEAD: DEAD}
    result = _run(_written(tmp_path, places[ws], places[http]), "--mode", "dry")
    _refused(result, ExitCode.ENVIRONMENT, *told)
    _nothing_begun(tmp_path)


CONFIGURATIONS = [
    (
        "profit_tokens",
        "profit_token",
        "isthmus.toml:8: executor.profit_token: unknown key; did you mean 'profit_tokens'?",
    ),
    (
        '["WETH"]',
        '["WETX"]',
        "isthmus.toml:8: executor.profit_tokens[0]: unknown token 'WETX' on mine; did you mean 'WETH'?",
    ),
    (
        "[executor]\n",
        '[executor]\ninventory_caps = ["-1 WETH"]\n',
        "executor.inventory_caps[0]: negative amount '-1 WETH'",
    ),
    ("ws://", "ftp://", "isthmus.toml:5: node.endpoints[0].url: 'ftp://127.0.0.1:1' is not a ws/wss/http/https URL"),
    ("mine.toml", "main.toml", "isthmus.toml:1: network: "),
    ("[node]", "[node", "isthmus.toml:4: not valid TOML"),
]


@pytest.mark.parametrize("verb", [["run"], ["doctor"], ["config", "check"]], ids=" ".join)
@pytest.mark.parametrize(
    ("old", "new", "told"), CONFIGURATIONS, ids=[told.split(": ")[1] for *_, told in CONFIGURATIONS]
)
def test_a_bad_run_file_is_told_alike_by_every_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: list[str], old: str, new: str, told: str
) -> None:
    _written(tmp_path, DEAD, DEAD, (old, new))
    monkeypatch.chdir(tmp_path)
    _refused(CliRunner().invoke(main, verb), ExitCode.USAGE, told)
    _nothing_begun(tmp_path)


def test_a_negative_limit_names_the_strategys_file(tmp_path: Path) -> None:
    config = _written(tmp_path, DEAD, DEAD)
    strategy = tmp_path / "dex_arbitrage.toml"
    strategy.write_text(strategy.read_text().replace('day_loss = "2 ETH"', 'day_loss = "-2 ETH"'))
    _refused(_run(config), ExitCode.USAGE, "dex_arbitrage.toml:", "budget.day_loss: negative amount '-2 ETH'")


@pytest.mark.parametrize(
    ("changes", "words", "told"),
    [
        ([], [], "name a keystore"),
        ([("[executor]", '[signer]\nkeystore = "operator.json"\n\n[executor]')], [], "name your executor"),
        ([("mine.toml", "ethereum")], ["--mode", "live"], "add --live-on-chain-id 1 to trade there, or --mode dry"),
        ([("mine.toml", "ethereum")], ["--mode", "live", "--live-on-chain-id", "5"], "they must be equal"),
    ],
    ids=["no key", "no contract", "no consent", "consent to another chain"],
)
def test_live_asks_for_everything_it_needs_before_anything_is_opened(
    tmp_path: Path, changes: list[tuple[str, str]], words: list[str], told: str
) -> None:
    _refused(_run(_written(tmp_path, DEAD, DEAD, *changes), *words), ExitCode.USAGE, told)
    _nothing_begun(tmp_path)


def _live(folder: Path, chains: Chains) -> Path:
    new_keystore(folder / "operator.json", PASSPHRASE, light=True)
    executor = f'[signer]\nkeystore = "operator.json"\n\n[executor]\naddress = "{EXECUTOR}"'
    return _written(folder, chains.here, chains.here, ("[executor]", executor))


@pytest.mark.parametrize(
    ("passphrase", "code", "told"),
    [
        ("wrong horse", ExitCode.USAGE, ["operator.json", "wrong passphrase"]),
        ("", ExitCode.USAGE, ["passphrase: its first line is empty"]),
        (PASSPHRASE, ExitCode.ERROR, [EXECUTOR]),
    ],
    ids=["wrong passphrase", "empty passphrase", "no contract there"],
)
def test_a_live_run_opens_its_key_and_proves_its_contract_first(
    tmp_path: Path, chains: Chains, passphrase: str, code: ExitCode, told: list[str]
) -> None:
    config = _live(tmp_path, chains)
    secret = tmp_path / "passphrase"
    secret.write_text(passphrase)
    secret.chmod(0o600)
    _refused(_run(config, "--passphrase-file", str(secret)), code, *told)
    _nothing_begun(tmp_path)


def test_a_keystore_that_is_none_is_not_opened(tmp_path: Path, chains: Chains) -> None:
    config = _live(tmp_path, chains)
    (tmp_path / "operator.json").write_text("{")
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    _refused(_run(config, "--passphrase-file", str(secret)), ExitCode.USAGE, "operator.json")


def test_without_a_way_to_ask_a_passphrase_has_to_be_given(tmp_path: Path, chains: Chains) -> None:
    _refused(_run(_live(tmp_path, chains)), ExitCode.USAGE, "give --passphrase-file or --passphrase-fd")


EXCHANGE = (
    '[[exchanges]]\nname = "binance"\nsymbols = ["ETH/USDT"]\nurls = {{ api = {{ public = "http://{0}/api/v3" }} }}\n\n'
)


def test_an_exchange_that_is_not_there_is_named(tmp_path: Path, chains: Chains) -> None:
    config = _written(tmp_path, chains.here, chains.here, ("[executor]", EXCHANGE.format(DEAD) + "[executor]"))
    _refused(_run(config, "--mode", "dry"), ExitCode.ENVIRONMENT, "binance does not answer", "check its urls")
    _nothing_begun(tmp_path)


def test_secrets_that_are_kept_elsewhere_must_be_there(tmp_path: Path, chains: Chains) -> None:
    keys = EXCHANGE.format(DEAD) + 'api_key = "env:NO_SUCH_KEY"\napi_secret = "env:NO_SUCH_SECRET"\n\n'
    config = _written(tmp_path, chains.here, chains.here, ("[executor]", keys + "[executor]"))
    _refused(_run(config, "--mode", "dry"), ExitCode.USAGE, "NO_SUCH_KEY is not set; export it")


def _without_tools(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("chains.tools.NODE_MODULES", folder)
    monkeypatch.setenv("PATH", str(folder))


def _with_a_cut_snapshot(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    cut = folder / "pools.json.gz"
    cut.write_bytes(data.POOLS_FILE.read_bytes()[:5_000])
    monkeypatch.setattr(data, "POOLS_FILE", cut)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_without_tools, ["anvil is not installed; run `make setup`"]),
        (_with_a_cut_snapshot, ["pools.json.gz cannot be read", "restore it with git checkout"]),
    ],
    ids=["no anvil", "corrupt snapshot"],
)
def test_what_the_set_up_should_have_made_is_named_with_its_remedy(
    tmp_path: Path,
    chains: Chains,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch, Path], None],
    told: list[str],
) -> None:
    config = _written(tmp_path, chains.here, chains.here)
    data.snapshot.cache_clear()
    spoil(monkeypatch, tmp_path)
    _refused(_run(config, "--mode", "dry"), ExitCode.ENVIRONMENT, *told)
    _nothing_begun(tmp_path)


@pytest.mark.parametrize(
    ("ledger", "told"),
    [
        ('url = "sqlite:///spoilt.sqlite3x"', ["spoilt.sqlite3x", "not an SQLite database; restore a backup"]),
        ('url = "sqlite:///nowhere/ledger"', ["nowhere/ledger", "check that its folder exists"]),
        ('folder = "isthmus.toml"', ["isthmus.toml", "a part of that path is a file; name another path"]),
    ],
    ids=["corrupt", "no folder", "a file for a folder"],
)
def test_a_ledger_that_cannot_be_written_stops_the_start(tmp_path: Path, ledger: str, told: list[str]) -> None:
    (tmp_path / "spoilt.sqlite3x").write_bytes(b"no ledger " * 1000)
    config = _written(tmp_path, DEAD, DEAD, ('folder = "runs"', ledger))
    _refused(_run(config, "--mode", "dry"), ExitCode.ENVIRONMENT, "error: ", *told)
    assert (tmp_path / "spoilt.sqlite3x").read_bytes() == b"no ledger " * 1000


def test_a_full_disk_stops_the_start(tmp_path: Path) -> None:
    """No file may grow past what is left: to the ledger, that is what a full disk looks like."""
    config = _written(tmp_path, DEAD, DEAD)
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "bot", "run", "--mode", "dry", "--config", str(config)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == ExitCode.ENVIRONMENT, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert "ledger.sqlite3: the disk" in line
    _nothing_begun(tmp_path)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        twin_config(tmp_path, dashboard=f"port = {port}", certified=False)
        with Isthmus(tmp_path, "run", "--blocks", "1", "--json") as run:
            assert run.end() == ExitCode.ENVIRONMENT
    (error,) = run.errors()
    assert f"cannot listen on 127.0.0.1:{port}" in error
    assert "write another dashboard.port, or 0 for any free one" in error
    document = run.document()
    assert document["error"] == {"exit_code": 4, "kind": "DashboardUnavailable", "problems": [error]}
