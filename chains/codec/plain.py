"""The reference decoder: any JSON a node may send, by a JSON library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from chains.codec.frames import MOST_TOPICS, Logs, MalformedFrame, address_key

_LIMB = 2**64 - 1
_WORD_BYTES = 32
_BYTES = re.compile("0x(?:[0-9a-fA-F]{2})*")
_NUMBER = re.compile("0x[0-9a-fA-F]{1,15}")


def decoded(raw: bytes) -> Logs:
    """The logs in an `eth_getLogs` answer or in a `logs` subscription's frame. Raises `MalformedFrame`."""
    try:
        document = orjson.loads(raw)
        result = document["result"] if "result" in document else document["params"]["result"]
        entries = [result] if isinstance(result, dict) else result
        if not isinstance(entries, list):
            raise MalformedFrame("the answer holds no list of logs")
        return _logs(entries)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise error if isinstance(error, MalformedFrame) else MalformedFrame(f"no list of logs: {error}") from None


def _logs(entries: Sequence[Mapping[str, Any]]) -> Logs:
    if any(entry.get("removed") for entry in entries):
        raise MalformedFrame("a log that a reorganisation removed")
    data = [_words(_hex(entry["data"])) for entry in entries]
    if len({_hex(entry["blockHash"]) for entry in entries}) > 1:
        raise MalformedFrame("logs of several blocks in one answer")
    logs = Logs.room(len(entries), sum(map(len, data)) // _WORD_BYTES)
    place = 0
    for row, (entry, payload) in enumerate(zip(entries, data, strict=True)):
        topics = [_hex(topic) for topic in entry["topics"]]
        if len(topics) > MOST_TOPICS or any(len(topic) != 32 for topic in topics):
            raise MalformedFrame(f"a log with topics {entry['topics']}")
        if len(_hex(entry["address"])) != 20:
            raise MalformedFrame(f"a log of {entry['address']}")
        logs.address[row] = address_key(entry["address"])
        logs.topic_count[row] = len(topics)
        for number, topic in enumerate(topics):
            logs.topics[row, number] = _limbs(topic)
        logs.first_word[row], logs.word_count[row] = place, len(payload) // _WORD_BYTES
        for start in range(0, len(payload), _WORD_BYTES):
            logs.words[place] = _limbs(payload[start : start + _WORD_BYTES])
            place += 1
        logs.log_index[row] = _index(entry["logIndex"])
    if entries:
        block = _hex(entries[0]["blockHash"])
        if len(block) != 32:
            raise MalformedFrame(f"a log of block {entries[0]['blockHash']}")
        logs.block[:] = _limbs(block)
    return logs


def _words(data: bytes) -> bytes:
    return b"" if len(data) % _WORD_BYTES else data


def _hex(text: str) -> bytes:
    if not _BYTES.fullmatch(text):
        raise MalformedFrame(f"{text[:80]!r} is not hexadecimal")
    return bytes.fromhex(text[2:])


def _index(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text, 16) >= 2**31:
        raise MalformedFrame(f"a log with index {text[:80]!r}")
    return int(text, 16)


def _limbs(payload: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    value = int.from_bytes(payload, "big")
    return np.array([value >> 64 * place & _LIMB for place in range(4)], np.uint64)
