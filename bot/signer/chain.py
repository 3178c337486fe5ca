"""The chain over a signer's journal: every change of every row, each linked to the one before by its hash.

The newest link is also in a file beside the journal, so that a journal that lost its end, or was put back from an older
copy, is told from one that is whole. The file may be behind, by what a crash left out; it is never ahead.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.headslots import HeadSlots

TABLE = """
CREATE TABLE IF NOT EXISTS changes (
    id      INTEGER PRIMARY KEY,
    what    TEXT NOT NULL,
    subject TEXT NOT NULL,
    digest  TEXT NOT NULL,
    content TEXT NOT NULL,
    hash    TEXT NOT NULL
) STRICT
"""

HEAD_SUFFIX = "-head"
"""What the name of a journal's head file ends in."""

_SLOT_BYTES = 128


class What(StrEnum):
    """Of which table a changed row is."""

    SIGNED = "signed"
    REPLACEMENT = "replacement"
    AUDIT = "audit"


class BrokenChain(ValueError):
    """The journal is not what was written. One line."""


@dataclass(frozen=True, slots=True)
class Link:
    """The newest change: everything before it is implied."""

    number: int
    hash: str

    def next(self, what: str, subject: str, digest: str, content: str) -> Link:
        # Of a damaged file a text may be none.
        said = "\0".join(map(str, (self.hash, self.number + 1, what, subject, digest, content)))
        return Link(self.number + 1, hashlib.sha256(said.encode()).hexdigest())


GENESIS = Link(0, "0" * 64)


class Chain:
    """The table of changes in an open journal, and the file beside it."""

    def __init__(self, db: sqlite3.Connection, journal: Path) -> None:
        self._db = db
        self._beside = LinkFile(journal.with_name(journal.name + HEAD_SUFFIX))
        self._newest: Link | None = None

    def establish(self) -> None:
        """Begin the file of a journal that has no chain yet. Raises `OSError`."""
        if not self._beside.path.exists():
            self._beside.write(GENESIS)

    def append(self, what: What, subject: str, digest: str, content: str = "") -> None:
        """Link a change, in the transaction that makes it."""
        if self._newest is None:
            self._newest = self._last()
        self._newest = self._newest.next(what, subject, digest, content)
        self._db.execute(
            "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)",
            (self._newest.number, what.value, subject, digest, content, self._newest.hash),
        )

    def committed(self) -> None:
        """The transaction is on the disk: the file may know of it. Raises `OSError`."""
        if self._newest is not None:
            self._beside.write(self._newest)

    def forget(self) -> None:
        """The transaction may not have been made; the table knows."""
        self._newest = None

    def verified(self, known: Link | None = None) -> dict[tuple[str, str], str]:
        """The digest each row should have, by table and subject, where the chain goes on from `known`; None: from what
        the file says. Raises `BrokenChain`, and what SQLite raises.
        """
        known, newest = known or self._beside.read(), GENESIS
        rows: dict[tuple[str, str], str] = {}
        passed = known.number == newest.number
        for number, what, subject, digest, content, found in self._db.execute(
            "SELECT id, what, subject, digest, content, hash FROM changes ORDER BY id"
        ):
            due = newest.next(what, subject, digest, content)
            if (number, found) != (due.number, due.hash):
                raise BrokenChain(f"change {due.number} of its chain, or one before it, was changed or is missing")
            newest = due
            passed = passed or newest == known
            rows[what, subject] = digest
        if not passed and known.number > newest.number:
            lost = known.number - newest.number
            raise BrokenChain(f"its newest {lost} changes are lost: {self._beside.path} knows {known.number}")
        if not passed:
            raise BrokenChain(f"change {known.number} of its chain is not the one that {self._beside.path} knows")
        self._newest = newest
        return rows

    def accept(self) -> None:
        """Have the file say what the table says, because a person does. Raises `OSError`, and what SQLite raises."""
        self._beside.close()  # what lies there now may be another file than the one that was open
        self._beside.overrule(self._last())

    def holds(self, link: Link) -> bool:
        """Whether `link` is one of it. Raises what SQLite raises."""
        found = self._db.execute("SELECT hash FROM changes WHERE id = ?", (link.number,)).fetchone()
        return link == GENESIS or found == (link.hash,)

    def close(self) -> None:
        self._beside.close()

    def _last(self) -> Link:
        newest = self._db.execute("SELECT id, hash FROM changes ORDER BY id DESC LIMIT 1").fetchone()
        return GENESIS if newest is None else Link(*newest)


class LinkFile:
    """One link at `path`. It is not synced: a power cut may leave it behind, which is allowed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._slots = HeadSlots(path, _SLOT_BYTES)

    def read(self) -> Link:
        """The newest link in it. Raises `BrokenChain` when it is gone, or nothing in it is whole."""
        try:
            found = self._slots.read()
        except OSError as error:
            raise BrokenChain(f"its head file {self.path} cannot be read: {error.strerror}") from None
        if found is None:
            raise BrokenChain(f"its head file {self.path} is damaged")
        return Link(*found)

    def write(self, link: Link) -> None:
        """Keep `link`. Raises `OSError`."""
        self._slots.write(link.number, link.hash)

    def overrule(self, link: Link) -> None:
        """Keep `link`, whatever is in it. Raises `OSError`."""
        self._slots.overrule(link.number, link.hash)

    def close(self) -> None:
        self._slots.close()
