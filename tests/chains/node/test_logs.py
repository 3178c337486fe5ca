"""What endpoints say where they do not give the logs of a range."""

from __future__ import annotations

import pytest

from chains.anvil import RpcError
from chains.node import NoArchive
from chains.node.refusals import Meaning, meaning
from tests.chains.node.scripted import Scripted, only
from tests.chains.node.support import OTHER_TOPIC, TOPIC, chain, emit, node_on

REFUSALS = [
    (-32005, "query returned more than 10000 results. Try with this block range [0x1, 0x2]."),
    (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range"),
    (-32600, "You can make eth_getLogs requests with up to a 10 block range."),
    (-32000, "eth_getLogs and eth_newFilter are limited to a 10,000 blocks range"),
    (-32000, "block range is too wide (maximum 10)"),
    (-32701, "exceed maximum block range: 50000"),
    (-32005, "limit exceeded"),
    (-32000, "query timeout exceeded"),
    (-32062, "Block range is too large"),
    (-32602, "query exceeds max results 20000, retry with the range 1-9"),
    (-32603, "ranges over 10000 blocks are not supported on freetier"),
]


@pytest.mark.parametrize(("code", "message"), REFUSALS, ids=[message[:24] for _, message in REFUSALS])
def test_what_providers_say_of_a_range_that_is_too_long_is_understood(code: int, message: str):
    assert meaning(RpcError("eth_getLogs", code, message), "eth_getLogs") is Meaning.LOG_RANGE


async def test_a_block_with_more_logs_than_a_provider_gives_is_read_of_its_receipts():
    """Anyone can write so many logs of a pool's event into a block, which no run would ever have come past."""
    too_many = RpcError("", -32005, "query returned more than 10000 results")
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        await emit(anvil, OTHER_TOPIC, mine=False)
        tx_hash = await emit(anvil)
        head = await node.head()
        server.replace = only("eth_getLogs", too_many)
        [log] = await node.logs_of(head, [TOPIC], None)
        assert (log.topics, log.tx_hash) == ((TOPIC,), tx_hash)


async def test_logs_that_are_pruned_need_an_archive():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = only("eth_getLogs", RpcError("", 4444, "pruned history unavailable"))
        with pytest.raises(NoArchive, match="name an endpoint with an archive"):
            await node.request("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x0"})
