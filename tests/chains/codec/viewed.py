"""Logs as a node that is followed gives them."""

from __future__ import annotations

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
