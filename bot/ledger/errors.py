"""What can go wrong with the ledger, each in one line: what, where, what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, SQLAlchemyError


class LedgerError(RuntimeError):
    """The ledger cannot do what was asked. While it cannot commit, nothing may be signed or sent."""


class IllegalMove(LedgerError):
    """An intent or order was asked to make a move its state does not allow: a bug in the caller."""


class Unbalanced(LedgerError):
    """A group of postings that does not sum to zero per place and token: a bug in the caller."""


class NonceMoved(LedgerError):
    """The journal's next nonce is not the one the caller built its transaction with."""


class ActedOn(LedgerError):
    """A plan has an intent already: the same decision is never acted on twice."""


class LedgerHeld(LedgerError):
    """Another process writes to the ledger."""


class LeaseLost(LedgerError):
    """Another process took the ledger over while this one stood still: it must end, and write nothing more."""


class LedgerUnwritable(LedgerError):
    """Nothing can be written now: nothing is signed until something can, and then it goes on."""


class LedgerFull(LedgerUnwritable):
    """There is no space to write."""


class LedgerLocked(LedgerUnwritable):
    """Another process keeps everybody else from writing."""


class LedgerBroken(LedgerError):
    """The disk failed a sync: what it holds is not known, so that this process writes nothing more."""


class LedgerSilent(LedgerError):
    """Its server does not answer: what was asked of it last it may still do, so that this process asks nothing more."""


_FULL = ("database or disk is full", "no space left on device")
_LOCKED = ("database is locked", "lock timeout")
_BROKEN = "disk i/o error"
SILENT = "said nothing for too long"
"""How a connection says that its server does not answer."""
_UNANSWERED = (SILENT, "connection timeout expired")

_OLDER = "an earlier version wrote it; a run on it brings it up to date, and so does a backup of it that is restored"

_LOST = "its server ended the connection; start again on the same ledger: what it was asked last it may have done"

_REMEDIES = (
    ("not a database", "it is not an SQLite database; restore a backup or move the file away"),
    ("malformed", "the database is corrupt; restore a backup or move the file away"),
    ("database is locked", "another process is writing to it; stop that one first"),
    ("lock timeout", "another process is writing to it, or holds its tables; stop that one first"),
    ("idle-in-transaction timeout", "this process stood still while it wrote; nothing of that was recorded or sent"),
    *((sign, "the disk is full; free some space. Nothing was recorded, so nothing was sent") for sign in _FULL),
    (
        _BROKEN,
        "the disk failed, or your share of it is used up; nothing was recorded, so nothing was sent. Check both before "
        "restarting",
    ),
    ("unable to open", "the file cannot be opened; check that its folder exists and may be written to"),
    ("readonly database", "the file is read-only; make it and its folder writable"),
    ("read-only transaction", "it was opened read-only"),
    ("during recovery", "its server is a standby, which lets nobody write; name the one that it follows"),
    ("no such column", _OLDER),
    ("no such table", "it holds no ledger; a run creates one"),
    ('relation "runs" does not exist', "it holds no ledger; a run creates one"),
    *((sign, "its server does not answer; look at it and at its disk, and start again") for sign in _UNANSWERED),
    *((sign, _LOST) for sign in ("server closed the connection", "terminating connection", "the connection is closed")),
    ("is starting up", "its server is just being started; wait until it is, and start again"),
    ("connection refused", "no database server answers there; start it or correct the URL"),
)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turns a database's exception into a `LedgerError` of one line that names `where` and the remedy."""
    try:
        yield
    except UnicodeDecodeError as error:
        # SQLite hands over names that are no text, as a damaged schema may hold them.
        raise LedgerError(f"ledger {where}: the database is corrupt; restore a backup or move the file away") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        origin = error.orig if isinstance(error, DatabaseError) and error.orig is not None else error
        text = _said(origin)
        remedy = next((remedy for sign, remedy in _REMEDIES if sign in text.lower()), text)
        raise _kind(text)(f"ledger {where}: {remedy}") from error


def _said(origin: BaseException) -> str:
    """The first line of what a database says."""
    if getattr(origin, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHMSIZE:
        # Who opens a file needs a page for the index of its log; without space SQLite calls that an I/O error.
        return _FULL[0]
    lines = str(origin).strip().splitlines()
    return lines[0] if lines else type(origin).__name__


def _kind(text: str) -> type[LedgerError]:
    """What is full may have space again, and what is locked be let go; what failed once is not asked again."""
    said = text.lower()
    if any(sign in said for sign in _FULL):
        return LedgerFull
    if any(sign in said for sign in _LOCKED):
        return LedgerLocked
    if any(sign in said for sign in _UNANSWERED):
        return LedgerSilent
    return LedgerBroken if _BROKEN in said else LedgerError
