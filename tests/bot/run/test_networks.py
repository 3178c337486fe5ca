"""Several networks in one process, and a network's file held against a real chain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import orjson
import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.config.options import Quiet
from bot.rpc import HttpRpc
from bot.run.ending import StoppingTogether
from chains.networks import Network, load_network
from chains.networks.checking import Finding, Standing, check
from chains.tools import ROOT
from chains.twin.client import TwinProcess

_RUN = """
network = "{network}"
strategies = ["{root}/strategies/dex_arbitrage.toml"]
{more}
[dashboard]
enabled = false
[ledger]
folder = "runs"
[twin]
pace_s = 0.1
[certificate]
enabled = false
"""
_TIMEOUT_S = 100.0


@pytest.fixture
async def twin() -> AsyncIterator[TwinProcess]:
    async with TwinProcess(seed=5, block_time_s=1, pace_s=0.5, stepped=False, taker_fee_ppm=230) as process:
        yield process


async def _findings(network: Network, url: str) -> dict[str, Finding]:
    async with HttpRpc(url) as rpc:
        return {finding.fact: finding async for finding in check(network, rpc.rpc)}


async def test_a_files_facts_are_held_against_a_node_and_two_networks_run_in_one_process(
    twin: TwinProcess, tmp_path: Path
) -> None:
    """One twin serves both: it takes seconds to make."""
    url = twin.descriptor["rpc_http"]
    await _some_blocks(url)
    await _the_twins_file_holds(url)
    await _a_wrong_file_differs(url)
    async with HttpRpc(url) as rpc:
        await rpc.rpc("anvil_setChainId", 1337)
    await _two_run_and_the_third_fails(twin, tmp_path)


async def _some_blocks(url: str) -> None:
    async with HttpRpc(url) as rpc:
        first = int(await rpc.rpc("eth_blockNumber"), 16)
        for _ in range(300):
            await asyncio.sleep(0.2)
            if int(await rpc.rpc("eth_blockNumber"), 16) >= first + 3:
                return
    raise AssertionError("the twin makes no blocks")


async def _the_twins_file_holds(url: str) -> None:
    network = load_network("twin")
    found = await _findings(network, url)
    assert {fact: f.found for fact, f in found.items() if f.standing is Standing.DIFFERS} == {}
    derived = {"addresses of uniswap_v2", "addresses of uniswap_v3"}
    assert {fact for fact, f in found.items() if f.standing is Standing.HOLDS} >= {
        "chain id", "multicall3", "contracts", "factories", "block time", "logs bloom", "gas model eip1559", *derived
    }  # fmt: skip


async def _a_wrong_file_differs(url: str) -> None:
    twin = load_network("twin")
    factory = twin.factory("uniswap_v3")
    wrong = replace(
        twin,
        block_time_s=12.0,
        contracts=MappingProxyType({}),
        factories=MappingProxyType(
            {
                "uniswap_v3": replace(factory, init_code_hash=bytes(32)),
                "nobody": replace(factory, protocol="nobody", address="0x" + "11" * 20),
            }
        ),
        gas=load_network("base").gas,
    )
    found = await _findings(wrong, url)
    differs = {fact: f for fact, f in found.items() if f.standing is Standing.DIFFERS}
    assert set(differs) == {
        "multicall3", "factories", "addresses of uniswap_v3", "block time", "gas model op_stack"
    }  # fmt: skip
    assert "nobody" in differs["factories"].remedy
    assert "init_code_hash" in differs["addresses of uniswap_v3"].remedy
    assert found["addresses of nobody"].standing is Standing.UNKNOWN
    ethereum = await _findings(load_network("ethereum"), url)
    assert [f.standing for f in ethereum.values()] == [Standing.DIFFERS], "nothing else is asked of another chain"


async def _two_run_and_the_third_fails(twin: TwinProcess, folder: Path) -> None:
    """One Ctrl-C ends both, each with its summary; the network without a node has failed, and said so."""
    (folder / "second.toml").write_text('inherits = "twin"\nchain_id = 1337\n')
    (folder / "third.toml").write_text('inherits = "twin"\nchain_id = 1337\n')
    nodes = {
        "twin": "",
        "second.toml": f'[node]\nendpoints = ["{twin.descriptor["rpc_ws"]}"]\n[pools]\ndiscover = true',
        "third.toml": '[node]\nendpoints = ["http://127.0.0.1:9"]',
    }
    arguments = []
    for number, (network, more) in enumerate(nodes.items()):
        path = folder / f"run{number}.toml"
        path.write_text(_RUN.format(network=network, root=ROOT, more=more))
        arguments += ["--config", str(path)]
    bot = await create_subprocess_exec(
        *(sys.executable, "-m", "bot", "run", *arguments, "--mode", "fork", "--json"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
    )
    assert bot.stdout is not None and bot.stderr is not None
    told: list[str] = []
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            while not all(any(line.startswith(name) and " settled " in line for line in told) for name in _TRADING):
                line = (await bot.stderr.readline()).decode()
                assert line, "".join(told)
                told.append(line)
            bot.send_signal(signal.SIGINT)
            output, rest = await bot.communicate()
    finally:
        if bot.returncode is None:
            os.kill(bot.pid, signal.SIGKILL)
            await bot.wait()
    told.append(rest.decode())
    document = orjson.loads(output.splitlines()[-1])
    assert list(document) == ["networks"]
    first, second, third = document["networks"]
    assert (first["network"], first["chain_id"]) == ("twin", 31337)
    assert (second["network"], second["chain_id"]) == ("second", 1337)
    assert first["ledger"] != second["ledger"]
    for each in (first, second):
        assert each["ledger_equals_chain"] is True
        assert sum(each["settled"].values()) > 0
    assert third["network"] == "third" and third["error"]["exit_code"] == 4
    assert any(line.startswith("third   ended: ") for line in "".join(told).splitlines())
    assert bot.returncode == 4


_TRADING = ("twin", "second")


def test_two_files_for_one_network_are_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(_RUN.format(network="twin", root=ROOT, more=""))
    refused = CliRunner().invoke(
        main, ["run", "--config", str(tmp_path / "a.toml"), "--config", str(tmp_path / "b.toml")]
    )
    assert refused.exit_code == 2
    assert "two of the --config files are for network twin" in refused.stderr


async def test_every_run_hears_a_signal_and_only_those_that_trade_go_on_until_the_second() -> None:
    async def trade(stopping_at: asyncio.Event) -> str:
        with together.run(Quiet()) as stopping:
            stopping.trading = True
            await stopping.asked.wait()
            stopping_at.set()
            await asyncio.Event().wait()
        return "never"

    async def begin() -> None:
        with together.run(Quiet()):
            await asyncio.Event().wait()

    with StoppingTogether() as together:
        heard = asyncio.Event()
        trading, beginning = asyncio.create_task(trade(heard)), asyncio.create_task(begin())
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(asyncio.CancelledError):
            await beginning
        await heard.wait()
        assert not trading.done()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(asyncio.CancelledError):
            await trading


async def test_a_halt_is_heard_by_every_run_but_those_that_are_over() -> None:
    halted, heard = list[str](), asyncio.Event()

    def hear() -> None:
        halted.append("trading")
        heard.set()

    async def halt() -> None:
        heard.clear()
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), 10)

    with StoppingTogether() as together:
        over, trading = together.run(Quiet()), together.run(Quiet())
        over.on_halt, trading.on_halt = partial(halted.append, "over"), hear
        with trading:
            with over:
                await halt()
            await halt()
    assert halted == ["over", "trading", "trading"]


def test_a_listed_network_says_what_is_proven() -> None:
    listed = CliRunner().invoke(main, ["networks", "list", "--json"])
    networks = {each["name"]: each for each in orjson.loads(listed.stdout)["networks"]}
    assert networks["bsc"]["block_time_s"] == 0.45
    assert {f["protocol"] for f in networks["polygon"]["factories"] if f["proven"]} == {"uniswap_v3"}
    one = CliRunner().invoke(main, ["networks", "list", "optimism"])
    assert "velodrome_v2" in one.stdout and "unproven" in one.stdout


def test_check_needs_a_node_over_http_and_answers_with_exit_code_four_without_one() -> None:
    assert CliRunner().invoke(main, ["networks", "check", "base"]).exit_code == 2
    assert CliRunner().invoke(main, ["networks", "check", "base", "--node", "ws://127.0.0.1:9"]).exit_code == 2
    assert CliRunner().invoke(main, ["networks", "check", "base", "--node", "http://127.0.0.1:9"]).exit_code == 4
    assert CliRunner().invoke(main, ["networks", "check", "bass", "--node", "http://127.0.0.1:9"]).exit_code == 2
