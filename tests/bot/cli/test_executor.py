"""`isthmus executor` on a real Anvil: deployed, proved, swept, and refused where it must be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.clock import SystemClock
from bot.config.load import load
from bot.doctor.checks import Status
from bot.doctor.surroundings import operators
from bot.keys import new_keystore
from chains.anvil import Anvil
from chains.networks import load_network
from chains.twin.artefacts import own_contract
from chains.twin.layout import TWIN_TOKEN, slot, word
from tests.bot.config.writing import RUN, spoilt, written

TREASURY = "0x1111111111111111111111111111111111111111"
OPERATOR = "0x2222222222222222222222222222222222222222"
WETH, USDT = (load_network("twin").token(symbol).address for symbol in ("WETH", "USDT"))
ETHER = 10**18


@dataclass
class Chain:
    """An Anvil driven from plain functions, and an owner with ether on it."""

    loop: asyncio.AbstractEventLoop
    anvil: Anvil
    folder: Path
    owner: str

    @property
    def ws(self) -> str:
        return self.anvil.http_url.replace("http", "ws")

    def rpc(self, method: str, *params: Any) -> Any:
        return self.loop.run_until_complete(self.anvil.rpc(method, *params))

    def isthmus(self, *arguments: str, config: Path | None = None) -> Result:
        common = ["--config", str(config or self.folder / "isthmus.toml"), "--node", self.anvil.http_url]
        return CliRunner().invoke(main, ["executor", *arguments, *common])

    def signed(self, *arguments: str, config: Path | None = None) -> Result:
        secrets = ["--owner-keystore", str(self.folder / "owner.json"), "--passphrase-file", str(self.folder / "pass")]
        return self.isthmus(*arguments, *secrets, config=config)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("executor")
    written(folder)
    (folder / "pass").write_text("hunter2")
    (folder / "pass").chmod(0o600)
    owner = new_keystore(folder / "owner.json", "hunter2", light=True)
    loop = asyncio.new_event_loop()
    anvil = Anvil(["--chain-id", "31337"])
    loop.run_until_complete(anvil.start())
    try:
        running = Chain(loop, anvil, folder, owner)
        running.rpc("anvil_setBalance", owner, hex(ETHER))
        running.rpc("anvil_setCode", WETH, "0x" + own_contract("TwinToken", "deployedBytecode").hex())
        yield running
    finally:
        loop.run_until_complete(anvil.close())
        loop.close()


@pytest.fixture(scope="module")
def deployed(chain: Chain) -> dict[str, Any]:
    result = chain.signed("deploy", "--treasury", TREASURY, "--operator", OPERATOR, "--json")
    assert result.exit_code == 0, result.stderr
    return orjson.loads(result.stdout)


def test_a_deployment_has_what_the_run_file_and_the_options_say(chain: Chain, deployed: dict[str, Any]) -> None:
    assert deployed["owner"] == chain.owner
    assert (deployed["operators"], deployed["treasury"]) == ([OPERATOR], TREASURY)
    assert deployed["profit_tokens"] == [WETH]
    assert deployed["inventory_caps"] == {WETH: str(20 * ETHER)}
    assert (deployed["reference_window_s"], deployed["allowed_slippage_ppm"]) == (600, 20_000)
    assert deployed["references"] == {}


def test_what_is_no_token_on_the_chain_is_found_out_before_anything_is_deployed(chain: Chain, tmp_path: Path) -> None:
    config = written(tmp_path, spoilt(RUN, '["20 WETH"]', '["20 WETH", "500 USDT"]'))
    before = chain.rpc("eth_getTransactionCount", chain.owner, "latest")
    result = chain.signed("deploy", "--treasury", TREASURY, "--operator", OPERATOR, config=config)
    assert result.exit_code == 1 and "it is no token on this chain" in result.stderr
    assert chain.rpc("eth_getTransactionCount", chain.owner, "latest") == before


def test_a_token_that_no_pool_prices_is_found_out_before_anything_is_deployed(chain: Chain, tmp_path: Path) -> None:
    chain.rpc("anvil_setCode", USDT, "0x" + own_contract("TwinToken", "deployedBytecode").hex())
    config = written(tmp_path, spoilt(RUN, '["20 WETH"]', '["20 WETH", "500 USDT"]'))
    before = chain.rpc("eth_getTransactionCount", chain.owner, "latest")
    result = chain.signed("deploy", "--treasury", TREASURY, "--operator", OPERATOR, config=config)
    chain.rpc("anvil_setCode", USDT, "0x")
    assert result.exit_code == 1, result.stderr
    assert f"twin has no Uniswap V3 pool of {WETH} and {USDT}" in result.stderr
    assert chain.rpc("eth_getTransactionCount", chain.owner, "latest") == before


def test_an_owner_who_cannot_pay_is_told_before_anything_is_sent(chain: Chain, deployed: dict[str, Any]) -> None:
    held = chain.rpc("eth_getBalance", chain.owner, "latest")
    chain.rpc("anvil_setBalance", chain.owner, hex(10**9))
    result = chain.signed("deploy", "--treasury", TREASURY, "--operator", OPERATOR)
    chain.rpc("anvil_setBalance", chain.owner, held)
    assert result.exit_code == 1, result.stderr
    assert f"{chain.owner} has 0.000000001 coins, and this may cost 0." in result.stderr
    assert "nothing was sent, fund it first" in result.stderr


@pytest.mark.parametrize("act", [("deploy", "--treasury", TREASURY, "--operator", OPERATOR), ("sweep",), ("top-up",)])
def test_a_node_that_wants_a_higher_tip_than_the_run_file_allows_gets_nothing(
    act: tuple[str, ...], chain: Chain, deployed: dict[str, Any], tmp_path: Path
) -> None:
    """A node's word for the tip would pay all that the owner has to whoever makes the block."""
    config = written(tmp_path, spoilt(RUN, "[signer]", "[execution]\ntip_gwei = 0.4\n\n[signer]\nmax_tip_gwei = 0.5"))
    chain.rpc("anvil_setStorageAt", WETH, slot(TWIN_TOKEN.balance_slot(deployed["executor"])), word(7))
    chain.rpc("anvil_setBalance", OPERATOR, "0x0")
    before = chain.rpc("eth_getTransactionCount", chain.owner, "latest")
    which = () if act[0] == "deploy" else ("--executor", deployed["executor"])
    result = chain.signed(*act, *which, config=config)
    assert result.exit_code == 1, result.stderr
    assert "more than the 500000000 of signer.max_tip_gwei; nothing was sent" in result.stderr
    assert chain.rpc("eth_getTransactionCount", chain.owner, "latest") == before
    chain.rpc("anvil_setStorageAt", WETH, slot(TWIN_TOKEN.balance_slot(deployed["executor"])), word(0))


@pytest.mark.parametrize("amount", ["200 USDC", "0.2", "-1 ETH", "0 ETH"])
def test_keys_get_an_amount_of_the_networks_coin_or_nothing(
    amount: str, chain: Chain, deployed: dict[str, Any]
) -> None:
    """`200 USDC` meant the price of the gas, and would have sent two hundred coins to each hot key."""
    before = chain.rpc("eth_getTransactionCount", chain.owner, "latest")
    result = chain.signed("top-up", "--executor", deployed["executor"], "--to", amount)
    assert result.exit_code == 2 and amount in result.stderr, result.stderr
    assert chain.rpc("eth_getTransactionCount", chain.owner, "latest") == before
    assert chain.isthmus("status", "--executor", deployed["executor"], "--least", amount).exit_code == 2


def test_a_deployment_is_proved(chain: Chain, deployed: dict[str, Any]) -> None:
    result = chain.isthmus("verify", "--executor", deployed["executor"])
    assert result.exit_code == 0, result.stderr
    assert "verified" in result.stdout


def test_a_run_file_that_says_otherwise_is_told(chain: Chain, deployed: dict[str, Any], tmp_path: Path) -> None:
    config = written(tmp_path, spoilt(RUN, '"20 WETH"', '"21 WETH"'))
    result = chain.isthmus("verify", "--executor", deployed["executor"], config=config)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"error: inventory caps on chain are {WETH} up to {20 * ETHER}; correct executor.inventory_caps"
    ]


def test_a_run_file_with_another_price_bound_is_told(chain: Chain, deployed: dict[str, Any], tmp_path: Path) -> None:
    config = written(tmp_path, spoilt(RUN, "[executor]", "[executor]\nallowed_slippage_ppm = 30_000"))
    result = chain.isthmus("verify", "--executor", deployed["executor"], config=config)
    assert result.exit_code == 1 and "20000 ppm below a mean of 600 s on chain" in result.stderr


def test_an_address_without_a_contract_is_no_executor(chain: Chain) -> None:
    result = chain.isthmus("verify", "--executor", TREASURY)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"error: there is no contract at {TREASURY}; deploy one with `isthmus executor deploy`"
    ]


def test_what_the_contracts_hold_is_swept_to_the_treasury(chain: Chain, deployed: dict[str, Any]) -> None:
    held = slot(TWIN_TOKEN.balance_slot(deployed["inventory"]))
    chain.rpc("anvil_setStorageAt", WETH, held, word(7 * ETHER))
    result = chain.signed("sweep", "--executor", deployed["executor"], "--json")
    assert result.exit_code == 0, result.stderr
    (swept,) = orjson.loads(result.stdout)["swept"]
    assert swept["amount"] == str(7 * ETHER)
    balance = chain.rpc("eth_call", {"to": WETH, "data": "0x70a08231" + TREASURY[2:].rjust(64, "0")}, "latest")
    assert int(balance, 16) == 7 * ETHER


def test_who_sweeps_is_told_how_the_ledger_learns_of_it_where_anything_was_swept(
    chain: Chain, deployed: dict[str, Any]
) -> None:
    chain.rpc("anvil_setStorageAt", WETH, slot(TWIN_TOKEN.balance_slot(deployed["inventory"])), word(ETHER))
    said = [chain.signed("sweep", "--executor", deployed["executor"]).stdout for _ in range(2)]
    assert ["isthmus reconcile --book" in each for each in said] == [True, False]


@pytest.mark.parametrize("named", [(), ("--token", "ETH")], ids=["all", "named"])
def test_coins_that_lie_at_the_executor_are_swept_too(
    chain: Chain, deployed: dict[str, Any], named: tuple[str, ...]
) -> None:
    chain.rpc("anvil_setBalance", deployed["executor"], "0x7")
    result = chain.signed("sweep", "--executor", deployed["executor"], "--json", *named)
    assert result.exit_code == 0, result.stderr
    assert {it["token"]: it["amount"] for it in orjson.loads(result.stdout)["swept"]} == {"0x" + "00" * 20: "7"}


def test_who_tops_up_is_told_how_the_ledger_learns_of_it_where_anything_was_sent(
    chain: Chain, deployed: dict[str, Any]
) -> None:
    chain.rpc("anvil_setBalance", OPERATOR, "0x0")
    said = [chain.signed("top-up", "--executor", deployed["executor"]).stdout for _ in range(2)]
    chain.rpc("anvil_setBalance", OPERATOR, "0x0")
    assert ["isthmus reconcile --book" in each for each in said] == [True, False]


def test_a_token_that_does_not_answer_is_named_and_the_others_are_swept(chain: Chain, deployed: dict[str, Any]) -> None:
    chain.rpc("anvil_setStorageAt", WETH, slot(TWIN_TOKEN.balance_slot(deployed["executor"])), word(3))
    both = ("--token", TREASURY, "--token", "WETH")
    result = chain.signed("sweep", "--executor", deployed["executor"], *both, "--json")
    assert result.exit_code == 1
    told = orjson.loads(result.stdout)
    assert [it["amount"] for it in told["swept"]] == ["3"]
    assert [(it["contract"], it["token"]) for it in told["not_swept"]] == [
        (deployed[contract], TREASURY) for contract in ("executor", "inventory")
    ]
    assert [TREASURY in line and "was not swept" in line for line in result.stderr.splitlines()] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "code", "remedy"),
    [
        (["deploy", "--treasury", TREASURY], 2, "give --operator, or name signer.keystore"),
        (["deploy", "--treasury", "0x12", "--operator", OPERATOR], 2, "is not a 20-byte hex address"),
        (["sweep"], 2, "give --executor, or write executor.address"),
        (["sweep", "--executor", TREASURY], 1, "there is no contract at"),
        (["sweep", "--executor", TREASURY, "--token", "WEHT"], 1, "there is no contract at"),
    ],
)
def test_what_is_missing_is_asked_for(chain: Chain, arguments: list[str], code: int, remedy: str) -> None:
    result = chain.signed(*arguments)
    assert result.exit_code == code
    assert remedy in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_spending_on_a_real_chain_needs_its_id_repeated(chain: Chain, tmp_path: Path) -> None:
    node = 'node = { endpoints = ["http://127.0.0.1:1"] }\nnetwork = "ethereum"'
    config = written(tmp_path, spoilt(RUN, 'network = "twin"', node))
    options = ["deploy", "--treasury", TREASURY, "--operator", OPERATOR]
    for consent in ([], ["--live-on-chain-id", "31337"]):
        result = chain.signed(*options, *consent, config=config)
        assert result.exit_code == 2
        assert "add --live-on-chain-id 1 to spend there" in result.stderr
    agreed = chain.signed(*options, "--live-on-chain-id", "1", config=config)
    assert agreed.exit_code == 4
    assert "the node is on chain 31337, but network ethereum is chain 1" in agreed.stderr


def test_a_node_that_is_not_there_is_exit_code_four(chain: Chain) -> None:
    config = str(chain.folder / "isthmus.toml")
    options = ["--config", config, "--executor", TREASURY, "--node", "http://127.0.0.1:1"]
    result = CliRunner().invoke(main, ["executor", "verify", *options])
    assert result.exit_code == 4
    assert "http://127.0.0.1:1: no JSON-RPC node answers" in result.stderr


def test_a_run_whose_key_is_no_operator_ends_before_it_begins_and_the_doctor_says_so(
    chain: Chain, deployed: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text('inherits = "twin"\n')
    (tmp_path / "pass").write_text("hunter2")
    (tmp_path / "pass").chmod(0o600)
    first, second = [new_keystore(tmp_path / f"{name}.json", "hunter2", light=True) for name in ("first", "second")]
    run = spoilt(RUN, 'network = "twin"', 'network = "own.toml"')
    run = spoilt(run, '[[exchanges]]\nname = "binance"\nsymbols = ["ETH/USDT"]', f'[node]\nendpoints = ["{chain.ws}"]')
    run = spoilt(run, "[executor]", f'[executor]\naddress = "{deployed["executor"]}"')
    config = written(
        tmp_path, spoilt(run, "[signer]", '[signer]\nkeystore = "first.json"\nfurther_keys = ["second.json"]')
    )
    started = CliRunner().invoke(
        main, ["run", "--config", str(config), "--blocks", "1", "--passphrase-file", str(tmp_path / "pass")]
    )
    assert started.exit_code == 1, started.output
    told = [line for line in started.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 2 and first in told[0] and second in told[1]
    assert all(f"takes orders from {OPERATOR}" in line for line in told)
    loaded = load(config)
    checks = chain.loop.run_until_complete(operators(loaded.config, loaded.network, SystemClock()))
    assert [(check.status, who in check.found) for check, who in zip(checks, (first, second), strict=True)] == [
        (Status.FAIL, True)
    ] * 2
