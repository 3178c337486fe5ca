"""Reads, sending and refusals of `Node`, against real Anvils."""

from __future__ import annotations

import asyncio

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from chains.anvil import Anvil, RpcError
from chains.assets import address
from chains.node import SendCause, SendStatus, Unreachable, WrongChain
from chains.node.errors import InvalidEndpoint, shown
from chains.node.seen import Seen, seen_one_by_one
from chains.node.sending import read_refusal
from chains.node.wire import bloom_mask, may_contain
from tests.chains.node.scripted import Scripted, only
from tests.chains.node.support import LOGGER, LOGGER_CODE, SENDER, TOPIC, TcpProxy, chain, emit, mine, node_on

WALLET = Account.from_key(b"\x42" * 32)
TX = {
    "type": 2,
    "chainId": 31337,
    "nonce": 0,
    "to": LOGGER,
    "value": 0,
    "data": TOPIC,
    "gas": 100_000,
    "maxFeePerGas": 3 * 10**9,
    "maxPriorityFeePerGas": 10**9,
}


def signed(**changes: object) -> bytes:
    return bytes(WALLET.sign_transaction({**TX, **changes}).raw_transaction)


async def test_no_node_at_the_address_is_one_clear_line():
    with pytest.raises(Unreachable, match=r"ws://127\.0\.0\.1:9: no node answers \(.*\); start one there") as refusal:
        await node_on("ws://127.0.0.1:9/secret-key").connect()
    assert "\n" not in str(refusal.value) and "secret" not in str(refusal.value)


async def test_what_is_no_address_is_refused_with_the_remedy():
    with pytest.raises(InvalidEndpoint, match=r"write http\(s\)://"):
        node_on("ftp://127.0.0.1:9")


async def test_a_server_that_is_no_node_is_refused():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    async with server:
        with pytest.raises(Unreachable, match="no node answers"):
            await node_on(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}").connect()


async def test_whoever_takes_connections_and_never_says_a_word_is_waited_for_by_all_at_once():
    taken = list[asyncio.StreamWriter]()
    server = await asyncio.start_server(lambda reader, writer: taken.append(writer), "127.0.0.1", 0)
    async with server:
        node = node_on(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", request_timeout_s=0.2)
        asked = [node.request("eth_getBalance", SENDER, "latest") for _ in range(6)]
        said = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(error, Unreachable) for error in said)
        assert len(taken) == 2, "once, and once more because there is nobody else"
        await node.close()
        for writer in taken:
            writer.close()


async def test_another_chain_is_refused_before_anything_else_is_asked():
    async with Anvil(["--chain-id", "1"]) as anvil:
        node = node_on(anvil.ws_url)
        with pytest.raises(WrongChain, match="is on chain 1, but network twin is chain 31337; correct"):
            await node.connect()
        assert node.calls_made == 1
        assert not node.connected


async def test_reads_agree_with_the_chain_at_each_block():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        start = await node.head()
        await emit(anvil)
        assert await node.nonce(SENDER) == 1
        assert await node.nonce(SENDER, start) == 0
        assert await node.balance(SENDER, 0) == 10**24
        assert await node.balance(SENDER) < 10**24
        assert await node.code(LOGGER) == bytes.fromhex(LOGGER_CODE[2:])
        assert await node.call(LOGGER, TOPIC) == b""
        block = await node.block_by_number(1)
        assert block is not None and block.parent_hash == start.hash
        assert await node.block_by_number(2) is None


async def test_a_call_that_reverts_carries_its_data():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        reverter = address("0x" + "dd" * 20)
        await anvil.rpc("anvil_setCode", reverter, "0x366000600037366000fd")
        with pytest.raises(RpcError) as refusal:
            await node.call(reverter, b"\x12\x34\x56\x78")
        assert refusal.value.data == "0x12345678"


async def test_finality_is_by_depth_where_the_network_says_so():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        await mine(anvil, 3)
        assert (await node.finalized_head()).number == 0
        await mine(anvil, 7)
        assert (await node.finalized_head()).number == 2


async def test_an_answer_lost_with_its_socket_is_asked_for_again():
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url) as node:
        proxy.drop()
        assert await node.nonce(SENDER) == 0
        proxy.stalled = True
        reading = asyncio.create_task(node.nonce(SENDER))
        await asyncio.sleep(0.05)
        proxy.drop()
        proxy.stalled = False
        assert await reading == 0


async def test_a_sent_transaction_is_accepted_then_known_then_mined():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        await anvil.rpc("anvil_setBalance", WALLET.address, hex(10**18))
        first = await node.send_raw(signed())
        assert first.status is SendStatus.ACCEPTED
        assert await node.receipt(first.tx_hash) is None
        assert (await node.send_raw(signed())).status is SendStatus.ALREADY_KNOWN
        await mine(anvil)
        receipt = await node.receipt(first.tx_hash)
        assert receipt is not None
        assert (receipt.status, receipt.block_number, receipt.logs[0].topics) == (1, 1, (TOPIC,))
        assert await node.balance(address(WALLET.address)) == 10**18 - receipt.gas_cost_wei
        again = await node.send_raw(signed())
        assert (again.status, again.cause) == (SendStatus.REFUSED, SendCause.NONCE_TOO_LOW)
        assert again.tx_hash == first.tx_hash


async def test_what_became_of_transactions_and_accounts_is_seen_in_one_message():
    unknown = "0x" + "11" * 32
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        mined = await emit(anvil)
        server.messages = 0
        seen = await node.seen([mined, unknown], [SENDER, LOGGER], [SENDER])
        assert server.messages == 1
        assert seen.receipts == {mined: await node.receipt(mined), unknown: None}
        assert seen.receipts[mined] is not None
        assert seen.nonces == {SENDER: await node.nonce(SENDER), LOGGER: await node.nonce(LOGGER)}
        assert seen.balances == {SENDER: await node.balance(SENDER)}
        assert seen == await seen_one_by_one(node, [mined, unknown], [SENDER, LOGGER], [SENDER])
        assert await node.seen([], [], []) == Seen({}, {}, {})


async def test_half_a_receipt_is_asked_of_another_and_one_without_a_block_is_none_yet():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url, anvil.http_url) as node:
        mined = await emit(anvil)
        whole = await anvil.rpc("eth_getTransactionReceipt", mined)
        server.replace = only("eth_getTransactionReceipt", {**whole, "effectiveGasPrice": None})
        seen = await node.seen([mined], [SENDER], [])
        assert server.counts["eth_getTransactionReceipt"] >= 1
        assert seen.receipts[mined] == await node.receipt(mined) is not None
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        server.replace = only("eth_getTransactionReceipt", {**whole, "blockNumber": None, "blockHash": None})
        assert await node.receipt(mined) is None
        assert (await node.seen([mined], [], [])).receipts == {mined: None}


async def test_an_account_of_which_nobody_can_say_is_left_out_and_a_receipt_that_is_refused_is_not_taken_for_none():
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        mined = await emit(anvil)
        refusal = RpcError("", -32602, "no")
        server.replace = only("eth_getTransactionCount", refusal)
        for seen in (await node.seen([mined], [SENDER], []), await seen_one_by_one(node, [mined], [SENDER], [])):
            assert (seen.nonces, seen.receipts[mined] is not None) == ({}, True)
        server.replace = only("eth_getTransactionReceipt", refusal)
        with pytest.raises(RpcError):
            await node.seen([mined], [SENDER], [])
        with pytest.raises(RpcError):
            await seen_one_by_one(node, [mined], [SENDER], [])


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (signed(value=10**19), SendCause.INSUFFICIENT_FUNDS),
        (signed(gas=20_000), SendCause.GAS_LIMIT),
        (signed(chainId=5), SendCause.WRONG_CHAIN),
        (signed(maxFeePerGas=1, maxPriorityFeePerGas=1), SendCause.FEE_TOO_LOW),
        (b"\x02\x01\x02", SendCause.MALFORMED),
        (b"", SendCause.MALFORMED),
    ],
    ids=["funds", "gas", "chain", "fee", "bytes", "empty"],
)
async def test_a_refusal_names_its_cause(raw: bytes, cause: SendCause):
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        await anvil.rpc("anvil_setBalance", WALLET.address, hex(10**18))
        outcome = await node.send_raw(raw)
        assert (outcome.status, outcome.cause) == (SendStatus.REFUSED, cause), outcome


async def test_an_underpriced_replacement_is_refused():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        await anvil.rpc("anvil_setBalance", WALLET.address, hex(10**18))
        assert (await node.send_raw(signed())).status is SendStatus.ACCEPTED
        outcome = await node.send_raw(signed(maxFeePerGas=2 * 10**9))
        assert (outcome.status, outcome.cause) == (SendStatus.REFUSED, SendCause.REPLACEMENT_UNDERPRICED)


async def test_no_answer_to_a_sent_transaction_is_unknown_never_refused():
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url, request_timeout_s=0.3) as node:
        proxy.stalled = True
        outcome = await node.send_raw(signed())
        assert (outcome.status, outcome.cause) == (SendStatus.UNKNOWN, None)


@pytest.mark.parametrize(
    ("text", "status", "cause"),
    [
        ("already known", SendStatus.ALREADY_KNOWN, None),
        ("nonce too low: next nonce 7, tx nonce 6", SendStatus.REFUSED, SendCause.NONCE_TOO_LOW),
        ("replacement transaction underpriced", SendStatus.REFUSED, SendCause.REPLACEMENT_UNDERPRICED),
        ("transaction underpriced: tip needed 1, tip permitted 0", SendStatus.REFUSED, SendCause.FEE_TOO_LOW),
        ("insufficient funds for gas * price + value: balance 0", SendStatus.REFUSED, SendCause.INSUFFICIENT_FUNDS),
        ("txpool is full", SendStatus.REFUSED, SendCause.POOL_FULL),
        ("daily request count exceeded, request rate limited", SendStatus.UNKNOWN, None),
        ("internal error", SendStatus.UNKNOWN, None),
        # Erigon's.
        ("INTERNAL_ERROR: existing txn with same hash", SendStatus.ALREADY_KNOWN, None),
        ("INTERNAL_ERROR: could not replace existing tx", SendStatus.REFUSED, SendCause.REPLACEMENT_UNDERPRICED),
        ("INTERNAL_ERROR: underpriced", SendStatus.REFUSED, SendCause.FEE_TOO_LOW),
        ("INTERNAL_ERROR: fee too low", SendStatus.REFUSED, SendCause.FEE_TOO_LOW),
        ("INTERNAL_ERROR: IntrinsicGas", SendStatus.REFUSED, SendCause.GAS_LIMIT),
        ("INTERNAL_ERROR: gas limit is too high", SendStatus.REFUSED, SendCause.GAS_LIMIT),
        ("INTERNAL_ERROR: baseFee sub-pool is full", SendStatus.REFUSED, SendCause.POOL_FULL),
        # Besu's.
        ("Gas price below configured minimum gas price", SendStatus.REFUSED, SendCause.FEE_TOO_LOW),
        ("Gas price below current base fee", SendStatus.REFUSED, SendCause.FEE_TOO_LOW),
        ("Upfront cost exceeds account balance", SendStatus.REFUSED, SendCause.INSUFFICIENT_FUNDS),
        ("Transaction gas limit exceeds block gas limit", SendStatus.REFUSED, SendCause.GAS_LIMIT),
        ("Replacement transaction underpriced", SendStatus.REFUSED, SendCause.REPLACEMENT_UNDERPRICED),
        ("Intrinsic gas exceeds gas limit", SendStatus.REFUSED, SendCause.GAS_LIMIT),
        # Nethermind's, before it took geth's.
        ("ReplacementNotAllowed", SendStatus.REFUSED, SendCause.REPLACEMENT_UNDERPRICED),
    ],
)
def test_nodes_words_are_understood_and_unknown_words_are_unknown(text: str, status: SendStatus, cause: SendCause):
    outcome = read_refusal(RpcError("eth_sendRawTransaction", -32000, text), "0x00")
    assert (outcome.status, outcome.cause, outcome.detail) == (status, cause, text)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_a_bloom_never_denies_a_word_that_is_in_it(words: list[bytes], data: st.DataObject):
    bloom = 0
    for word in words:
        bloom |= bloom_mask(word)
    asked = data.draw(st.lists(st.sampled_from(words), min_size=1))
    assert may_contain(bloom, [bloom_mask(word) for word in asked])
    assert not may_contain(0, [bloom_mask(word) for word in asked])


def test_secrets_in_an_address_are_not_shown():
    assert shown("wss://user:pass@node.example.org/v3/0123?key=4") == "wss://node.example.org"
    assert shown("ws://127.0.0.1:8545/x") == "ws://127.0.0.1:8545"
