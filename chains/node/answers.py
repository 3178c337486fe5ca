"""Reads what came back: a JSON-RPC answer to what was asked, or a name for what it is instead."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from chains.anvil import RpcError
from chains.node.documents import as_json, is_view, opened
from chains.node.errors import BadAnswer, Busy, Unreachable
from chains.node.refusals import names_batch
from chains.node.wire import found_receipt

MAX_ANSWER_BYTES = 256 << 20
"""No answer is longer, over any wire, and unpacked: one that is would only fill the memory."""
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_BAD_REQUEST = 400
_NO_ACCESS = (401, 403)
ASK_LESS = "ask it less (requests_per_s, daily_units), or add another endpoint"
"""What to do about an endpoint that is asked too much, in a second or in a day."""

# What these answer is a number in hexadecimal, with at least one digit, whatever happens; and of how many bits at most.
_QUANTITIES = {
    "eth_chainId": 256,
    "eth_blockNumber": 63,
    "eth_getBalance": 256,
    "eth_getTransactionCount": 63,
    "eth_gasPrice": 256,
    "eth_estimateGas": 63,
    "eth_maxPriorityFeePerGas": 256,
}
# And these answer bytes in hexadecimal, of which there may be none.
_BYTES = frozenset({"eth_getCode", "eth_call"})
_TEXTS = frozenset({"eth_getStorageAt", "eth_sendRawTransaction", "eth_subscribe"})
_BLOCKS = frozenset({"eth_getBlockByNumber", "eth_getBlockByHash"})
_RECEIPT = "eth_getTransactionReceipt"
# By what these name what they were asked for, which is their first parameter.
_NAMED_BY = {
    "eth_getBlockByNumber": "number",
    "eth_getBlockByHash": "hash",
    "eth_getTransactionReceipt": "transactionHash",
    "eth_getTransactionByHash": "hash",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `params` are as JSON-RPC has them. `as_arrays` takes a list of one block's logs as a `LogsView` too."""

    method: str
    params: Sequence[Any]
    as_arrays: bool = False


Answer = Any | RpcError
"""A call's result, or the node's refusal."""


def loader(requests: Sequence[Request]) -> Callable[[bytes], Any]:
    """How what `requests` are answered with is read. Raises `orjson.JSONDecodeError`."""
    return opened if any(request.as_arrays for request in requests) else orjson.loads


def read_body(
    where: str, status: int, retry_after: str | None, body: bytes, load: Callable[[bytes], Any] = orjson.loads
) -> Any:
    """The JSON in an HTTP answer, as `load` reads it. Raises `Busy`, `BadAnswer`, `Unreachable`."""
    if status >= _BAD_REQUEST and names_batch(_said(body)):
        # A call by itself may be answered by who does not take so many, whatever the status.
        return orjson.loads(body)
    if status == _TOO_MANY_REQUESTS:
        said = _said(body) or "too many requests"
        raise Busy(f"{where}: {said} (HTTP 429); {ASK_LESS}", retry_seconds(retry_after))
    if status in _NO_ACCESS:
        said = _said(body) or "refuses the key or the caller"
        raise Unreachable(f"{where}: {said} (HTTP {status}); correct the key")
    if status >= _SERVER_ERROR:
        said = _said(body) or "is out of order"
        raise Unreachable(f"{where}: {said} (HTTP {status}); it is asked again later")
    try:
        return load(body)
    except orjson.JSONDecodeError:
        raise BadAnswer(f"{where}: {_what_it_is(body)} (HTTP {status}); does it speak JSON-RPC?") from None


def _said(body: bytes) -> str:
    """What a refused request was answered with, if that is a JSON-RPC error; of a batch, what its first call was."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    first = document[0] if isinstance(document, list) and document else document
    error = first.get("error") if isinstance(first, Mapping) else None
    return refusal("", error).message if error is not None else ""


def retry_seconds(header: str | None) -> float | None:
    """`Retry-After` as seconds, given as such or as a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def answers(where: str, requests: Sequence[Request], first_id: int, document: Any) -> list[Answer]:
    """The answers to `requests`, whose ids count from `first_id`, in order. Raises `BadAnswer`."""
    # JSON-RPC 2.0 gives no id to what is refused before it is read; a batch refused as one has none either.
    nameless = isinstance(document, Mapping) and document.get("error") is not None and document.get("id") is None
    if len(requests) == 1 and not isinstance(document, list) and not nameless:
        return [_answer(where, requests[0], first_id, document)]
    if isinstance(document, Mapping) and "error" in document:
        return [_answer(where, request, document.get("id"), document) for request in requests]
    if not isinstance(document, list):
        raise BadAnswer(f"{where}: answered a batch of {len(requests)} with something else")
    by_id = {item["id"]: item for item in document if isinstance(item, Mapping) and isinstance(item.get("id"), int)}
    return [
        _answer(where, request, first_id + place, by_id.get(first_id + place)) for place, request in enumerate(requests)
    ]


def _answer(where: str, request: Request, number: Any, document: Any) -> Answer:
    method = request.method
    if not isinstance(document, Mapping):
        raise BadAnswer(f"{where}: {method} was not answered with a JSON-RPC object")
    if document.get("id") != number:
        raise BadAnswer(f"{where}: {method} was answered with another id")
    error = document.get("error")
    if error is not None:
        return refusal(method, error)
    if "result" not in document:
        raise BadAnswer(f"{where}: {method} was answered with neither a result nor an error")
    result = document["result"] if request.as_arrays else as_json(document["result"])
    require_possible(where, request, result)
    return result


def refusal(method: str, error: Any) -> RpcError:
    """The node's error object as an exception, whatever shape it has."""
    if not isinstance(error, Mapping):
        return RpcError(method, 0, str(error))
    code = error.get("code", 0)
    return RpcError(method, code if isinstance(code, int) else 0, str(error.get("message", "")), error.get("data"))


def require_possible(where: str, request: Request, result: Any) -> None:
    """Refuse what `request` can never be answered with, such as null for a balance, or the block of another number.

    Raises `BadAnswer`.
    """
    method = request.method
    if _is_of_another(request, result):
        raise BadAnswer(f"{where}: {method} was answered with another one than was asked for")
    if method in _QUANTITIES:
        possible = _is_hexadecimal(result, lambda text: _quantity(text, _QUANTITIES[method]))
    elif method in _BYTES:
        possible = _is_hexadecimal(result, lambda text: bytes.fromhex(text[2:]))
    elif method in _TEXTS:
        possible = isinstance(result, str) and result.startswith("0x")
    elif method == "eth_getLogs":
        possible = isinstance(result, list) or is_view(result)
    elif method in _BLOCKS:
        never_null = bool(request.params) and request.params[0] in ("latest", "earliest")
        possible = isinstance(result, Mapping) or (result is None and not never_null)
    elif method == _RECEIPT:
        possible = _is_receipt(result)
    elif method == "eth_getTransactionByHash":
        possible = isinstance(result, Mapping) or result is None
    else:
        return
    if not possible:
        said = "null" if result is None else "0x" if result == "0x" else type(result).__name__
        said = {"str": "bad hexadecimal", "dict": "what contradicts itself or lacks something"}.get(said, said)
        raise BadAnswer(f"{where}: {method} was answered with {said}, which cannot be")


def _is_of_another(request: Request, result: Any) -> bool:
    name = _NAMED_BY.get(request.method)
    if name is None or not request.params or not isinstance(result, Mapping):
        return False
    asked, told = request.params[0], result.get(name)
    # A block may be asked for by a tag, and half an answer is told of elsewhere.
    if not (isinstance(asked, str) and asked.startswith("0x") and isinstance(told, str)):
        return False
    try:
        return int(asked, 16) != int(told, 16)
    except ValueError:
        return True


def _is_hexadecimal(result: Any, read: Callable[[str], object]) -> bool:
    if not isinstance(result, str) or not result.startswith("0x"):
        return False
    try:
        read(result)
    except ValueError:
        return False
    return True


def _quantity(text: str, bits: int) -> int:
    quantity = int(text, 16)
    if quantity.bit_length() > bits:
        raise ValueError(f"{text[:80]} is no quantity of {bits} bits")
    return quantity


def _is_receipt(result: Any) -> bool:
    try:
        found_receipt(result)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def _what_it_is(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "answered with nothing"
    if start == b"<":
        return "answered with a web page"
    if start in b"{[":
        return "answered with a document that is cut short"
    return "answered with what is not JSON"
