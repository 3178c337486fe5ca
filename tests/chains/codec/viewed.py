"""Logs as a node that is followed gives them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import orjson

from chains.blocks import Log
from chains.codec.views import LogsView
from chains.node.documents import opened


def document(log: Log) -> dict[str, Any]:
    """A log as geth writes it."""
    return {
        "address": log.address.lower(),
        "topics": ["0x" + topic.hex() for topic in log.topics],
        "data": "0x" + log.data.hex(),
        "blockNumber": hex(log.block_number),
        "transactionHash": log.tx_hash,
        "transactionIndex": hex(log.tx_index),
        "blockHash": log.block_hash,
        "logIndex": hex(log.log_index),
        "removed": False,
    }


def viewed(logs: Sequence[Log]) -> LogsView:
    """`logs` of one block, in order, as they come out of an answer. Needs Numba."""
    view = opened(orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": list(map(document, logs))}))["result"]
    assert isinstance(view, LogsView)
    return view


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """An answer with one to three damages: another byte, some that are missing or doubled, an end too early."""
    text = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text))
        match rng.randrange(4):
            case 0:
                text[at] = rng.choice(b'0123456789abcdefABCDEFxg",:{}[] \\\x00\x10\xff')
            case 1:
                del text[at : at + rng.choice((1, 2, 64))]
            case 2:
                text[at:at] = text[at : at + rng.choice((1, 2, 64, 80))]
            case _:
                del text[at:]
        text = text or bytearray(b"{")
    return bytes(text)
