"""`isthmus tokens` on a real chain: what it prints, what it remembers, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.clock import SystemClock
from bot.ledger.ledger import Ledger
from bot.mode import Mode
from chains.anvil import Anvil
from chains.assets import Address, address
from tests.bot.safety.corpus import ANVIL_ARGUMENTS, OddWorld

NOBODY = address("0x" + "99" * 20)


@dataclass
class Chain:
    """A good and a bad token, each with a pair that no known factory made."""

    url: str
    good: Address
    bad: Address
    pools: dict[Address, Address]
    genesis: str

    def check(self, token: Address, *arguments: str) -> Result:
        command = ["tokens", "check", token, "--node", self.url, "--network", "twin", *arguments]
        return CliRunner().invoke(main, command)


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    loop = asyncio.new_event_loop()
    anvil = Anvil(ANVIL_ARGUMENTS)
    loop.run_until_complete(anvil.start())
    try:
        yield loop.run_until_complete(_made(anvil))
    finally:
        loop.run_until_complete(anvil.close())
        loop.close()


async def _made(anvil: Anvil) -> Chain:
    world = await OddWorld.open(anvil)
    good, bad = [await world.deploy(*which) for which in (("OddToken", "OddToken"), ("Taxed", "Salmonella"))]
    pools = {token: await world.pair(token) for token in (good, bad)}
    genesis = (await anvil.rpc("eth_getBlockByNumber", "0x0", False))["hash"]
    return Chain(anvil.http_url, good, bad, pools, genesis)


def test_a_supported_token_ends_with_0_and_says_what_was_measured(chain: Chain) -> None:
    result = chain.check(chain.good, "--pool", chain.pools[chain.good])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].endswith(": supported")
    assert "buy 0, sell 0, transfer 0" in result.stdout


def test_a_refused_token_ends_with_3_and_is_one_json_object(chain: Chain) -> None:
    result = chain.check(chain.bad, "--pool", chain.pools[chain.bad], "--json")
    assert result.exit_code == 3
    report = orjson.loads(result.stdout)
    assert (report["token"], report["standing"]) == (chain.bad, "refused")
    assert report["taxes"]["transfer_ppm"] == 900_001
    assert "events_differ" in report["oddities"]


def test_a_token_without_a_pool_ends_with_1_and_stays_untested(chain: Chain) -> None:
    result = chain.check(chain.good)
    assert result.exit_code == 1
    assert "untested" in result.stdout and "no pool of it with a well-known token on twin" in result.stdout


def test_what_was_measured_is_remembered_for_runs_on_that_chain(chain: Chain, tmp_path: Path) -> None:
    kept_in = tmp_path / "ledger.sqlite3"
    chain.check(chain.bad, "--pool", chain.pools[chain.bad], "--ledger", str(kept_in))
    ledger = Ledger.open(str(kept_in), SystemClock())
    ledger.start_run(Mode.LIVE, "twin", 31337, None, "digest", chain.genesis)
    report = ledger.token_report("twin", chain.bad)
    ledger.close()
    assert report is not None and report.standing == "refused"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["tokens", "check", "0x12"], 2, "is not a 20-byte hex address"),
        (["tokens", "check", NOBODY, "--node", "http://127.0.0.1:9", "--network", "twin"], 4, "no JSON-RPC node"),
        (["tokens", "check", NOBODY, "--node", "nowhere"], 2, "is not a node's URL"),
        (["tokens", "check", NOBODY, "--node", "http://[::1"], 2, "is not a node's URL"),
        (["networks", "check", "base", "--node", "http://127.0.0.1:99999"], 2, "is not a node's URL"),
        (["executor", "status", "--node", "ws://127.0.0.1:port"], 2, "is not a node's URL"),
        (["pools", "list", "--node", "ipc:///no/such.ipc"], 4, "start one there or correct the path"),
    ],
)
def test_what_cannot_be_asked_is_one_line(arguments: list[str], code: int, complaint: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, len(result.stderr.splitlines())) == (code, 1)
    assert complaint in result.stderr


def test_a_wrong_chain_and_a_wrong_pool_are_one_line(chain: Chain) -> None:
    wrong = chain.check(chain.good, "--network", "ethereum")
    assert wrong.exit_code == 4 and "is on chain 31337" in wrong.stderr
    pool = chain.check(chain.good, "--pool", chain.pools[chain.bad])
    assert pool.exit_code == 2 and "is not a pool of" in pool.stderr
