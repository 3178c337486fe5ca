"""The second file: which seal was the newest when the ledger last committed. It tells a lost tail from none.

It is written after the commit it speaks of, and synced before anything leaves the machine on that commit. A crash
between the two leaves it behind the ledger, never ahead: a ledger that ends before its head file does has lost rows.
"""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

from sqlalchemy import URL, Connection

from bot.ledger.errors import LedgerBroken, LedgerError, LedgerFull
from bot.ledger.seals import SealHead, hash_at, read_head

_SLOT_BYTES = 512
_SLOTS = 2
"""Written in turn, so that a write cut short leaves the one before it readable."""


class HeadFile:
    """At `path`; opened at its first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._turn = 0

    def read(self) -> SealHead | None:
        """The newest head in it; None when there is no file. Raises `LedgerError` when nothing in it is whole."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        slots = (_decoded(content[at * _SLOT_BYTES : (at + 1) * _SLOT_BYTES]) for at in range(_SLOTS))
        heads = [head for head in slots if head is not None]
        if not heads:
            raise LedgerError(f"ledger's head file {self.path}: it is damaged; {_ACCEPT}")
        return max(heads, key=lambda head: head.id)

    def write(self, head: SealHead, *, sync: bool) -> None:
        """Keeps `head`; with `sync`, on the disk when this returns. Raises `LedgerError`."""
        try:
            if self._file is None:
                self._file = self._opened()
            os.pwrite(self._file, _encoded(head), self._turn * _SLOT_BYTES)
            self._turn = (self._turn + 1) % _SLOTS
            if sync:
                os.fdatasync(self._file)
        except OSError as error:
            kind = LedgerFull if error.errno == errno.ENOSPC else LedgerBroken
            raise kind(f"ledger's head file {self.path}: {error.strerror}; nothing is sent without it") from error

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def check(self, connection: Connection) -> int:
        """Holds the ledger against the file; how many seals the file is behind, which a crash may leave.

        Raises `LedgerError` when the ledger has lost seals that the file knows, has others in their place, or when
        the file is gone though there are seals.
        """
        known = self.read()
        # Read after the file: another process may go on committing meanwhile, but never before it.
        newest = read_head(connection)
        if known is None:
            if newest.id:
                raise LedgerError(f"ledger's head file {self.path}: it is missing; put it back, or {_ACCEPT}")
            return 0
        if known.id > newest.id:
            raise LedgerError(
                f"ledger: its newest {known.id - newest.id} changes are lost: it ends at seal {newest.id}, and "
                f"{self.path} knows {known.id}; restore a backup, or {_ACCEPT}"
            )
        if hash_at(connection, known.id) != known.hash:
            raise LedgerError(
                f"ledger: seal {known.id} is not the one that {self.path} knows: they do not belong together, or the "
                f"ledger was rewritten; restore a backup, or {_ACCEPT}"
            )
        return newest.id - known.id

    def check_against(self, head: SealHead) -> None:
        """Raises `LedgerError` unless the file knows `head` and nothing newer."""
        if self.read() != head:
            raise LedgerError(f"ledger's head file {self.path}: it knows another head than seal {head.id}; {_ACCEPT}")

    def _opened(self) -> int:
        is_new = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            os.pwrite(file, bytes(_SLOT_BYTES * _SLOTS), 0)
            folder = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return file


def head_file_of(url: URL) -> Path:
    """Where the head file of an SQLite file is."""
    return Path(f"{url.database}-head")


_ACCEPT = "look at what `isthmus ledger verify` says and take what is there with `isthmus ledger verify --accept`"


def _encoded(head: SealHead) -> bytes:
    said = f"{head.id} {head.hash.hex()}"
    return f"{said} {zlib.crc32(said.encode()):08x}\n".encode().ljust(_SLOT_BYTES, b"\0")


def _decoded(slot: bytes) -> SealHead | None:
    parts = slot.partition(b"\n")[0].split(b" ")
    if len(parts) != 3 or parts[2] != b"%08x" % zlib.crc32(b" ".join(parts[:2])):
        return None
    return SealHead(int(parts[0]), bytes.fromhex(parts[1].decode()))
