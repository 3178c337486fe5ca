"""Several endpoints as one node: failover, hedging, limits, and clear words when nobody answers."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web

from chains.anvil import Anvil, RpcError
from chains.node import EndpointSettings, NoArchive, NodeEvent, SendCause, SendStatus, Unreachable, WrongChain
from chains.node.answers import Request
from chains.node.errors import BadAnswer, Busy
from tests.chains.node.scripted import PASS, Scripted, only
from tests.chains.node.support import LOGGER, SENDER, chain, node_on
from tests.chains.node.test_node import WALLET, signed

DEAD = "http://127.0.0.1:9"
BALANCE = "0x" + f"{10**24:x}"


async def test_what_one_endpoint_cannot_answer_another_does():
    async with chain() as anvil, Scripted(anvil) as first, node_on(first.url, anvil.http_url) as node:
        first.replace = only("eth_getBalance", lambda params: web.Response(status=503))
        assert await node.balance(SENDER) == 10**24
        assert first.counts["eth_getBalance"] == 1


@pytest.mark.parametrize(
    ("spoilt", "named"),
    [
        (web.Response(body=b"<html>Bad gateway</html>"), "answered with a web page"),
        (web.Response(body=b'{"jsonrpc":"2.0","id":2,"resu'), "cut short"),
        (web.Response(body=b'{"jsonrpc":"2.0","id":999,"result":"0x1"}'), "another id"),
        (web.Response(body=b'{"jsonrpc":"2.0","id":2}'), "neither a result nor an error"),
        (web.Response(body=b""), "answered with nothing"),
        (None, "answered with null, which cannot be"),
        ([], "answered with list, which cannot be"),
        ("0x", "which cannot be"),
        (web.Response(status=500, body=b"oops"), "HTTP 500"),
        (web.Response(status=401), "refuses the key"),
    ],
    ids=["html", "truncated", "wrong id", "neither", "empty", "null", "list", "no digits", "5xx", "key"],
)
async def test_what_is_no_answer_is_named(spoilt: object, named: str):
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = only("eth_getBalance", spoilt)
        with pytest.raises(Unreachable, match=named) as refusal:
            await node.balance(SENDER)
        assert server.url in str(refusal.value)
        server.replace = lambda method, params: PASS
        assert await node.balance(SENDER) == 10**24


async def test_every_endpoint_down_is_one_line_that_names_each():
    node = node_on(DEAD, "ws://127.0.0.1:9")
    with pytest.raises(Unreachable, match="no endpoint of twin answers") as refusal:
        await node.connect()
    text = str(refusal.value)
    assert "http://127.0.0.1:9" in text and "ws://127.0.0.1:9" in text and "add another under [node]" in text
    assert "\n" not in text
    await node.close()


async def test_one_endpoint_that_is_down_at_the_start_does_not_stop_it():
    told: list[NodeEvent] = []
    async with chain() as anvil, node_on(DEAD, anvil.ws_url) as node:
        node.listen(told.append)
        assert await node.balance(SENDER) == 10**24
    assert [event.name for event in told] == ["endpoint_down"]


async def test_an_endpoint_on_another_chain_is_refused_at_the_start():
    async with chain() as anvil, Anvil(["--chain-id", "5"]) as stranger:
        with pytest.raises(WrongChain, match=f"{stranger.http_url}: the node is on chain 5"):
            await node_on(anvil.ws_url, stranger.http_url).connect()


async def test_an_endpoint_that_changes_chain_while_connected_is_dropped_and_comes_back_with_proof():
    told: list[str] = []
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url, anvil.ws_url) as node:
        node.listen(lambda event: told.append(event.name))
        changed, _ = node.endpoints
        server.replace = only("eth_chainId", "0x5")
        changed.suspect()
        changed._chain_due_s = None
        assert await node.balance(SENDER) == 10**24
        assert changed.health.dropped is not None
        server.replace = lambda method, params: PASS
        assert await node._court.prove(changed)
        assert changed.health.dropped is None
    assert told[0] == "endpoint_dropped" and told[-1] == "endpoint_back"


async def test_every_endpoint_on_another_chain_is_the_wrong_chain():
    async with chain() as anvil, Scripted(anvil) as one, Scripted(anvil) as two, node_on(one.url, two.url) as node:
        for server, endpoint in zip((one, two), node.endpoints, strict=True):
            server.replace = only("eth_chainId", "0x5")
            endpoint._chain_due_s = None
        with pytest.raises(WrongChain):
            await node.balance(SENDER)
        with pytest.raises(WrongChain, match="it is on chain 5"):
            await node.balance(SENDER)


async def test_a_second_endpoint_is_asked_when_the_first_is_slower_than_it_usually_is():
    async with chain() as anvil, Scripted(anvil) as first, node_on(first.url, anvil.http_url) as node:
        node._pool.leader = node.endpoints[0]
        for _ in range(25):
            await node.balance(SENDER)
        assert first.counts["eth_getBalance"] == 25
        first.slow_s = 1.5
        begun = time.monotonic()
        assert await node.balance(SENDER) == 10**24
        assert time.monotonic() - begun < 1.0


async def test_no_second_endpoint_is_asked_where_its_units_run_short():
    async with chain() as anvil, Scripted(anvil) as first, Scripted(anvil) as second:
        poor = EndpointSettings(second.url, daily_units=100, units={"eth_chainId": 90})
        async with node_on(first.url, poor) as node:
            node._pool.leader = node.endpoints[0]
            for _ in range(25):
                await node.balance(SENDER)
            first.slow_s = 0.2
            assert await node.balance(SENDER) == 10**24
            assert second.counts["eth_getBalance"] == 0


async def test_too_many_requests_are_waited_for_as_long_as_the_endpoint_says():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = only("eth_getBalance", lambda params: web.Response(status=429, headers={"Retry-After": "1"}))
        with pytest.raises(Busy):
            await node.balance(SENDER)
        server.replace = lambda method, params: PASS
        begun = time.monotonic()
        assert await node.balance(SENDER) == 10**24
        assert 0.8 < time.monotonic() - begun < 1.9


async def test_a_longer_rest_than_anyone_waits_is_a_refusal_and_another_endpoint_answers():
    async with chain() as anvil, Scripted(anvil) as server:
        async with node_on(server.url) as node:
            server.replace = only(
                "eth_getBalance", lambda params: web.Response(status=429, headers={"Retry-After": "60"})
            )
            for _ in range(2):
                with pytest.raises(Busy):
                    await node.balance(SENDER)
            assert server.counts["eth_getBalance"] == 1
        async with node_on(server.url, anvil.http_url) as node:
            assert await node.balance(SENDER) == 10**24


async def test_an_error_answer_that_says_too_many_requests_is_one():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = only("eth_getBalance", RpcError("", -32005, "daily request count exceeded, rate limited"))
        with pytest.raises(Busy, match="requests_per_s"):
            await node.balance(SENDER)


async def test_no_more_requests_a_second_are_made_than_the_provider_allows():
    async with chain() as anvil, node_on(EndpointSettings(anvil.http_url, requests_per_s=20)) as node:
        begun = time.monotonic()
        await asyncio.gather(*(node.balance(SENDER) for _ in range(30)))
        assert time.monotonic() - begun > 0.45


async def test_a_method_that_an_endpoint_does_not_have_is_not_asked_of_it_again():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url, anvil.http_url) as node:
        server.replace = only("eth_getBalance", RpcError("", -32601, "Method not found"))
        for _ in range(3):
            assert await node.balance(SENDER) == 10**24
        assert server.counts["eth_getBalance"] == 1


async def test_a_method_it_may_not_be_asked_is_never_asked_of_it():
    async with chain() as anvil, Scripted(anvil) as server:
        barred = EndpointSettings(server.url, not_asked=frozenset({"eth_getBalance"}))
        async with node_on(barred, anvil.http_url) as node:
            assert await node.balance(SENDER) == 10**24
        async with node_on(barred) as node:
            with pytest.raises(Unreachable, match="may not be asked for it"):
                await node.balance(SENDER)
        assert server.counts["eth_getBalance"] == 0


async def test_a_backup_is_asked_only_when_nobody_else_answers():
    async with chain() as anvil, Scripted(anvil) as first, Scripted(anvil) as second:
        backup = EndpointSettings(second.url, backup=True)
        async with node_on(backup, first.url) as node:
            assert await node.balance(SENDER) == 10**24
            assert second.messages == 0
            first.replace = only("eth_getBalance", lambda params: web.Response(status=502))
            assert await node.balance(SENDER) == 10**24
            assert second.counts["eth_getBalance"] == 1


async def test_a_key_without_an_archive_is_a_refusal_that_says_so():
    refused = RpcError("", -32000, "missing trie node 1f8c… (path ) state 0x77 is not available")
    async with chain() as anvil, Scripted(anvil) as server:
        server.replace = only("eth_getBalance", refused)
        async with node_on(server.url) as node:
            with pytest.raises(NoArchive, match=r"no endpoint of twin has so old a state .* with an archive"):
                await node.balance(SENDER, 0)
        async with node_on(server.url, EndpointSettings(anvil.http_url, archive=True)) as node:
            assert await node.balance(SENDER, 0) == 10**24
        async with node_on(server.url, EndpointSettings(anvil.http_url, archive=False)) as node:
            with pytest.raises(NoArchive):
                await node.balance(SENDER, 0)


async def test_a_block_that_one_endpoint_does_not_have_is_read_from_another():
    async with chain() as ahead, chain() as behind, node_on(behind.http_url, ahead.http_url) as node:
        await ahead.rpc("evm_mine")
        head = await node.endpoints[1].latest()
        assert await node.balance(SENDER, head.head) == 10**24


async def test_a_revert_is_final_and_asked_of_one_endpoint_only():
    async with chain() as anvil, Scripted(anvil) as first, Scripted(anvil) as second:
        await anvil.rpc("anvil_setCode", LOGGER, "0x366000600037366000fd")
        async with node_on(first.url, second.url) as node:
            with pytest.raises(RpcError) as refusal:
                await node.call(LOGGER, b"\x12\x34")
            assert refusal.value.data == "0x1234"
            assert first.counts["eth_call"] + second.counts["eth_call"] == 1


async def test_a_batch_is_one_message_and_its_answers_are_in_order():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        before = server.messages
        asked = [Request("eth_getBalance", (SENDER, "latest")), Request("eth_nosuch", ()), Request("eth_chainId", ())]
        balance, refused, chain_id = await node.batch(asked)
        assert (balance, chain_id) == (BALANCE, "0x7a69")
        assert isinstance(refused, RpcError)
        assert server.messages - before == 1
        assert node.calls_made == 1 + 3
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        assert (await node.batch(asked))[0] == BALANCE


async def test_a_block_hash_is_read_by_number_where_hashes_are_not_taken_and_looked_at_before_and_after():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        head = await node.head()
        refused = RpcError("", -32602, "invalid argument 1: json: cannot unmarshal object into Go value of type string")
        server.replace = only("eth_getBalance", lambda params: refused if isinstance(params[1], dict) else PASS)
        assert await node.balance(SENDER, head) == 10**24
        assert await node.balance(SENDER, head) == 10**24
        assert server.counts["eth_getBalance"] == 3
        await anvil.rpc("evm_mine")
        mined = await node.head()
        await anvil.rpc("anvil_reorg", 1, [])
        with pytest.raises(RpcError, match="block not found"):
            await node.balance(SENDER, mined)


async def test_a_transaction_goes_to_every_endpoint_and_one_acceptance_is_enough():
    async with chain() as one, chain() as two:
        for anvil in (one, two):
            await anvil.rpc("anvil_setBalance", WALLET.address, hex(10**18))
        async with node_on(DEAD, one.http_url, two.ws_url) as node:
            outcome = await node.send_raw(signed())
            assert outcome.status is SendStatus.ACCEPTED
            for _ in range(100):
                pending = [await anvil.rpc("txpool_status") for anvil in (one, two)]
                if all(status["pending"] == "0x1" for status in pending):
                    break
                await asyncio.sleep(0.02)
            assert all(status["pending"] == "0x1" for status in pending)


async def test_a_refusal_counts_only_if_nobody_may_have_taken_it():
    async with chain() as anvil, Scripted(anvil) as lost:
        await anvil.rpc("anvil_setBalance", WALLET.address, hex(10**18))
        poor = signed(value=10**19)
        async with node_on(anvil.http_url, anvil.ws_url) as node:
            outcome = await node.send_raw(poor)
            assert (outcome.status, outcome.cause) == (SendStatus.REFUSED, SendCause.INSUFFICIENT_FUNDS)
        lost.replace = only("eth_sendRawTransaction", lambda params: web.Response(status=502))
        async with node_on(anvil.http_url, lost.url) as node:
            assert (await node.send_raw(poor)).status is SendStatus.UNKNOWN


async def test_a_bad_answer_makes_the_chain_be_asked_for_again():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        [endpoint] = node.endpoints
        endpoint._chain_seen_s = float("-inf")
        server.replace = only("eth_getBalance", None)
        with pytest.raises(BadAnswer):
            await node.balance(SENDER)
        server.replace = only("eth_chainId", "0x5")
        with pytest.raises(WrongChain):
            await node.balance(SENDER)
