"""Several endpoints as one node: failover, hedging, limits, and clear words when nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import time

import orjson
import pytest
from aiohttp import web

from bot.rpc import NodeRpc
from chains.anvil import Anvil, RpcError
from chains.node import EndpointSettings, NoArchive, NodeEvent, SendCause, SendStatus, Unreachable, WrongChain
from chains.node.answers import Request
from chains.node.errors import BadAnswer, Busy
from tests.chains.node.scripted import PASS, Scripted, only
from tests.chains.node.support import LOGGER, SENDER, chain, node_on
from tests.chains.node.test_node import WALLET, signed
from tests.garbage import nothing_left

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


async def test_a_method_that_the_last_endpoint_says_not_to_have_is_asked_of_it_again():
    """Some say so while the node behind them is gone: nothing could be read, nor cancelled, until a restart."""
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = lambda method, params: RpcError(method, -32601, "Method not found")
        with pytest.raises(RpcError, match="not found"):
            await node.balance(SENDER)
        assert (await node.send_raw(b"\x01")).status is SendStatus.UNKNOWN
        server.replace = lambda method, params: PASS
        assert await node.balance(SENDER) == 10**24
        assert (await node.send_raw(b"\x01")).status is SendStatus.REFUSED


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


BATCH = [Request("eth_getBalance", (SENDER, "latest")), Request("eth_chainId", ())]
ANSWERED = [BALANCE, "0x7a69"]


def refused(code: int, message: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    "said",
    [
        refused(-32600, "batch requests are not supported"),
        refused(-32601, "method not found"),
        refused(-32005, "Batch size limit exceeded"),
        refused(429, "too many requests in batch"),
        [{"id": None}],
        "no",
    ],
    ids=["malformed", "no such method", "a limit", "too many", "one answer", "no answer"],
)
async def test_who_refuses_several_calls_in_one_message_is_asked_each_by_itself_from_then_on(said: object):
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.batch = said
        for messages in (1 + 2, 2):
            before = server.messages
            assert await node.request_all(BATCH) == ANSWERED
            assert server.messages - before == messages
        assert await node.balance(SENDER) == 10**24


async def test_over_a_websocket_a_refusal_without_a_number_is_that_of_the_batches_that_wait():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        [endpoint] = node.endpoints
        conversation = (await endpoint.ready())._conversation  # type: ignore[attr-defined]
        send, sent = conversation._send, list[bytes]()

        async def refuses(frame: bytes) -> None:
            sent.append(frame)
            if frame.startswith(b"["):
                conversation.heard(orjson.dumps(refused(-32600, "no batches")), 0)
            else:
                await send(frame)

        conversation._send = refuses
        alone, *batches = await asyncio.gather(
            node.balance(SENDER), node.request_all(BATCH), node.request_all(BATCH[::-1])
        )
        assert (alone, batches) == (10**24, [ANSWERED, ANSWERED[::-1]])
        assert sum(frame.startswith(b"[") for frame in sent) == 2


async def test_a_limit_that_is_reached_does_not_count_as_refusing_several_calls_in_one_message():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.batch = refused(-32005, "rate limit exceeded")
        with pytest.raises(Busy):
            await node.request_all(BATCH)
        server.batch, before = PASS, server.messages
        assert await node.request_all(BATCH) == ANSWERED
        assert server.messages - before == 1


async def test_several_calls_in_one_message_that_was_lost_are_asked_so_again_after_a_while():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        taken = []
        for lost in (True, False, True, False, False, False):
            server.replace = only("eth_chainId", web.Response(status=503)) if lost else lambda method, params: PASS
            before = server.messages
            if lost:
                with pytest.raises(Unreachable):
                    await node.request_all(BATCH)
            else:
                assert await node.request_all(BATCH) == ANSWERED
            taken.append(server.messages - before)
        assert taken == [1, 2, 1, 2, 2, 1]


async def test_of_several_calls_what_one_endpoint_does_not_know_is_asked_of_the_next():
    async with chain() as anvil, Scripted(anvil) as first, node_on(first.url, anvil.http_url) as node:
        first.replace = only("eth_getBalance", lambda params: RpcError("", -32000, "header not found"))
        assert await node.request_all(BATCH) == ANSWERED
        assert first.counts["eth_getBalance"] > 0


async def test_of_several_calls_one_that_every_endpoint_would_refuse_is_refused_and_the_others_answered():
    async with chain() as anvil, Scripted(anvil) as first, node_on(first.url, anvil.http_url) as node:
        first.replace = only("eth_getBalance", lambda params: RpcError("", 3, "execution reverted"))
        reverted, chain_id = await node.request_all(BATCH)
        assert isinstance(reverted, RpcError)
        assert (chain_id, first.counts["eth_getBalance"]) == ("0x7a69", 1)


async def test_several_calls_go_on_to_the_next_endpoint_as_one_message_where_the_first_is_busy():
    async with (
        chain() as anvil,
        Scripted(anvil) as first,
        Scripted(anvil) as second,
        node_on(first.url, second.url) as node,
    ):
        first.batch, before = refused(429, "too many requests"), second.messages
        assert await node.request_all(BATCH) == ANSWERED
        assert second.messages - before == 1


async def test_several_calls_name_a_block_by_number_where_hashes_are_not_taken():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        at = {"blockHash": (await node.head()).hash}
        asked = [Request("eth_getBalance", (SENDER, at)), Request("eth_getTransactionCount", (SENDER, at))]
        no_hash = RpcError("", -32602, "invalid argument 1: json: cannot unmarshal object into Go value of type string")
        server.replace = lambda method, params: no_hash if isinstance(params[-1], dict) else PASS
        for _ in range(2):
            assert await node.request_all(asked) == [BALANCE, "0x0"]
        assert server.counts["eth_getTransactionCount"] == 1 + 1 + 1


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


@pytest.mark.parametrize("endpoints", [1, 2])
async def test_of_a_refusal_nothing_stays_until_garbage_is_looked_for(endpoints: int):
    async with chain() as anvil, node_on(*[anvil.http_url] * endpoints) as node:
        await anvil.rpc("anvil_setBalance", WALLET.address, hex(10**18))
        raw = signed()
        assert (await node.send_raw(raw)).status is SendStatus.ACCEPTED
        with nothing_left(RpcError):
            assert (await node.send_raw(raw)).status is SendStatus.ALREADY_KNOWN
            with contextlib.suppress(RpcError):
                await node.request("eth_getBalance", "0x12", "latest")
            with contextlib.suppress(RpcError):
                await node.request("eth_noSuchMethod")
            both = [Request("eth_getBalance", ("0x12", "latest")), Request("eth_chainId", ())]
            refused = await node.request_all(both)
            assert isinstance(refused[0], RpcError)
            del refused
            with contextlib.suppress(RpcError):
                await NodeRpc(node).batch([("eth_getBalance", ("0x12", "latest")), ("eth_chainId", ())])
