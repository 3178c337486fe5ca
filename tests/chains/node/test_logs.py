"""Ranges of logs from endpoints with limits of their own: nothing is left out, nothing is given twice."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from chains.anvil import RpcError
from chains.node import LogLimit, NoArchive, Node, RangeGone, Unreachable
from chains.node.refusals import Meaning, meaning
from tests.chains.node.scripted import PASS, Scripted, only
from tests.chains.node.support import LOGGER, OTHER_TOPIC, TOPIC, chain, emit, mine, node_on

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


async def _all(node: Node, blocks: range, **wanted: Any) -> tuple[list[range], list[int]]:
    chunks, found = [], []
    async for chunk in node.logs(blocks, [TOPIC], **wanted):
        chunks.append(chunk.blocks)
        found += [log.block_number for log in chunk.logs]
    return chunks, found


def _limited(longest: int, code: int, message: str) -> Any:
    def answer(params: list[Any]) -> Any:
        [criteria] = params
        asked = int(criteria["toBlock"], 16) - int(criteria["fromBlock"], 16) + 1
        return RpcError("", code, message) if asked > longest else PASS

    return only("eth_getLogs", answer)


@pytest.mark.parametrize(("code", "message"), REFUSALS, ids=[message[:24] for _, message in REFUSALS])
def test_what_providers_say_of_a_range_that_is_too_long_is_understood(code: int, message: str):
    assert meaning(RpcError("eth_getLogs", code, message), "eth_getLogs") is Meaning.LOG_RANGE


@pytest.mark.parametrize("longest", [1, 3, 10])
async def test_ranges_shrink_to_what_the_endpoint_gives(longest: int):
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        for number in range(1, 25):
            await (emit(anvil) if number % 3 else emit(anvil, OTHER_TOPIC))
        server.replace = _limited(longest, *REFUSALS[4])
        chunks, found = await _all(node, range(1, 25))
        assert found == [number for number in range(1, 25) if number % 3]
        assert [number for chunk in chunks for number in chunk] == [*range(1, 25)]
        assert max(map(len, chunks)) <= longest
        before = server.counts["eth_getLogs"]
        await _all(node, range(1, 25))
        assert server.counts["eth_getLogs"] - before <= 24 // longest + 8


async def test_ranges_grow_again_when_the_limit_is_gone():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        await mine(anvil, 40)
        server.replace = _limited(1, *REFUSALS[0])
        await _all(node, range(1, 5))
        server.replace = lambda method, params: PASS
        chunks, _ = await _all(node, range(1, 41))
        assert len(chunks[-2]) > 4


async def test_a_range_that_is_cut_off_or_times_out_is_asked_for_in_parts():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        for _ in range(8):
            await emit(anvil)

        def cut(params: list[Any]) -> Any:
            long = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) > 3
            return web.Response(body=b'{"jsonrpc":"2.0","id":1,"result":[{"addr') if long else PASS

        server.replace = only("eth_getLogs", cut)
        assert (await _all(node, range(1, 9)))[1] == [*range(1, 9)]


async def test_one_block_that_is_too_much_is_a_refusal_by_name():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        await mine(anvil, 4)
        server.replace = _limited(0, *REFUSALS[0])
        with pytest.raises(LogLimit, match="block 1 of twin alone has more logs"):
            await _all(node, range(1, 5))


async def test_blocks_that_are_not_there_or_no_longer_are_a_refusal_by_name():
    async with chain() as anvil, node_on(anvil.http_url) as node:
        await mine(anvil, 6)
        assert (await _all(node, range(1, 7)))[0] == [range(1, 7)]
        await anvil.rpc("anvil_rollback", 3)
        with pytest.raises(RangeGone, match=r"blocks 1 to 6 of twin cannot be read .* newest is block 3"):
            await _all(node, range(1, 7))
    refused = RpcError("", -32602, "block range extends beyond current head block")
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = only("eth_getLogs", refused)
        with pytest.raises(RangeGone, match="beyond current head"):
            await _all(node, range(1, 7))


async def test_logs_that_are_pruned_need_an_archive():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = only("eth_getLogs", RpcError("", 4444, "pruned history unavailable"))
        with pytest.raises(NoArchive, match="name an endpoint with an archive"):
            await _all(node, range(1))


async def test_only_the_addresses_asked_for_are_given():
    async with chain() as anvil, node_on(anvil.http_url) as node:
        await emit(anvil)
        assert (await _all(node, range(1, 2), addresses=[LOGGER]))[1] == [1]
        assert (await _all(node, range(1, 2), addresses=["0x" + "12" * 20]))[1] == []


async def test_logs_outside_the_range_are_not_believed():
    async with chain() as anvil, Scripted(anvil) as liar, node_on(liar.url) as node:
        await emit(anvil)
        await mine(anvil, 3)
        [log] = await anvil.rpc("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x1"})
        liar.replace = only("eth_getLogs", [{**log, "blockNumber": "0x9"}])
        with pytest.raises(Unreachable):
            await _all(node, range(2, 3))
