"""A list of logs somewhere in a text: the compiled scan, and the room it writes into."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chains.codec.frames import I4, U8, Logs

_LEAST_LOG_BYTES = 300
_WORD_BYTES = 64
_SPARE = 96
"""Zeros that follow the end of a text: what the scan reads past it is then no character that goes on."""


class Listed(NamedTuple):
    """What stands in a text: `logs`, where each one's `{` is and where it ends (`spans`), and where the last ends."""

    logs: Logs
    spans: I4
    end: int

    @property
    def in_order(self) -> bool:
        """Whether they stand in the order they were emitted in, each once."""
        index = self.logs.log_index
        return bool((index[1:] > index[:-1]).all())


def padded(raw: bytes) -> U8:
    """A text as `listed` takes it."""
    return np.frombuffer(raw + bytes(_SPARE), np.uint8)


def listed(text: U8, begin: int, end: int) -> Listed | None:
    """The logs from `begin`, where the first `{` is, in a text of length `end`; None of what is not as nodes write it.

    There is at least one, all are of one block, and of each `chains.node.wire.log` makes a `Log`.
    """
    from chains.codec.scan import STRANGE, scan

    length = end - begin
    room = Logs.room(length // _LEAST_LOG_BYTES + 1, length // _WORD_BYTES + 1)
    spans = np.zeros((len(room.log_index), 2), np.int32)
    rows, words, at = scan(text, begin, end, room, spans)
    return None if rows == STRANGE else Listed(room.cut(rows, words), spans[:rows], at)
