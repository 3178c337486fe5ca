"""The tape: records in the order in which they happened, in compressed frames that are only ever appended.

A file begins with `MAGIC`. A frame is its length and its CRC-32 (four bytes each, big-endian), and as many bytes of
zlib: JSON records, one a line. A frame that a crash cut short is no record; everything before it stands.
"""

from __future__ import annotations

import io
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

MAGIC = b"isthmus tape 3\n"
FRAME_RECORDS = 512
FRAME_S = 1.0
"""A frame is written when it holds so many records, or is so old: at most so much is lost with a crash."""

_HEADER_BYTES = 8
_MOST_BYTES = 1 << 28


class NoTape(ValueError):
    """A file that is not a tape, or whose middle is damaged."""


class TapeWriter:
    """Writes from a thread of its own, once a second, so that whoever records never waits.

    A record is a function that gives its document: it is called in the thread, on values that do not change any more.
    What cannot be written is told once to `on_trouble`, and ends the recording; the run goes on.
    """

    def __init__(self, file: Path, on_trouble: Callable[[str], None]) -> None:
        """Raises `OSError` where the file cannot be made or written to."""
        self._file = file.open("xb")
        self._file.write(MAGIC)
        self._file.flush()
        self._on_trouble = on_trouble
        self._queue: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._more = True
        """Whether the last record is still to be taken."""
        self._thread = threading.Thread(target=self._write, name="tape", daemon=True)
        self._thread.start()

    def put(self, record: Callable[[], Any]) -> None:
        """One more record."""
        self._queue.put(record)

    def close(self) -> None:
        """Write what is left, and wait until it is in the file."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._ending.set()
            self._thread.join()
        self._file.close()

    def _write(self) -> None:
        try:
            while self._more:
                self._frame()
        except Exception as error:
            # Closed later it would try once more to write what it holds, and end the run.
            with suppress(OSError):
                self._file.close()
            self._on_trouble(f"the recording ended: {error}")
            while self._more:
                self._more = self._queue.get() is not None

    def _frame(self) -> None:
        """Take records until a frame is full or old, and write it."""
        lines: list[bytes] = []
        record = self._queue.get()
        self._more = record is not None
        if self._more and self._queue.qsize() < FRAME_RECORDS:
            self._ending.wait(FRAME_S)
        while record is not None:
            lines.append(orjson.dumps(record()))
            time.sleep(0)  # others may have waited for the interpreter meanwhile
            if len(lines) >= FRAME_RECORDS or self._queue.empty():
                break
            record = self._queue.get()
            self._more = record is not None
        if lines:
            body = zlib.compress(b"\n".join(lines), 6)
            self._file.write(len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body)
            self._file.flush()


def read_tape(file: Path) -> Iterator[Any]:
    """The records of a tape, in order. Raises `NoTape`, `OSError`."""
    with file.open("rb") as tape:
        if tape.read(len(MAGIC)) != MAGIC:
            raise NoTape(f"{file} is not a recording of this version; record a run anew")
        while body := _body(tape, file):
            for line in zlib.decompress(body).split(b"\n"):
                yield orjson.loads(line)


def _body(tape: io.BufferedReader, file: Path) -> bytes:
    """The next frame's content; empty at the end, and where a crash cut the last frame short."""
    header = tape.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return b""
    length = int.from_bytes(header[:4], "big")
    body = tape.read(length) if length <= _MOST_BYTES else b""
    if len(body) == length and zlib.crc32(body) == int.from_bytes(header[4:], "big"):
        return body
    if not tape.read(1) and length <= _MOST_BYTES:
        return b""
    raise NoTape(f"{file} is damaged in the middle: a frame's checksum is wrong; what follows it cannot be trusted")
