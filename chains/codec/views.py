"""A block's logs as its node wrote them: numbers for kernels, and a `Log` of each that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, overload

import numpy as np
import orjson
from numpy.typing import NDArray

from chains.assets import Address
from chains.blocks import Log
from chains.codec.frames import I4, U64, Logs, address_key

_LIMB_BYTES = 8


class LogsView(Sequence[Log]):
    """Equal to a sequence of the same logs. Nobody changes it: any number of threads may read it.

    `arrays` have the logs in order, each once. `text` is their list as JSON, `spans` where each begins and ends in it,
    and `read` makes a `Log` of one: anew each time that it is asked for.
    """

    __slots__ = ("_emitters", "_first_topics", "_read", "_spans", "_text", "arrays")

    def __init__(self, arrays: Logs, text: bytes, spans: I4, read: Callable[[Mapping[str, Any]], Log]) -> None:
        # A copy, because the room they were read into is twice as large, and blocks are kept for a while.
        self.arrays = Logs._make(array.copy() for array in arrays)
        self._text = text
        self._spans = spans
        self._read = read
        self._first_topics: tuple[bytes, ...] | None = None
        self._emitters: tuple[bytes, ...] | None = None

    @property
    def first_topics(self) -> tuple[bytes, ...]:
        """The first topic of each log, empty where it has none."""
        if self._first_topics is None:
            firsts = _pieces(self.arrays.topics[:, 0, ::-1])
            for row in np.flatnonzero(self.arrays.topic_count == 0):
                firsts[row] = b""
            self._first_topics = tuple(firsts)
        return self._first_topics

    def having(self, topics: AbstractSet[bytes]) -> tuple[Log, ...]:
        """Those whose first topic is one of `topics`."""
        return tuple(self[row] for row, topic in enumerate(self.first_topics) if topic in topics)

    def emitted(self, emitters: Collection[Address]) -> tuple[Log, ...]:
        """Those of `emitters`."""
        if self._emitters is None:
            self._emitters = tuple(_pieces(self.arrays.address))
        keys = set(_pieces(np.array([address_key(emitter) for emitter in emitters], np.uint64).reshape(-1, 3)))
        return tuple(self[row] for row, emitter in enumerate(self._emitters) if emitter in keys)

    def documents(self) -> list[dict[str, Any]]:
        """The list as a JSON library reads it."""
        logs: list[dict[str, Any]] = orjson.loads(self._text)
        return logs

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, at: int) -> Log: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Log, ...]: ...
    def __getitem__(self, at: int | slice) -> Log | tuple[Log, ...]:
        if isinstance(at, slice):
            return tuple(self[row] for row in range(len(self))[at])
        begin, end = self._spans[at].tolist()
        return self._read(orjson.loads(self._text[begin:end]))

    def __iter__(self) -> Iterator[Log]:
        return map(self._read, self.documents())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        if isinstance(other, LogsView) and self._text == other._text:
            return True
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"LogsView{tuple(self)!r}"


def having(logs: Sequence[Log], topics: AbstractSet[bytes]) -> tuple[Log, ...]:
    """Those of `logs` whose first topic is one of `topics`. Of a view no other `Log` is made."""
    if isinstance(logs, LogsView):
        return logs.having(topics)
    return tuple(log for log in logs if log.topics and log.topics[0] in topics)


def emitted(logs: Sequence[Log], emitters: Collection[Address]) -> tuple[Log, ...]:
    """Those of `logs` that one of `emitters` left. Of a view no other `Log` is made."""
    if isinstance(logs, LogsView):
        return logs.emitted(emitters)
    return tuple(log for log in logs if log.address in emitters)


def _pieces(rows: U64 | NDArray[np.uint64]) -> list[bytes]:
    """Each row's numbers as bytes, one after another, each with its most significant first."""
    pieces = np.ascontiguousarray(rows, ">u8").view(f"V{_LIMB_BYTES * rows.shape[1]}").ravel()
    found: list[bytes] = pieces.tolist()
    return found
