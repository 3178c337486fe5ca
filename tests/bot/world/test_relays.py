"""Where a run's transactions can go, by its network: relays reach those they name, a rollup has its sequencer."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config.load import load
from bot.execution.build import unsigned_transaction
from bot.execution.fees import terms
from bot.world.relays import IDENTITY_FILE, open_relays, routes_of
from chains.executor import decode
from chains.networks import load_network
from chains.node.sending import SendOutcome, SendStatus
from chains.relays.destinations import MEMPOOL, Window
from chains.tools import ROOT
from tests.bot.execution.given import EXECUTOR, FEES, MARKS, cycle
from tests.bot.ledger.given import ETHER
from tests.bot.signer.making import OPERATOR

_RUN = """
network = "{network}"
strategies = ["{root}/strategies/dex_arbitrage.toml"]
[node]
endpoints = ["http://127.0.0.1:9"]
[executor]
profit_tokens = ["WETH"]
[execution]
private_above = "0.01 ETH"
{send_to}
[[relays]]
name = "flashbots"
url = "http://127.0.0.1:9"
"""


class _Node:
    """Keeps what it was given, as a rollup's endpoint gives it to the sequencer."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def send_raw(self, raw: bytes) -> SendOutcome:
        self.got.append(raw)
        return SendOutcome(SendStatus.ACCEPTED, "")


@pytest.mark.parametrize(
    ("network", "send_to", "public"),
    [
        ("base", "", True),
        ("optimism", "", True),
        ("arbitrum", "", True),
        ("ethereum", 'send_to = ["mempool", "flashbots"]', False),
    ],
)
async def test_what_relays_would_hide_goes_on_a_rollup_to_its_sequencer_with_the_last_block_in_it(
    tmp_path: Path, network: str, send_to: str, public: bool
) -> None:
    path = tmp_path / "isthmus.toml"
    path.write_text(_RUN.format(network=network, root=ROOT, send_to=send_to))
    loaded, node = load(path), _Node()
    dear = replace(cycle(profit_wei=ETHER), network=network)
    tx = unsigned_transaction(
        dear,
        terms(dear, FEES.worst_cost_wei, MARKS),
        FEES,
        nonce=0,
        chain_id=load_network(network).chain_id,
        sender=OPERATOR,
        executor=EXECUTOR,
    )
    async with AsyncExitStack() as stack:
        relays = await open_relays(loaded.config, network, tmp_path, stack)
        routes = routes_of(loaded.config, relays, node, lambda count: ())  # type: ignore[arg-type]
        names = routes.of(dear)
        if public:
            await routes.send(tx.data, names, Window(dear.block_number + 1, dear.deadline_block))
    assert names == ((MEMPOOL,) if public else ("flashbots",))
    assert (tmp_path / IDENTITY_FILE).exists() is not public, "nobody is signed for"
    assert [decode(data).max_block for data in node.got] == [dear.deadline_block] * public
