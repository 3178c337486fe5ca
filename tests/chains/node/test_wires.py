"""What travels: documents cut from a stream, header hashes, and what nodes' refusals mean."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import resource
import socket
import time
from collections.abc import Iterator

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from chains.anvil import RpcError
from chains.node import EndpointSettings, Unreachable
from chains.node.answers import Request
from chains.node.conversation import Conversation
from chains.node.endpoints import Wire
from chains.node.errors import BadAnswer
from chains.node.headers import header_hash
from chains.node.ipc import Frames
from chains.node.refusals import Meaning, meaning
from chains.node.socket import NodeSocket
from tests.chains.node.scripted import Scripted
from tests.chains.node.support import SENDER, chain, node_on
from tests.garbage import nothing_left

values = st.one_of(st.text(), st.integers(-(2**63), 2**63), st.lists(st.text(max_size=5)))
documents = st.lists(st.dictionaries(st.text(max_size=8), values, max_size=4), min_size=1, max_size=6)


@given(documents, st.sampled_from([b"\n", b"\r\n"]), st.lists(st.integers(1, 40), max_size=30))
def test_documents_are_found_however_the_stream_is_cut(sent: list[dict[str, object]], end: bytes, cuts: list[int]):
    stream = b"".join(orjson.dumps(document) + end for document in sent)
    frames, found = Frames(), []
    for length in [*cuts, len(stream)]:
        found += [orjson.loads(frame) for frame in frames.feed(stream[:length])]
        stream = stream[length:]
    assert found == sent


@given(documents)
def test_documents_without_line_ends_are_found_one_a_chunk(sent: list[dict[str, object]]):
    frames = Frames()
    assert [orjson.loads(frame) for document in sent for frame in frames.feed(orjson.dumps(document))] == sent


async def test_a_headers_hash_is_that_of_its_fields_and_of_no_others():
    async with chain() as anvil:
        await anvil.rpc("anvil_mine", "0x2")
        for number in ("0x0", "0x2"):
            header = await anvil.rpc("eth_getBlockByNumber", number, False)
            assert header_hash(header) == header["hash"]
            for field in ("parentHash", "stateRoot", "number", "timestamp", "logsBloom", "baseFeePerGas", "gasUsed"):
                changed = {**header, field: header[field][:-1] + ("1" if header[field][-1] != "1" else "2")}
                assert header_hash(changed) not in (None, header["hash"])
            assert header_hash({**header, "difficulty": "-0x1"}) is None
            without = {name: value for name, value in header.items() if name != "stateRoot"}
            assert header_hash(without) is None
            assert header_hash({**header, "extDataHash": "0x00"}) is None


# As go-ethereum, Erigon, Nethermind, reth and Anvil say it, and what stands behind public endpoints.
SAID = [
    (-32000, "header not found", Meaning.NO_BLOCK),
    (-32001, "Resource not found", Meaning.NO_BLOCK),
    (-32000, "hash 0xab is not currently canonical", Meaning.NO_BLOCK),
    (-32602, "BlockOutOfRangeError: block height is 3 but requested was 153", Meaning.NO_BLOCK),
    (-32000, "missing trie node 8f (path ) state 0x1 is not available", Meaning.NO_STATE),
    (-32000, "required historical state unavailable (reexec=128)", Meaning.NO_STATE),
    (4444, "pruned history unavailable", Meaning.NO_STATE),
    (-32601, "the method eth_foo does not exist/is not available", Meaning.NO_METHOD),
    (429, "Your app has exceeded its compute units per second capacity", Meaning.BUSY),
    (-32005, "project ID request rate exceeded", Meaning.BUSY),
    (-32603, "Internal error", Meaning.INTERNAL),
    (3, "execution reverted: timeout", Meaning.FINAL),
    (-32000, "execution reverted", Meaning.FINAL),
    (-32000, "insufficient funds for gas * price + value", Meaning.FINAL),
    (-32602, "invalid argument 0: hex string without 0x prefix", Meaning.FINAL),
]


@pytest.mark.parametrize(("code", "message", "meant"), SAID, ids=[message[:30] for _, message, _ in SAID])
def test_what_nodes_say_is_understood(code: int, message: str, meant: Meaning):
    assert meaning(RpcError("eth_call", code, message), "eth_call") is meant


def test_an_endpoint_never_shows_its_key():
    one, other = (EndpointSettings(f"wss://user:pass@node.example.org/v3/{key}") for key in ("secret1", "secret2"))
    assert one.key != other.key
    assert all("secret" not in text and "pass" not in text for text in (repr(one), one.name, one.key))
    assert [EndpointSettings(url).wire for url in ("/run/geth.ipc", "ipc:///run/geth.ipc")] == [Wire.IPC, Wire.IPC]
    assert EndpointSettings("ipc:///run/geth.ipc").path == EndpointSettings("/run/geth.ipc").path == "/run/geth.ipc"


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("wire", ["ws_url", "http_url"])
async def test_without_file_descriptors_left_the_node_is_unreachable_and_heals(wire: str):
    async with chain() as anvil:
        node = node_on(getattr(anvil, wire))
        with no_descriptors_left(), pytest.raises(Unreachable):
            await node.balance(SENDER)
        assert await node.balance(SENDER) == 10**24
        await node.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux lets a program choose")
async def test_an_answer_without_end_is_left_unread_however_it_is_packed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chains.node.http.MAX_ANSWER_BYTES", 1 << 20)
    endless = web.Response(body=gzip.compress(b" " * (2 << 20)), headers={"Content-Encoding": "gzip"})
    async with Scripted() as node:
        node.replace = lambda method, params: "0x7a69" if method == "eth_chainId" else endless
        async with node_on(node.url) as reader:
            with pytest.raises(BadAnswer, match="more than 1 MB"):
                await reader.request("eth_blockNumber")


async def test_answers_are_acknowledged_at_once_so_that_a_node_does_not_hold_the_next_one_back():
    async with chain() as anvil:
        wire = NodeSocket(anvil.ws_url, time.monotonic_ns, timeout_s=10)
        await wire.open_up()
        assert wire._socket is not None
        raw = wire._socket.transport.get_extra_info("socket")
        at_once = []
        for _ in range(20):
            await asyncio.gather(*(wire.exchange([Request("eth_blockNumber", [])]) for _ in range(3)))
            at_once.append(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))
        await wire.shut()
    assert at_once == [1] * len(at_once)


async def test_of_a_connection_that_is_lost_under_a_question_no_error_stays_until_garbage_is_looked_for():
    async def lost(frame: bytes) -> None:
        conversation.lose()

    with nothing_left(Unreachable):
        conversation = Conversation("here", lost, 1.0)
        with contextlib.suppress(Unreachable):
            await conversation.exchange([Request("eth_chainId", ())])
        assert conversation.gone
