"""One writer at a time: a lease in the database with a fencing token, and a lock that shows whether its holder lives.

The lock is the operating system's (the database server's, where there is one): it goes with its process, so that what
was killed is followed at once. A process that only stands still keeps the lock and loses the lease; when it wakes, its
token is old and its next write fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, bindparam, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.ledger import quick
from bot.ledger.errors import LeaseLost, LedgerHeld
from bot.ledger.seal_models import LeaseRow

LEASE_MS = 10_000
"""How long a holder that stands still keeps the right to write, in milliseconds of wall time."""

# Who stands still in his turn is cut off by the server, or nobody could follow him.
_AWAKE = func.set_config("idle_in_transaction_session_timeout", bindparam("longest_ms"), True)
_QUEUE = select(LeaseRow.token, _AWAKE).where(LeaseRow.name == "writer").with_for_update()
_ROW = select(LeaseRow.token, LeaseRow.holder, LeaseRow.expires_ms).where(LeaseRow.name == bindparam("name"))


@dataclass(frozen=True, slots=True)
class LeaseState:
    """Who has a lease, by which token, and until when (wall time in milliseconds)."""

    token: int = 0
    holder: str = ""
    expires_ms: int = 0


class Liveness(Protocol):
    """A lock that only a living process can hold."""

    def acquire(self) -> bool:
        """Whether this process has it now; asked again later, it may have come free."""
        ...

    def release(self) -> None: ...


class FileLock:
    """`flock` on the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        if self._file is not None:
            return True
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class ServerLock:
    """An advisory lock of PostgreSQL, on a connection of its own: it goes when that does, and is then taken again."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        # Locks of a server go by a number of 64 bits with a sign.
        self._key = int.from_bytes(hashlib.sha256(b"isthmus ledger " + name.encode()).digest()[:8], signed=True)
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        if self._connection is not None and self._lasts(self._connection):
            return True
        self.release()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        asked = text("SELECT pg_try_advisory_lock(:key)")
        if not connection.execute(asked, {"key": self._key}).scalar_one():
            connection.close()
            return False
        self._connection = connection
        return True

    def _lasts(self, connection: Connection) -> bool:
        """Whether the server still has the connection: it may have been restarted, or have cut off who said nothing."""
        with contextlib.suppress(SQLAlchemyError):
            connection.execute(text("SELECT 1"))
            return True
        return False

    def release(self) -> None:
        if self._connection is not None:
            # Closing would hand it back to the pool with the lock still held.
            with contextlib.suppress(Exception):
                self._connection.detach()
                # Said and not left to the server, which notices later that a connection is gone.
                self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None


def liveness_of(engine: Engine, name: str) -> Liveness:
    """The lock beside a ledger that goes with the lease `name`."""
    if engine.dialect.name == "sqlite":
        return FileLock(Path(f"{engine.url.database}-lock-{name}"))
    return ServerLock(engine, name)


def this_process() -> str:
    """Who holds, for a person and for the next process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def queue(connection: Connection) -> None:
    """One writer after the other, until the transaction ends: each seal follows one that is committed.

    SQLite does so by itself.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_QUEUE, {"longest_ms": str(LEASE_MS)})


def lease_row(connection: Connection, name: str) -> LeaseState:
    """The lease as it stands; one that nobody ever took is free."""
    row = quick.first(connection, _ROW, {"name": name})
    return LeaseState() if row is None else LeaseState(row.token, row.holder, row.expires_ms)


def check_free(where: str, lease: LeaseState, now_ms: int, *, lives: bool) -> None:
    """Raises `LedgerHeld` while another process writes: one that lives, and has not stood still for a lease."""
    if lives and now_ms < lease.expires_ms:
        raise LedgerHeld(
            f"ledger {where}: process {lease.holder} writes to it; stop that one first, or wait "
            f"{(lease.expires_ms - now_ms) // 1000 + 1} s if it hangs"
        )


def check_token(where: str, held: int, lease: LeaseState) -> None:
    """Raises `LeaseLost` when another process took the ledger over."""
    if lease.token != held:
        raise LeaseLost(
            f"ledger {where}: process {lease.holder} took it over while this one stood still; "
            "nothing more is written here"
        )
