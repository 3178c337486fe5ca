"""The gateway that forks read through: counted, pinned, remembered, failing over; and a failed read stays an error."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import orjson
import pytest
from aiohttp import web

from bot.rpc import HttpRpc
from chains.anvil import Anvil, RpcError
from chains.assets import Address
from chains.node.gateway import Gateway, Served
from tests.chains.node.scripted import PASS, Scripted, only
from tests.chains.node.support import LOGGER, SENDER, TOPIC, Follow, chain, emit, mine, node_on


@pytest.mark.parametrize("wire", ["url", "ws_url"])
async def test_a_fork_through_the_gateway_reads_what_the_chain_has(wire: str):
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:
        await emit(anvil)
        before = node.calls_made
        async with Anvil(["--fork-url", getattr(gateway, wire), "--no-storage-caching"]) as fork:
            assert await fork.rpc("eth_getCode", LOGGER, "latest") == await anvil.rpc("eth_getCode", LOGGER, "latest")
            assert await fork.rpc("eth_getTransactionCount", SENDER, "latest") == "0x1"
        assert node.calls_made > before


async def test_over_a_websocket_an_answer_does_not_wait_for_what_was_asked_before_it():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node, Gateway(node) as gateway:
        asked, answered = asyncio.Event(), asyncio.Event()

        async def hold(method: str, params: list[Any]) -> Any:
            if method == "eth_getBalance":
                asked.set()
                await answered.wait()
            return PASS

        server.replace = hold
        async with aiohttp.ClientSession() as session, session.ws_connect(gateway.ws_url) as spoken:
            await spoken.send_str(_question(1, "eth_getBalance", SENDER, "latest"))
            await asked.wait()
            await spoken.send_str(_question(2, "eth_getTransactionCount", SENDER, "latest"))
            await spoken.send_str("this is not JSON")
            first = [orjson.loads((await spoken.receive()).data) for _ in range(2)]
            answered.set()
            last = orjson.loads((await spoken.receive()).data)
        assert {document["id"] for document in first} == {None, 2}
        assert (last["id"], last["result"]) == (1, hex(10**24))


async def test_of_a_fork_that_hangs_up_nothing_stays_until_garbage_is_looked_for():
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:
        gc.collect()
        gc.disable()
        try:
            async with aiohttp.ClientSession() as session:
                spoken = await session.ws_connect(gateway.ws_url)
                await spoken.send_str(_question(1, "eth_chainId"))
                await spoken.receive()
                spoken.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            for _ in range(500):
                if not any(type(each) is web.WebSocketResponse for each in gc.get_objects()):
                    break
                await asyncio.sleep(0.01)
            else:
                pytest.fail("the server's end of the connection is still there")
        finally:
            gc.enable()


async def test_a_gateway_ends_though_somebody_still_talks_to_it():
    async with chain() as anvil, node_on(anvil.ws_url) as node, aiohttp.ClientSession() as session:
        async with asyncio.timeout(10), Gateway(node) as gateway:
            spoken = await session.ws_connect(gateway.ws_url)
            await spoken.send_str(_question(1, "eth_chainId"))
            await spoken.receive()
        assert (await spoken.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_who_hangs_up_while_he_is_let_in_leaves_nothing_but_the_others_served(caplog: pytest.LogCaptureFixture):
    """As the fork's Anvil does when it is moved to another block."""
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:
        host, port = gateway.url.removeprefix("http://").rstrip("/").split(":")
        upgrade = (
            "GET / HTTP/1.1\r\nhost: gateway\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        for _ in range(20):
            with socket.create_connection((host, int(port))) as hasty:
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                hasty.sendall(upgrade.encode())
            await asyncio.sleep(0.005)
        async with aiohttp.ClientSession() as session, session.ws_connect(gateway.ws_url) as spoken:
            await spoken.send_str(_question(1, "eth_chainId"))
            assert orjson.loads((await spoken.receive()).data)["id"] == 1
    assert [record.getMessage() for record in caplog.records if record.name.startswith("aiohttp")] == []


def _question(number: int, method: str, *params: Any) -> str:
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).decode()


async def test_reads_of_a_followed_block_are_pinned_to_its_hash_and_asked_once():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node, Gateway(node) as gateway:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        seen: list[Any] = []

        def note(params: list[Any]) -> Any:
            seen.append(params[1])
            return PASS

        server.replace = only("eth_getBalance", note)
        async with HttpRpc(gateway.url) as rpc:
            for _ in range(3):
                assert await rpc.rpc("eth_getBalance", SENDER, "0x0") == hex(10**24)
            assert seen == [{"blockHash": follow.hashes[0], "requireCanonical": True}]
            assert gateway.remembered == 2
            await rpc.rpc("eth_getBalance", SENDER, "latest")
            await rpc.rpc("eth_getBalance", SENDER, "latest")
            assert seen[1:] == ["latest", "latest"]


async def test_what_is_pinned_to_a_block_that_was_reorganised_away_is_an_error():
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:
        await mine(anvil, 2)
        follow = Follow(node.blocks([TOPIC], 1))
        await follow.until_height(2)
        await anvil.rpc("anvil_reorg", 1, [])
        async with HttpRpc(gateway.url) as rpc:
            with pytest.raises(RpcError):
                await rpc.rpc("eth_getBalance", SENDER, "0x2")


async def test_a_read_that_failed_is_an_error_never_zero_and_is_not_remembered():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node, Gateway(node) as gateway:
        head = await node.head()
        pinned = {"blockHash": head.hash}
        server.replace = only("eth_getBalance", lambda params: web.Response(status=502))
        async with HttpRpc(gateway.url) as rpc:
            with pytest.raises(RpcError, match="HTTP 502"):
                await rpc.rpc("eth_getBalance", SENDER, pinned)
            server.replace = lambda method, params: PASS
            assert await rpc.rpc("eth_getBalance", SENDER, pinned) == hex(10**24)


async def test_the_gateway_fails_over_between_endpoints():
    async with chain() as anvil, Scripted(anvil) as broken, node_on(broken.url, anvil.ws_url) as node:
        broken.replace = only("eth_getBalance", lambda params: web.Response(status=502))
        async with Gateway(node) as gateway, HttpRpc(gateway.url) as rpc:
            assert await rpc.rpc("eth_getBalance", SENDER, "latest") == hex(10**24)


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "anvil_setBalance", "eth_accounts", "personal_sign"])
async def test_nothing_but_reads_is_served(method: str):
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:
        before = node.calls_made
        async with HttpRpc(gateway.url) as rpc:
            with pytest.raises(RpcError, match="for reads"):
                await rpc.rpc(method, "0x00")
        assert node.calls_made == before


async def test_a_revert_keeps_its_data_and_a_batch_its_order():
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:
        await anvil.rpc("anvil_setCode", LOGGER, "0x366000600037366000fd")
        calls = [
            {"jsonrpc": "2.0", "id": 7, "method": "eth_call", "params": [{"to": LOGGER, "data": "0x1234"}, "latest"]},
            {"jsonrpc": "2.0", "id": 8, "method": "eth_chainId", "params": []},
        ]
        async with aiohttp.ClientSession() as session, session.post(gateway.url, data=orjson.dumps(calls)) as answer:
            reverted, chain_id = orjson.loads(await answer.read())
        assert (reverted["id"], reverted["error"]["data"]) == (7, "0x1234")
        assert (chain_id["id"], chain_id["result"]) == (8, "0x7a69")
        async with aiohttp.ClientSession() as session, session.post(gateway.url, data=b"{") as answer:
            assert orjson.loads(await answer.read())["error"]["message"] == "not JSON"


async def test_a_fork_whose_node_dies_answers_cold_reads_with_an_error_never_with_zero():
    uncached = ["--no-storage-caching", "--retries", "1"]
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:  # noqa: SIM117
        async with Anvil(["--fork-url", gateway.url, *uncached]) as fork:
            assert await fork.rpc("eth_getBalance", LOGGER, "latest") == "0x0"
            await anvil.close()
            with pytest.raises(RpcError):
                await fork.rpc("eth_getBalance", SENDER, "latest")


async def test_an_account_is_told_as_a_whole_where_the_node_tells_only_its_parts_which_are_remembered():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node, Gateway(node) as gateway:
        server.replace = only("eth_getAccountInfo", RpcError("eth_getAccountInfo", -32601, "no such method"))
        pinned = {"blockHash": (await node.head()).hash}
        async with HttpRpc(gateway.url) as rpc:
            told = await rpc.rpc("eth_getAccountInfo", LOGGER, pinned)
            assert told == await anvil.rpc("eth_getAccountInfo", LOGGER, "latest")
            assert await rpc.rpc("eth_getCode", LOGGER, pinned) == told["code"] != "0x"
            assert gateway.remembered == 1


async def test_what_is_remembered_is_bounded_in_bytes_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chains.node.gateway.REMEMBERED_BYTES", 3_000)
    async with chain() as anvil, node_on(anvil.ws_url) as node, Gateway(node) as gateway:
        pinned = {"blockHash": (await node.head()).hash}
        calls = [{"to": LOGGER, "input": "0x" + bytes([number] * 500).hex()} for number in range(4)]
        async with HttpRpc(gateway.url) as rpc:
            for call in (*calls, calls[3]):
                await rpc.rpc("eth_call", call, pinned)
            assert gateway.remembered == 1
            await rpc.rpc("eth_call", calls[0], pinned)
            assert gateway.remembered == 1


async def test_code_that_many_accounts_share_is_kept_once_as_it_is_told():
    gateway = Gateway(cast(Served, SimpleNamespace()))
    for number in range(50):
        gateway.know("0x" + "11" * 32, Address(f"0x{number:040x}"), 0, 1, bytes([0x5B]) * 999)
    told = [answer for answer in gateway._known.values() if answer == "0x" + "5b" * 999]
    assert len(told) == 50 and len({id(answer) for answer in told}) == 1
