"""What a node's error answer means: whether another endpoint may know better, and what to do about this one."""

from __future__ import annotations

from enum import Enum, auto

from chains.anvil import RpcError


class Meaning(Enum):
    """`FINAL` is the answer, wherever it is asked: a revert, a malformed request. `NO_BATCH` is said of several calls
    in one message, or of so many; `TOO_LONG` of one block's logs, of which another endpoint may give as many.
    """

    FINAL = auto()
    BUSY = auto()
    NO_BLOCK = auto()
    NO_STATE = auto()
    NO_METHOD = auto()
    NO_HASH_PARAMETER = auto()
    NO_BATCH = auto()
    LOG_RANGE = auto()
    TOO_LONG = auto()
    INTERNAL = auto()


_PRUNED_CODE = 4444
_INVALID_PARAMS = -32602
_NO_METHOD = -32601
_INTERNAL = -32603
_TOO_MANY_REQUESTS = (429, -32029, -32097)
_LIMIT_EXCEEDED = -32005
_REVERT = 3

# Fragments of messages, lower case. Sources: go-ethereum (core, eth/filters, rpc), Erigon, Nethermind, reth, Anvil; and
# the public documentation of Alchemy, Infura, QuickNode, Chainstack, Ankr, dRPC and PublicNode.
_TOO_LONG = (
    "too_many_results",
    "query returned more than",
    "more than 10000",
    "too many results",
    "too many logs",
    "max results",
    "max logs",
    "result set",
    "response size",
    "response is too big",
    "response too large",
)
_LOG_RANGE = (
    *_TOO_LONG,
    "block range",
    "blocks range",
    "range is too",
    "range too",
    "range of blocks",
    "range limit",
    "is limited to",
    "ranges over",
    "range_too_large",
    "exceeds the limit",
    "exceed max",
    "exceeded max",
    "limit exceeded",
    "query timeout",
    "timed out",
    "timeout",
)
_NO_BATCH = "batch"
_BEYOND_HEAD = "beyond current head"
_BUSY = (
    "rate limit",
    "ratelimit",
    "too many requests",
    "request count exceeded",
    "compute units per second",
    "request limit",
    "requests per second",
    "capacity exceeded",
    "throughput",
    "limit exceeded",
    "over your quota",
)
_NO_STATE = (
    "missing trie node",
    "historical state",
    "state is not available",
    "state not available",
    "state unavailable",
    "no state available",
    "archive",
    "pruned",
    "proof window",
    "old data not available",
)
_NO_BLOCK = (
    "header not found",
    "header for hash not found",
    "block not found",
    "unknown block",
    "could not find block",
    "no such block",
    "not currently canonical",
    "not canonical",
    "cannot find block",
    "blockoutofrange",
    "block with id",
    "resource not found",
    _BEYOND_HEAD,
)
_NO_METHOD_TEXT = (
    "method not found",
    "does not exist/is not available",
    "method is not available",
    "unsupported method",
)
_INTERNAL_TEXT = ("internal error", "server error", "upstream", "timed out", "timeout", "overloaded", "not synced")


def meaning(error: RpcError, method: str, by_hash: bool = False) -> Meaning:
    """What `error` means for a call of `method`, whose block was given by hash or not."""
    text = error.message.lower()

    def says(fragments: tuple[str, ...]) -> bool:
        return any(fragment in text for fragment in fragments)

    if error.code == _REVERT or "revert" in text:
        return Meaning.FINAL
    if names_batch(text):
        return Meaning.NO_BATCH
    if error.code in _TOO_MANY_REQUESTS:
        return Meaning.BUSY
    if error.code == _PRUNED_CODE or says(_NO_STATE):
        return Meaning.NO_STATE
    if says(_NO_BLOCK):
        return Meaning.NO_BLOCK
    if method == "eth_getLogs" and not says(_BUSY[:-2]) and says(_TOO_LONG if by_hash else _LOG_RANGE):
        return Meaning.TOO_LONG if by_hash else Meaning.LOG_RANGE
    if error.code == _LIMIT_EXCEEDED or says(_BUSY):
        return Meaning.BUSY
    if error.code == _NO_METHOD or says(_NO_METHOD_TEXT):
        return Meaning.NO_METHOD
    if by_hash and (error.code == _INVALID_PARAMS or "unmarshal object" in text or "invalid argument" in text):
        return Meaning.NO_HASH_PARAMETER
    if error.code == _INTERNAL or says(_INTERNAL_TEXT):
        return Meaning.INTERNAL
    return Meaning.FINAL


def names_batch(message: str) -> bool:
    """Whether a refusal is about several calls in one message: also such as "too many requests in batch"."""
    return _NO_BATCH in message.lower()
