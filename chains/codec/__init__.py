"""Logs from a node's raw answer to arrays, as fast as bytes are read. What is unusual is decoded slowly, but equally.

>>> logs = decoded(b'{"jsonrpc":"2.0","id":1,"result":[]}')
>>> len(logs.log_index)
0
"""

from __future__ import annotations

import re

from chains.codec import plain
from chains.codec.frames import Logs, MalformedFrame
from chains.codec.listed import listed, padded
from chains.kernels.cache import compiled

__all__ = ["Logs", "MalformedFrame", "decoded", "warm"]

_ANSWER = re.compile(rb'\{(?:"jsonrpc":"2\.0",(?:"id":\d+,)?|"id":\d+,"jsonrpc":"2\.0",)"result":\[')
_ANSWER_END = re.compile(rb'\](?:,"id":\d+)?\}\n?')
_FRAME = re.compile(
    rb'\{"jsonrpc":"2\.0","method":"eth_subscription","params":\{"subscription":"0x[0-9a-f]{1,64}","result":'
)
_FRAME_END = re.compile(rb"\}\}\n?")
_NO_LOGS = b'{"jsonrpc":"2.0","id":1,"result":[]}'


def decoded(raw: bytes) -> Logs:
    """The logs in an `eth_getLogs` answer, or in one frame of a `logs` subscription. Raises `MalformedFrame`."""
    logs = _scanned(raw) if compiled() else None
    return plain.decoded(raw) if logs is None else logs


def warm() -> None:
    """Load the compiled scan, or compile it, so that nobody waits for it later: decode an answer without logs."""
    decoded(_NO_LOGS)


def _scanned(raw: bytes) -> Logs | None:
    """The same by the compiled scan; None where that does not understand everything."""
    opening, closing = _ANSWER.match(raw), _ANSWER_END
    if opening is None:
        opening, closing = _FRAME.match(raw), _FRAME_END
    if opening is None:
        return None
    found = listed(padded(raw), opening.end(), len(raw))
    if found is None or not closing.fullmatch(raw, found.end) or (closing is _FRAME_END and len(found.spans) != 1):
        return None
    return found.logs
