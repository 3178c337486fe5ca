"""What can never be an answer is named as such, and nobody reads a number or a receipt out of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from chains.anvil import RpcError
from chains.node.answers import Request, answers, read_body, require_possible
from chains.node.errors import BadAnswer, Busy, Unreachable
from chains.node.wire import header


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
        ("eth_call", "0xzz"),
        ("eth_call", "0x123"),
        ("eth_getCode", "0xg0"),
        ("eth_getBalance", "0xzz"),
        ("eth_getBalance", "0x-5"),
        ("eth_chainId", "0x 1"),
        ("eth_getTransactionCount", hex(1 << 64)),
        ("eth_getBalance", hex(1 << 256)),
    ],
)
def test_what_cannot_be_is_refused(method: str, result: Any) -> None:
    with pytest.raises(BadAnswer, match=f"{method} was answered with .*, which cannot be"):
        require_possible("here", Request(method, ()), result)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_getTransactionCount", "0x0"),
        ("eth_getBalance", hex((1 << 256) - 1)),
        ("eth_call", "0x"),
        ("eth_call", "0xAb01"),
        ("eth_getTransactionReceipt", None),
        ("eth_getTransactionReceipt", {"blockNumber": None}),
    ],
)
def test_what_may_be_is_taken(method: str, result: Any) -> None:
    require_possible("here", Request(method, ()), result)


ASKED, OTHER = "0x" + "ab" * 32, "0x" + "cd" * 32
RECEIPT = {
    **dict.fromkeys(("blockNumber", "transactionIndex", "gasUsed", "effectiveGasPrice", "status"), "0x1"),
    **{"transactionHash": ASKED, "blockHash": OTHER, "logs": list[Any]()},
}
LOG = {
    **dict.fromkeys(("blockNumber", "transactionIndex", "logIndex"), "0x1"),
    **{"transactionHash": ASKED, "blockHash": OTHER, "address": "0x" + "11" * 20, "data": "0x", "topics": list[str]()},
}


@pytest.mark.parametrize(
    "told",
    [
        {"status": "0x2"},
        {"status": "0x0", "logs": [LOG]},
        {"logsBloom": hex(1 << 7)},
    ],
    ids=["no status", "reverted with logs", "without the logs of its bloom"],
)
def test_a_receipt_that_contradicts_itself_is_no_answer(told: dict[str, Any]) -> None:
    asked = Request("eth_getTransactionReceipt", (ASKED,))
    require_possible("here", asked, {**RECEIPT, "logs": [LOG], "logsBloom": hex(1 << 7)})
    require_possible("here", asked, {**RECEIPT, "status": "0x0", "logsBloom": "0x" + "00" * 256})
    with pytest.raises(BadAnswer, match="which cannot be"):
        require_possible("here", asked, {**RECEIPT, **told})


@pytest.mark.parametrize(
    ("method", "asked", "of_it", "of_another"),
    [
        ("eth_getBlockByNumber", "0x7", {"number": "0x07"}, {"number": "0x6"}),
        ("eth_getBlockByHash", ASKED, {"hash": ASKED.upper().replace("X", "x")}, {"hash": OTHER}),
        ("eth_getTransactionByHash", ASKED, {"hash": ASKED}, {"hash": OTHER}),
        ("eth_getTransactionReceipt", ASKED, RECEIPT, {**RECEIPT, "transactionHash": OTHER}),
    ],
)
def test_what_is_told_of_another_than_was_asked_for_is_no_answer(
    method: str, asked: str, of_it: dict[str, Any], of_another: dict[str, Any]
) -> None:
    require_possible("here", Request(method, (asked, False)), of_it)
    with pytest.raises(BadAnswer, match=f"{method} was answered with another one than was asked for"):
        require_possible("here", Request(method, (asked, False)), of_another)


@pytest.mark.parametrize("number", [[], {}, None, "7", 7.5])
def test_an_answer_under_what_is_no_id_of_ours_answers_nothing(number: Any) -> None:
    asked = [Request("eth_gasPrice", ()), Request("eth_gasPrice", ())]
    told = [{"id": 7, "result": "0x1"}, {"id": number, "result": "0x2"}]
    with pytest.raises(BadAnswer, match="was not answered with a JSON-RPC object"):
        answers("here", asked, 7, told)


@pytest.mark.parametrize("field", ["hash", "parentHash"])
@pytest.mark.parametrize("told", [None, [], 5, "0x12"])
def test_a_block_that_names_no_hash_cannot_be_read(field: str, told: Any) -> None:
    names = ("number", "timestamp", "gasUsed", "gasLimit", "logsBloom")
    document = {**dict.fromkeys(names, "0x1"), "hash": "0x" + "11" * 32, "parentHash": "0x" + "22" * 32}
    assert header(document).head.hash == document["hash"]
    with pytest.raises(ValueError, match="is no hash"):
        header({**document, field: told})


@pytest.mark.parametrize("field", ["number", "timestamp", "gasUsed", "gasLimit", "baseFeePerGas"])
@pytest.mark.parametrize("told", ["-0x1", "0x8000000000000000"])
def test_a_block_of_quantities_that_no_chain_has_cannot_be_read(field: str, told: str) -> None:
    names = ("number", "timestamp", "gasUsed", "gasLimit", "baseFeePerGas", "logsBloom")
    document = {**dict.fromkeys(names, "0x1"), "hash": ASKED, "parentHash": OTHER}
    with pytest.raises(ValueError, match="is no quantity"):
        header({**document, field: told})


@pytest.mark.parametrize("status", [401, 403, 429, 503])
@pytest.mark.parametrize("shape", ["one", "batch"])
def test_the_reason_that_comes_with_a_status_is_told(status: int, shape: str) -> None:
    refused = {"jsonrpc": "2.0", "id": None, "error": {"code": 429, "message": "Monthly capacity limit exceeded"}}
    body = orjson.dumps(refused if shape == "one" else [refused])
    with pytest.raises(Unreachable, match=rf"here: Monthly capacity limit exceeded \(HTTP {status}\)"):
        read_body("here", status, None, body)


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_refusal_of_a_batch_is_its_answer_whatever_its_status(status: int) -> None:
    said = {"jsonrpc": "2.0", "id": None, "error": {"code": 31, "message": "Batch of more than 3 requests"}}
    assert read_body("here", status, None, orjson.dumps(said)) == said


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": null}', b'["slow down"]'])
def test_a_status_without_a_reason_is_told_all_the_same(body: bytes) -> None:
    with pytest.raises(Busy, match=r"here: too many requests \(HTTP 429\)"):
        read_body("here", 429, None, body)


@pytest.mark.parametrize("name", [{}, {"id": None}])
def test_a_refusal_without_an_id_is_that_of_the_only_call(name: dict[str, Any]) -> None:
    refused = {"jsonrpc": "2.0", "error": {"code": -32005, "message": "daily request count exceeded"}, **name}
    [answer] = answers("here", [Request("eth_gasPrice", ())], 7, refused)
    assert isinstance(answer, RpcError)
    assert (answer.code, answer.message) == (-32005, "daily request count exceeded")
