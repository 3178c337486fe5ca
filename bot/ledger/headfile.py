"""The second file: which seal was the newest when the ledger last committed. It tells a lost tail from none.

It is written after the commit it speaks of, and synced before anything leaves the machine on that commit. A crash
between the two leaves it behind the ledger, never ahead: a ledger that ends before its head file does has lost rows.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection

from bot.headslots import HeadSlots
from bot.ledger.errors import LedgerBroken, LedgerError, LedgerFull
from bot.ledger.seals import SealHead, hash_at, read_head

_SLOT_BYTES = 512


class HeadFile:
    """At `path`; opened at its first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._slots = HeadSlots(path, _SLOT_BYTES)

    def read(self) -> SealHead | None:
        """The newest head in it; None when there is no file. Raises `LedgerError` when nothing in it is whole."""
        try:
            found = self._slots.read()
        except FileNotFoundError:
            return None
        if found is None:
            raise LedgerError(f"ledger's head file {self.path}: it is damaged; {_ACCEPT}")
        return SealHead(found[0], bytes.fromhex(found[1]))

    def write(self, head: SealHead, *, sync: bool) -> None:
        """Keeps `head`; with `sync`, on the disk when this returns. Raises `LedgerError`."""
        with self._explained():
            self._slots.write(head.id, head.hash.hex(), sync=sync)

    def overrule(self, head: SealHead) -> None:
        """Keeps `head`, whatever is in it, on the disk when this returns. Raises `LedgerError`."""
        with self._explained():
            self._slots.overrule(head.id, head.hash.hex())

    def close(self) -> None:
        self._slots.close()

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

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = LedgerFull if error.errno == errno.ENOSPC else LedgerBroken
            raise kind(f"ledger's head file {self.path}: {error.strerror}; nothing is sent without it") from error


def head_file_of(url: URL) -> Path:
    """Where the head file of an SQLite file is."""
    return Path(f"{url.database}-head")


def head_file_among(runs: Path, url: URL) -> Path:
    """Where all runs of the folder `runs` keep a ledger's head file: beside an SQLite file; that of a server's database
    in the folder itself, by a name of its own.
    """
    if url.get_backend_name() == "sqlite":
        return head_file_of(url)
    database = repr((url.host or url.query.get("host"), url.port, url.database))
    return runs / f"ledger-{hashlib.sha256(database.encode()).hexdigest()[:12]}-head"


_ACCEPT = "look at what `isthmus ledger verify` says and take what is there with `isthmus ledger verify --accept`"
