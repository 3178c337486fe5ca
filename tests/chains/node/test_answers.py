"""What can never be an answer is named as such, and nobody reads a number or a receipt out of it."""

from __future__ import annotations

from typing import Any

import pytest

from chains.node.answers import Request, require_possible
from chains.node.errors import BadAnswer


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_getTransactionCount", "0x"),
        ("eth_chainId", None),
        ("eth_getTransactionReceipt", "0x"),
        ("eth_getTransactionReceipt", {"status": "0x1"}),
        ("eth_getTransactionReceipt", {"blockNumber": "0x5", "status": "0x1", "logs": None}),
        ("eth_getTransactionReceipt", []),
        ("eth_getLogs", None),
        ("eth_call", None),
    ],
)
def test_what_cannot_be_is_refused(method: str, result: Any) -> None:
    with pytest.raises(BadAnswer, match=f"{method} was answered with .*, which cannot be"):
        require_possible("here", Request(method, ()), result)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_getTransactionCount", "0x0"),
        ("eth_call", "0x"),
        ("eth_getTransactionReceipt", None),
        ("eth_getTransactionReceipt", {"blockNumber": None}),
    ],
)
def test_what_may_be_is_taken(method: str, result: Any) -> None:
    require_possible("here", Request(method, ()), result)
