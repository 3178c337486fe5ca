"""What a node says is read as a JSON library reads it, whatever it is; a block's logs come as numbers if possible."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.codec.views import LogsView
from chains.kernels.cache import compiled
from chains.node import wire
from chains.node.answers import Request, answers, read_body
from chains.node.conversation import Conversation
from chains.node.documents import as_json, is_view, opened
from chains.node.errors import BadAnswer
from tests.chains.codec.test_codec import BLOCK, entry
from tests.chains.codec.viewed import damaged
from tests.chains.node.scripted import Scripted, only
from tests.chains.node.support import OTHER_TOPIC, TOPIC, Follow, chain, emit, node_on

numba = pytest.mark.skipif(not compiled(), reason="needs Numba")
WORDS = st.integers(0, 2**256 - 1).map(lambda value: f"{value:064x}")


def compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def plain(document: Any) -> Any:
    """A document with every view turned back."""
    if isinstance(document, dict):
        return {key: as_json(value) for key, value in document.items()}
    return [plain(item) for item in document] if isinstance(document, list) else document


def viewed(document: Any) -> list[LogsView]:
    items = document if isinstance(document, list) else [document]
    return [item["result"] for item in items if isinstance(item, dict) and is_view(item.get("result"))]


def told(read: Any, frame: bytes) -> Any:
    try:
        return read(frame)
    except orjson.JSONDecodeError as error:
        return str(error)


@st.composite
def lists(draw: st.DrawFn, odd: bool) -> list[dict[str, Any]]:
    """Logs of one block in order; where `odd`, now and then with something else about them."""
    places = sorted(draw(st.sets(st.integers(0, 400), max_size=4)))
    logs = [
        entry(f"0x{draw(st.integers(0, 2**160 - 1)):040x}", draw(st.lists(WORDS, max_size=4)), [draw(WORDS)], place)
        for place in places
    ]
    for log in logs if odd and draw(st.booleans()) else []:
        field = draw(st.sampled_from([*log, "blockTimestamp", "result", 'a"b']))
        change = draw(
            st.sampled_from(["upper", None, True, "0x", "0x5", "", '"result":[{', {}, [log.copy()], "missing", "last"])
        )
        value = log.pop(field, "")
        if change == "upper":
            log[field] = "0x" + value[2:].upper() if isinstance(value, str) else value
        elif change == "last":
            log[field] = value
        elif change != "missing":
            log[field] = change
    return draw(st.permutations(logs)) if odd and draw(st.booleans()) else logs


@st.composite
def items(draw: st.DrawFn, odd: bool = True) -> str:
    """One answer, as text."""
    fields = {
        '"id"': str(draw(st.integers(0, 3))),
        '"jsonrpc"': '"2.0"',
        '"result"': compact(draw(lists(odd))),
    }
    if odd:
        other = st.sampled_from(
            [
                '"a"',
                "null",
                '{"result":[{"a":1}]}',
                '[{"result":[]}]',
                '"\\"result\\":[{"',
                "[{}]",
                "[[{}]]",
                '"é\\u00e9"',
            ]
        )
        for name in draw(st.lists(st.sampled_from(['"error"', '"params"', '"a\\"result"', '"result"']), max_size=2)):
            fields[name + draw(st.sampled_from(["", " "]))] = draw(other)
        if draw(st.booleans()):
            fields['"params"'] = "{" + f'"result":{compact(draw(lists(odd)))}' + "}"
    return "{" + ",".join(f"{name}:{value}" for name, value in draw(st.permutations(list(fields.items())))) + "}"


frames = st.one_of(items(), st.lists(items(), max_size=4).map(lambda texts: f"[{','.join(texts)}]"))


@given(frames)
def test_a_frame_is_read_as_a_json_library_reads_it(text: str) -> None:
    frame = text.encode()
    document, expected = told(opened, frame), told(orjson.loads, frame)
    assert plain(document) == expected
    for view in viewed(document):
        logs = wire.logs(view.documents())
        assert view == logs and tuple(view) == logs and [view[at] for at in range(len(view))] == list(logs)


@given(frames, st.randoms(use_true_random=False))
def test_a_damaged_frame_is_read_or_refused_as_a_json_library_does_it(text: str, rng: random.Random) -> None:
    frame = damaged(text.encode(), rng)
    document, expected = told(opened, frame), told(orjson.loads, frame)
    assert plain(document) == expected
    for view in viewed(document):
        assert view == wire.logs(view.documents())


@numba
@given(st.lists(items(odd=False), min_size=1, max_size=4), st.booleans())
def test_logs_as_nodes_write_them_come_as_numbers_in_a_batch_too(texts: list[str], alone: bool) -> None:
    document = opened((texts[0] if alone else f"[{','.join(texts)}]").encode())
    found = document if isinstance(document, list) else [document]
    assert [is_view(item["result"]) for item in found] == ['"result":[{' in text for text in texts[: len(found)]]


@numba
def test_an_address_with_a_checksum_goes_the_slow_way_where_a_wrong_one_is_refused() -> None:
    """A view's logs are made long after somebody could have been told that they cannot be."""
    right = {**entry("0x" + "ab" * 20, [], [], 1), "address": wire.log(entry("0x" + "ab" * 20, [], [], 1)).address}
    assert opened(compact({"id": 1, "result": [right]}).encode())["result"] == [right]


@pytest.mark.parametrize(
    "logs",
    [
        [],
        [entry("0x" + "1" * 40, [], [], 1)] * 2,
        [entry("0x" + "1" * 40, [], [], 2), entry("0x" + "1" * 40, [], [], 1)],
        [entry("0x" + "1" * 40, [], [], 1), entry("0x" + "1" * 40, [], [], 2) | {"blockNumber": "0x1"}],
        [entry("0x" + "1" * 40, [], [], 1), entry("0x" + "1" * 40, [], [], 2) | {"blockHash": BLOCK.upper()[2:]}],
        [entry("0x" + "1" * 40, [], [], 1), entry("0x" + "1" * 40, [], [], 2) | {"blockHash": "0x" + "AB" * 32}],
        [entry("0x" + "1" * 40, [], [], 1) | {"removed": True}],
    ],
    ids=["none", "one twice", "not in order", "two numbers", "no 0x", "another spelling", "removed"],
)
def test_what_is_not_one_block_s_logs_in_order_is_plain_json(logs: list[dict[str, Any]]) -> None:
    assert opened(compact({"jsonrpc": "2.0", "id": 1, "result": logs}).encode()) == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": logs,
    }


def test_more_lists_than_anybody_asks_for_are_plain_json_and_cost_no_more() -> None:
    item = compact({"id": 1, "result": [entry("0x" + "1" * 40, [], [], 1)]})
    frame = f"[{','.join([item] * 2000)}]".encode()
    assert opened(frame) == orjson.loads(frame)


def test_without_numba_everything_is_plain_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_NO_NUMBA", "1")
    frame = compact({"id": 1, "result": [entry("0x" + "1" * 40, [], [], 1)]}).encode()
    assert opened(frame) == orjson.loads(frame)


LOGS = Request("eth_getLogs", ({"blockHash": BLOCK},), as_arrays=True)
LOGS_ANSWER = compact({"jsonrpc": "2.0", "id": 1, "result": [entry("0x" + "1" * 40, [], [], 1)]}).encode()


@numba
def test_only_who_asks_for_numbers_is_given_them() -> None:
    document = read_body("here", 200, None, LOGS_ANSWER, opened)
    [numbers] = answers("here", [LOGS], 1, document)
    [logs] = answers("here", [Request("eth_getLogs", LOGS.params)], 1, document)
    assert is_view(numbers) and logs == [entry("0x" + "1" * 40, [], [], 1)]
    with pytest.raises(BadAnswer, match="eth_call was answered with list, which cannot be"):
        answers("here", [Request("eth_call", ())], 1, document)


@numba
async def test_a_socket_reads_numbers_while_somebody_waits_for_them_and_not_otherwise() -> None:
    async def send(frame: bytes) -> None:
        conversation.heard(LOGS_ANSWER.replace(b'"id":1', b'"id":%d' % orjson.loads(frame)["id"]), 0)

    conversation = Conversation("here", send, 1.0)
    first, second, third = [
        await conversation.exchange([Request("eth_getLogs", (), as_arrays=each)]) for each in (True, False, True)
    ]
    assert [type(found) for [found] in (first, second, third)] == [LogsView, list, LogsView]


@numba
@pytest.mark.parametrize("kind", ["http", "ws", "ipc"])
async def test_a_real_node_s_logs_of_a_block_come_as_numbers_over_every_wire(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "node.ipc"
    async with chain("--ipc", str(path)) as anvil:
        url = {"http": anvil.http_url, "ws": anvil.ws_url, "ipc": f"ipc://{path}"}[kind]
        async with node_on(url) as node, contextlib.aclosing(node.blocks([TOPIC], 1)) as blocks:
            follow = Follow(blocks)
            await emit(anvil, OTHER_TOPIC, mine=False)
            tx_hash = await emit(anvil)
            await follow.until_height(1)
            logs = follow.chain[0].logs
            assert isinstance(logs, LogsView)
            assert [(log.topics, log.tx_hash) for log in logs] == [((TOPIC,), tx_hash)]
            documents = await node.request("eth_getLogs", {"blockHash": follow.chain[0].head.hash})
            assert isinstance(documents, list) and logs == wire.logs(documents)[1:]


async def test_without_numba_a_real_node_s_logs_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chain() as anvil, node_on(anvil.http_url) as node:
        await emit(anvil)
        head = await node.head()
        numbers = await node.logs_of(head, [TOPIC])
        monkeypatch.setenv("ISTHMUS_NO_NUMBA", "1")
        logs = await node.logs_of(head, [TOPIC])
        assert isinstance(logs, tuple) and numbers == logs and len(logs) == 1


@pytest.mark.parametrize("no_numba", ["0", "1"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"blockHash": "0x" + "55" * 32}, "it gave one of block 0x5555"),
        ({"blockNumber": "0x5"}, "it gave one of block 0x"),
        ({"topics": ["0x" + "44" * 32]}, "it gave one that was not asked for"),
        ({"topics": []}, "it gave one that was not asked for"),
        ({"address": "0x12"}, "gave logs that cannot be read"),
        ({"blockNumber": None}, "gave logs that cannot be read"),
    ],
)
async def test_numbers_are_believed_no_more_than_json(
    no_numba: str, change: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_NO_NUMBA", no_numba)
    async with chain() as anvil, Scripted(anvil) as liar, node_on(liar.url) as node:
        await emit(anvil)
        head = await node.head()
        [log] = await anvil.rpc("eth_getLogs", {"blockHash": head.hash})
        liar.replace = only("eth_getLogs", [{**log, **change}])
        with pytest.raises(Exception, match=said):
            await node.logs_of(head, [TOPIC])
