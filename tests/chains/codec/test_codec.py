"""The fast scan and the reference decoder give the same arrays, or the same refusal."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chains.codec
from chains.codec import Logs, MalformedFrame, decoded, plain
from chains.codec.frames import address_key, word
from tests.chains.codec.viewed import damaged

words = st.integers(0, 2**256 - 1).map(lambda value: f"{value:064x}")
BLOCK = "0x" + "ab" * 32


def entry(address: str, topics: list[str], data: list[str], index: int) -> dict[str, Any]:
    """A log as geth writes it."""
    return {
        "address": address,
        "topics": ["0x" + topic for topic in topics],
        "data": "0x" + "".join(data),
        "blockNumber": "0x112a880",
        "transactionHash": "0x" + "0c" * 32,
        "transactionIndex": "0x7",
        "blockHash": BLOCK,
        "logIndex": hex(index),
        "removed": False,
    }


entries = st.builds(
    entry,
    st.integers(0, 2**160 - 1).map(lambda value: f"0x{value:040x}"),
    st.lists(words, max_size=4),
    st.lists(words, max_size=7),
    st.integers(0, 2**31 - 1),
)


def answer(logs: list[dict[str, Any]]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "result": logs}, separators=(",", ":")).encode()


def frame(log: dict[str, Any]) -> bytes:
    params = {"subscription": "0x1", "result": log}
    body = {"jsonrpc": "2.0", "method": "eth_subscription", "params": params}
    return json.dumps(body, separators=(",", ":")).encode()


def same(one: Logs, other: Logs) -> bool:
    return all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def outcome(decode: Any, raw: bytes) -> Logs | None:
    try:
        return decode(raw)
    except MalformedFrame:
        return None


@given(st.lists(entries, max_size=6))
def test_what_a_node_writes_is_scanned_and_equals_the_reference(logs: list[dict[str, Any]]) -> None:
    raw = answer(logs)
    scanned = chains.codec._scanned(raw)
    assert (scanned is None) == (not logs)
    assert same(decoded(raw), plain.decoded(raw))
    for row, log in enumerate(logs):
        assert tuple(decoded(raw).address[row].tolist()) == address_key(log["address"])
        assert [f"0x{word(topic):064x}" for topic in decoded(raw).topics[row][: len(log["topics"])]] == log["topics"]


@given(st.lists(st.tuples(entries, st.binary(max_size=70)), min_size=1, max_size=4))
def test_data_of_any_length_are_scanned_and_count_as_words_where_they_are_whole(
    logs: list[tuple[dict[str, Any], bytes]],
) -> None:
    """Anyone can write a log of any topic with any data, and would else send every block the slow way."""
    raw = answer([log | {"data": log["data"] + tail.hex()} for log, tail in logs])
    scanned = chains.codec._scanned(raw)
    assert scanned is not None and same(scanned, plain.decoded(raw))
    for (log, tail), count in zip(logs, scanned.word_count, strict=True):
        length = len(log["data"]) // 2 - 1 + len(tail)
        assert count == (0 if length % 32 else length // 32)


@given(entries)
def test_a_subscription_frame_is_one_log(log: dict[str, Any]) -> None:
    assert same(decoded(frame(log)), plain.decoded(answer([log])))


@given(st.lists(entries, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_a_damaged_answer_is_never_scanned_to_other_numbers_than_the_reference_gives(
    logs: list[dict[str, Any]], rng: random.Random
) -> None:
    raw = damaged(answer(logs), rng)
    scanned = chains.codec._scanned(raw)
    if scanned is not None:
        reference = outcome(plain.decoded, raw)
        assert reference is not None and same(scanned, reference)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"<html>busy</html>",
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"too many"}}',
        answer([entry("0x" + "1" * 40, [], [], 0)]).replace(b"false", b"true"),
        answer([entry("0x" + "1" * 40, [], ["0"], 0)]),
        answer([entry("0x" + "1" * 40, [], ["0" * 64, "1x"], 0)]),
        answer([entry("0x" + "1" * 38, [], [], 0)]),
        answer([entry("0x" + "1" * 40, ["0" * 64] * 5, [], 0)]),
        answer([entry("0x" + "1" * 40, [], [], 0), entry("0x" + "1" * 40, [], [], 1) | {"blockHash": "0x" + "1" * 64}]),
    ],
    ids=[
        "empty",
        "null",
        "html",
        "error",
        "removed",
        "half a byte",
        "no hexadecimal",
        "short address",
        "five topics",
        "two blocks",
    ],
)
def test_what_is_no_list_of_one_block_s_logs_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decoded(raw)


def test_unusual_but_right_json_goes_the_slow_way_to_the_same_numbers() -> None:
    logs = [entry("0x" + "1" * 40, ["0" * 63 + "1"], ["f" * 64], 3)]
    spaced = json.dumps({"result": logs}, indent=1).encode()
    assert chains.codec._scanned(spaced) is None
    assert same(decoded(spaced), decoded(answer(logs)))
