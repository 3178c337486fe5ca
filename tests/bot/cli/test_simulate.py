"""`isthmus simulate` on a real chain: plans from files and ledgers, transactions by hash, bytes and file."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from bot.cli import main
from bot.clock import SystemClock
from bot.execution.moving import brought
from bot.ledger.ledger import Ledger
from bot.market import Market
from bot.mode import Mode
from bot.plan import Plan, Swap, encode_plan
from chains.anvil import Anvil
from chains.assets import Asset, Assets
from chains.blocks import Head
from chains.executor import HopKind
from chains.pools.pool import PoolFacts
from chains.tools import ROOT
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.plans import Rig, rig
from tests.contracts.market import CHAIN_ID, ETH, FEE_PPM, OPERATOR

AMOUNT = ETH // 100

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on() -> AsyncIterator[Rig]:
    async with rig() as opened:
        yield opened


async def simulated(on: Rig, *arguments: str) -> Result:
    command = ["simulate", *arguments, "--node", on.anvil.http_url, "--network", "twin"]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


def plan(on: Rig, head: Head, *, backwards: bool = False) -> Plan:
    """WETH, MID, DAI, WETH through V3 pools: it gains; the other way round it loses."""
    market = on.market
    walk = [market.weth, market.mid, market.dai, market.weth]
    if backwards:
        walk.reverse()
    steps = {(it.token_in, it.token_out): it for it in on.steps if it.kind is HopKind.CONCENTRATED}
    legs = tuple(Swap(steps[way].hop, *way, AMOUNT, AMOUNT) for way in itertools.pairwise(walk))
    return Plan("test", "twin", legs, True, 1, 1, 400_000, head.number, head.hash, head.number + 3)


@needs_evm
async def test_a_plan_is_told_with_its_gains_its_calls_and_what_moved_pools_make_of_it(on: Rig, tmp_path: Path):
    file = tmp_path / "plan.json"
    file.write_bytes(orjson.dumps(orjson.loads(encode_plan(plan(on, await on.head()))), option=orjson.OPT_INDENT_2))
    result = await simulated(on, str(file), "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = orjson.loads(result.stdout)
    gains = {each["account"]: int(each["units"]) for each in told["verdict"]["deltas"] if int(each["units"]) > 0}
    assert told["verdict"]["outcome"] == "ok" and told["verdict"]["deltas"] == told["in_process"]["deltas"]
    called = [line["name"].partition(" (")[0] for line in told["trace"] if line["function"] == "swap"]
    assert told["trace"][0]["name"] == "executor" and sorted(set(called)) == ["hop 1", "hop 2", "hop 3"]
    moved = [each["verdict"] for each in told["sensitivity"]]
    assert [each["bps"] for each in told["sensitivity"]] == [10, 50, 100]
    left = [_gain(each, told["trace"][0]["to"], on.market.weth.address) for each in moved]
    gain = _gain(told["verdict"], told["trace"][0]["to"], on.market.weth.address)
    assert gain > left[0] > left[1] > left[2] > 0 and gain in gains.values()
    # Three pools that each bring b bps less leave 3 b bps less of what comes out, a little more on the last unit.
    for bps, less in zip((10, 50, 100), left, strict=True):
        assert (gain - less) * 10_000 / (AMOUNT + gain) == pytest.approx(3 * bps, rel=0.05)
    # What the road foresees by quotes is what real trades leave, each pool being moved to a thousandth of its move.
    for bps, less, foreseen in zip((10, 50, 100), left, await _foreseen(on), strict=True):
        assert foreseen == pytest.approx(less, abs=3 * AMOUNT * bps // 10_000 // 300)


async def _foreseen(on: Rig) -> list[int]:
    """What the same plan gains by our own quotes where its pools move."""
    tokens = (on.market.weth, on.market.mid, on.market.dai)
    pools = Market(Assets({Asset(token.symbol): [token] for token in tokens}))
    for step in on.steps:
        if step.kind is HopKind.CONCENTRATED and step.hop.zero_for_one:
            facts = PoolFacts("concentrated", step.hop.pool, (step.token_in, step.token_out), FEE_PPM)
            pools.add_pool(await on.families.loaded(facts))
    amounts = brought(plan(on, await on.head()), pools, (10, 50, 100))
    return [amount - AMOUNT for amount in amounts if amount is not None]


def _gain(verdict: dict[str, Any], account: str, token: str) -> int:
    return next(int(it["units"]) for it in verdict["deltas"] if (it["account"], it["token"]) == (account, token))


async def test_a_plan_of_the_ledger_that_loses_is_told_with_the_reason_and_ends_with_3(on: Rig, tmp_path: Path):
    head = await on.head()
    losing, url = plan(on, head, backwards=True), str(tmp_path / "ledger.sqlite3")
    ledger = Ledger.open(url, SystemClock())
    ledger.start_run(Mode.DRY, "twin", CHAIN_ID, None, "", "here")
    ledger.at_head(head.number, head.timestamp_s)
    ledger.record_plan(losing)
    ledger.close()
    result = await simulated(on, losing.id, "--ledger", url, "--no-sensitivity")
    assert result.exit_code == 3, result.output
    assert "GainBelowMinimum(gain=-" in result.output and "it failed in executor" in result.output
    assert "if its pools move" not in result.output


async def test_a_mined_transaction_is_told_by_its_hash_as_it_was_mined_and_by_its_bytes(on: Rig, tmp_path: Path):
    head = await on.head()
    await on.move(AMOUNT)
    block = await on.anvil.rpc("eth_getBlockByNumber", "latest", True)
    [mined] = block["transactions"]
    receipt = await on.anvil.rpc("eth_getTransactionReceipt", mined["hash"])
    result = await simulated(on, mined["hash"], "--json")
    assert result.exit_code == 0, result.output
    told = orjson.loads(result.stdout)
    assert told["block"]["number"] == head.number
    assert told["verdict"]["gas"] == int(receipt["gasUsed"], 16)
    assert len(told["logs"]) == len(receipt["logs"])
    assert _gain(told["verdict"], on.market.executor, on.market.weth.address) > 0
    raw = await on.anvil.rpc("eth_getRawTransactionByHash", mined["hash"])
    again = orjson.loads((await simulated(on, raw, "--block", str(head.number), "--json")).stdout)
    assert again["verdict"] == told["verdict"]
    file = tmp_path / "tx.json"
    file.write_bytes(orjson.dumps(mined))
    late = await simulated(on, str(file))
    assert late.exit_code == 1 and f"{OPERATOR} is at" in late.output
    assert " gas at " not in late.output, "what is not known is no zero"


async def test_a_plan_of_a_twin_that_is_gone_is_told_where_it_can_still_be_run(tmp_path: Path, on: Rig):
    head = await on.head()
    file = tmp_path / "plan.json"
    file.write_bytes(encode_plan(plan(on, replace(head, number=head.number + 10))))
    result = await simulated(on, str(file))
    assert result.exit_code == 2
    assert f"--block {head.number} runs it there, and `isthmus why` tells what its own run saw" in result.stderr


async def test_the_network_left_out_is_that_of_the_run_file(tmp_path: Path):
    (tmp_path / "isthmus.toml").write_text('network = "twin"\nstrategies = ["s.toml"]\n')
    (tmp_path / "s.toml").write_bytes((ROOT / "strategies" / "dex_arbitrage.toml").read_bytes())
    async with Anvil(["--chain-id", str(CHAIN_ID)]) as anvil:
        command = ["simulate", "0x" + "12" * 32, "--node", anvil.http_url]
        configured = [*command, "--config", str(tmp_path / "isthmus.toml")]
        there = await asyncio.to_thread(CliRunner().invoke, main, configured)
        ethereum = await asyncio.to_thread(CliRunner().invoke, main, [*configured, "--network", "ethereum"])
    assert "the node knows no transaction" in there.stderr
    assert "network ethereum is chain 1" in ethereum.stderr


async def test_a_block_whose_state_the_node_threw_away_is_said_to_be_that(tmp_path: Path):
    async with Anvil(["--chain-id", str(CHAIN_ID), "--prune-history", "1"]) as anvil:
        await anvil.rpc("anvil_mine", hex(9))
        file = tmp_path / "tx.json"
        call = {"from": OPERATOR, "to": OPERATOR, "chainId": CHAIN_ID, "nonce": 0, "gas": 21_000}
        file.write_bytes(orjson.dumps(call))
        command = ["simulate", str(file), "--block", "1", "--node", anvil.http_url, "--network", "twin"]
        result = await asyncio.to_thread(CliRunner().invoke, main, command)
        assert result.exit_code == 4 and "the node does not have its state any more" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0x12", "is no plan's id, no file, no transaction's hash and no signed transaction"),
        ("0xc0" + "00" * 70, "only signed transactions of type 2"),
        ("0x02" + "00" * 70, "not a signed transaction"),
        ("nowhere.json", "cannot be read: No such file"),
    ],
)
async def test_what_names_nothing_is_refused_before_any_node_is_asked(text: str, said: str):
    command = ["simulate", text, "--node", "http://127.0.0.1:1", "--network", "twin"]
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert result.exit_code == 2 and said in result.output
