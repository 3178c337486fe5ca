"""Logs from a node's raw answer to arrays, as fast as bytes are read. What is unusual is decoded slowly, but equally.

>>> logs = decoded(b'{"jsonrpc":"2.0","id":1,"result":[]}')
>>> len(logs.log_index)
0
"""

from __future__ import annotations

import re

import numpy as np

from chains.codec import plain
from chains.codec.frames import Logs, MalformedFrame
from chains.kernels.cache import compiled

__all__ = ["Logs", "MalformedFrame", "decoded"]

_ANSWER = re.compile(rb'\{(?:"jsonrpc":"2\.0",(?:"id":\d+,)?|"id":\d+,"jsonrpc":"2\.0",)"result":\[')
_ANSWER_END = re.compile(rb'\](?:,"id":\d+)?\}\n?')
_FRAME = re.compile(
    rb'\{"jsonrpc":"2\.0","method":"eth_subscription","params":\{"subscription":"0x[0-9a-f]{1,64}","result":'
)
_FRAME_END = re.compile(rb"\}\}\n?")
_LEAST_LOG_BYTES = 300
_WORD_BYTES = 64


def decoded(raw: bytes) -> Logs:
    """The logs in an `eth_getLogs` answer, or in one frame of a `logs` subscription. Raises `MalformedFrame`."""
    logs = _scanned(raw) if compiled() else None
    return plain.decoded(raw) if logs is None else logs


def _scanned(raw: bytes) -> Logs | None:
    """The same by the compiled scan; None where that does not understand everything."""
    from chains.codec.scan import SPARE, STRANGE, scan

    opening, closing = _ANSWER.match(raw), _ANSWER_END
    if opening is None:
        opening, closing = _FRAME.match(raw), _FRAME_END
    if opening is None:
        return None
    room = Logs.room(len(raw) // _LEAST_LOG_BYTES + 1, len(raw) // _WORD_BYTES + 1)
    text = np.frombuffer(raw + bytes(SPARE), np.uint8)
    rows, words, at = scan(text, opening.end(), len(raw), room)
    if rows == STRANGE or not closing.fullmatch(raw, at) or (closing is _FRAME_END and rows != 1):
        return None
    return room.cut(rows, words)
