"""Which of many numbered, hashed things was the newest: in a file of two checksummed slots, written in turn.

A write cut short leaves the slot before it readable. What a reader makes of a file that is gone or damaged is its own.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

_SLOTS = 2


class HeadSlots:
    """The file at `path`, of slots of `slot_bytes`; opened at its first write."""

    def __init__(self, path: Path, slot_bytes: int) -> None:
        self.path = path
        self._slot_bytes = slot_bytes
        self._file: int | None = None
        self._turn = 0

    def read(self) -> tuple[int, str] | None:
        """Number and hash of the newest in it; None when nothing in it is whole. Raises `OSError`."""
        content, size = self.path.read_bytes(), self._slot_bytes
        slots = (_decoded(content[at * size : (at + 1) * size]) for at in range(_SLOTS))
        return max((found for found in slots if found is not None), default=None)

    def write(self, number: int, said: str, *, sync: bool = False) -> None:
        """Keep it; with `sync`, on the disk when this returns. Raises `OSError`."""
        slot = _encoded(number, said).ljust(self._slot_bytes, b"\0")
        if self._file is None:
            if not self.path.exists():
                self._make(slot)
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        os.pwrite(self._file, slot, self._turn * self._slot_bytes)
        self._turn = (self._turn + 1) % _SLOTS
        if sync:
            os.fdatasync(self._file)

    def overrule(self, number: int, said: str) -> None:
        """Keep it instead of all that is there, newer or not, on the disk when this returns. Raises `OSError`."""
        for _ in range(_SLOTS):
            self.write(number, said, sync=True)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _make(self, slot: bytes) -> None:
        """The file with `slot` in it, or none: one that a crash or a full disk left empty would be a damaged one."""
        beside = self.path.with_name(f".{self.path.name}.new")
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, slot.ljust(self._slot_bytes * _SLOTS, b"\0"))
            os.fsync(file)
            beside.rename(self.path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _encoded(number: int, said: str) -> bytes:
    line = f"{number} {said}".encode()
    return b"%s %08x\n" % (line, zlib.crc32(line))


def _decoded(slot: bytes) -> tuple[int, str] | None:
    parts = slot.partition(b"\n")[0].split(b" ")
    if len(parts) != 3 or parts[2] != b"%08x" % zlib.crc32(b" ".join(parts[:2])):
        return None
    return int(parts[0]), parts[1].decode()
