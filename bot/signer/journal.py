"""The signer's own memory: what it signed, and what became of it. Committed and synced before any bytes leave.

Every change is a link of a chain. One signer per journal: the file stays locked while it is open.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.filed import Filed, filed
from bot.signer import chain
from bot.signer.chain import GENESIS, BrokenChain, Chain, Link, What
from bot.signer.entries import (
    COLUMNS,
    COVERED_AT,
    INTENT_AT,
    Entry,
    Settlement,
    checksum_of,
    content_of,
    entry_of,
    row_of,
)
from chains.assets import Address

_VERSION = 3
_DAMAGED = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises over a file whose pages were touched: it does not check them."""

_TABLES = """
CREATE TABLE IF NOT EXISTS signed (
    chain_id       INTEGER NOT NULL,
    sender         TEXT    NOT NULL,
    nonce          INTEGER NOT NULL,
    intent_id      TEXT    NOT NULL PRIMARY KEY,
    plan_id        TEXT    NOT NULL,
    strategy       TEXT    NOT NULL,
    worst_case_wei TEXT    NOT NULL,
    worst_gas_wei  TEXT    NOT NULL,
    at_s           REAL    NOT NULL,
    tx_digest      TEXT    NOT NULL,
    tx_hash        TEXT    NOT NULL,
    raw            BLOB    NOT NULL,
    gas_cost_wei   TEXT,
    profit_wei     TEXT,
    settled_at_s   REAL
) STRICT;
CREATE TABLE IF NOT EXISTS audit (
    id     INTEGER PRIMARY KEY,
    at_s   REAL NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash   TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS replacements (
    intent_id TEXT    NOT NULL REFERENCES signed (intent_id),
    number    INTEGER NOT NULL,
    at_s      REAL    NOT NULL,
    tx_hash   TEXT    NOT NULL,
    raw       BLOB    NOT NULL,
    PRIMARY KEY (intent_id, number)
) STRICT;
"""
_ADDED_IN_1 = (
    "exposure_wei TEXT NOT NULL DEFAULT '0'",
    "draws TEXT NOT NULL DEFAULT '[]'",
    "verdict_digest TEXT NOT NULL DEFAULT ''",
    "checksum TEXT NOT NULL DEFAULT ''",
)
_NONCE_HELD = "(settled_at_s IS NULL OR gas_cost_wei <> '0')"
_ONE_HOLDER = f"CREATE UNIQUE INDEX IF NOT EXISTS one_holder ON signed (chain_id, sender, nonce) WHERE {_NONCE_HELD}"
_BY_PLAN = "CREATE INDEX IF NOT EXISTS by_plan ON signed (plan_id)"
_ADDED_IN_2 = ("covered INTEGER NOT NULL DEFAULT 0",)
_CHAINED_FROM = 2
_COLUMNS_OF = {1: (*COLUMNS[:COVERED_AT], "owed"), 2: (*COLUMNS[:COVERED_AT], "owed", *COLUMNS[COVERED_AT:])}
"""What a row's checksum was over, by version."""

_REOPEN_OWED = "UPDATE signed SET gas_cost_wei = NULL, profit_wei = NULL, settled_at_s = NULL, covered = 0 WHERE owed"
"""Before version 3 what was settled could owe its other side: it is over only once that is done."""

_ALL = ", ".join((*COLUMNS, "checksum"))
_INSERT = f"INSERT INTO signed ({_ALL}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"  # noqa: S608
_SET = ", ".join(f"{column} = ?" for column in (*COLUMNS, "checksum"))
_UPDATE = f"UPDATE signed SET {_SET} WHERE intent_id = ?"  # noqa: S608
_REMEDY = "restore a copy, or look at it and take it as it is with `isthmus ledger verify --accept`"
_TAKEN = "stop the run, put the newest back with its head file, and start again"
_SETTLED_IN_LOG = 32
"""After so many settlements the log is moved into the database."""


class JournalError(RuntimeError):
    """The journal cannot be opened, read or written. One line."""


class JournalLocked(JournalError):
    """Another signer is using it."""


def signed_by(path: Path, keys: Sequence[Address]) -> bool:
    """Whether the journal at `path`, which nobody need have open, holds a signature of one of `keys`.

    Raises `JournalError`.
    """
    asked = f"SELECT 1 FROM signed WHERE sender IN ({', '.join('?' * len(keys))}) LIMIT 1"  # noqa: S608
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(asked, keys).fetchone() is not None
    except _DAMAGED as error:
        raise JournalError(f"journal {path}: {error}; {_REMEDY}") from None


class Journal:
    """An append-mostly SQLite file: a row per signature, completed once by its settlement."""

    def __init__(self, path: Path, patience_s: float = 0.0) -> None:
        """Open or create `path` and lock it within `patience_s`. Raises `JournalError`, also when another has it."""
        self._path = path
        self._settled = 0
        self._filed: Filed | None = None
        self._db = self._connected(patience_s)
        self._chain = Chain(self._db, path)
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            with self._changing("open"):
                self._prepare()
            self._filed = filed(path)
        except JournalError:
            self.close()
            raise
        except _DAMAGED as error:
            self.close()
            raise self._failure("open", error) from None

    def _connected(self, patience_s: float) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self._path, isolation_level=None, timeout=patience_s)
        except sqlite3.Error as error:
            raise self._failure("open", error) from None

    def _prepare(self) -> None:
        for statement in filter(None, map(str.strip, _TABLES.split(";"))):
            self._db.execute(statement)
        self._db.execute(chain.TABLE)
        self._db.execute(_ONE_HOLDER)
        self._db.execute(_BY_PLAN)
        ((version,),) = self._rows("PRAGMA user_version")
        if version > _VERSION:
            raise JournalError(f"journal {self._path} is of version {version}; this program knows {_VERSION}")
        if version < _VERSION:
            self._take_over(version)

    def _take_over(self, version: int) -> None:
        """Bring an older file up to date; every row it holds is linked as it is."""
        chained = version >= _CHAINED_FROM
        if chained:
            self._require_as_written(GENESIS, _COLUMNS_OF[version])
        else:
            self._chain.establish()
        if version == 1:
            self._require_checksums(_COLUMNS_OF[version])
        for column in (*(_ADDED_IN_1 if version < 1 else ()), *(_ADDED_IN_2 if version < 2 else ())):
            self._db.execute(f"ALTER TABLE signed ADD COLUMN {column}")
        if version:
            self._db.execute(_REOPEN_OWED)
            self._db.execute("ALTER TABLE signed DROP COLUMN owed")
        for row in self._rows(f"SELECT {', '.join(COLUMNS)} FROM signed ORDER BY at_s"):  # noqa: S608
            self._db.execute("UPDATE signed SET checksum = ? WHERE intent_id = ?", (checksum_of(row), row[INTENT_AT]))
            self._chain.append(What.SIGNED, row[INTENT_AT], checksum_of(row), content_of(row))
        if chained:
            # The file beside it is held against the chain as it is: a copy that was put back is no newer for this.
            self._chain.forget()
        else:
            for what, subject, digest in (*self._replacement_digests(), *self._audit_digests()):
                self._chain.append(what, subject, digest)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    def verify(self) -> int:
        """Hold every row against the chain of changes; how many rows there are. Raises `JournalError` at the first
        that is not what was written, has gone or was never written.
        """
        found = self._require_as_written(None, COLUMNS)
        self.audit()
        return found

    def _require_as_written(self, known: Link | None, columns: Sequence[str]) -> int:
        """How many rows there are, held against their checksums over `columns` and against a chain that goes on from
        `known`; None: from what the file beside it knows.
        """
        try:
            due = self._chain.verified(known)
        except BrokenChain as error:
            raise JournalError(f"journal {self._path}: {error}; {_REMEDY}") from None
        except _DAMAGED as error:
            raise self._failure("read", error) from None
        self._require_checksums(columns)
        found = 0
        for what, subject, digest in self._digests():
            found += 1
            if due.pop((what, subject), None) != digest:
                raise JournalError(f"journal {self._path}: {what} {subject} is not what was written; {_REMEDY}")
        if due:
            what_is, which = next(iter(due))
            raise JournalError(f"journal {self._path}: {what_is} {which} is gone; {_REMEDY}")
        return found

    def accept(self) -> None:
        """Take the journal as it is for the newest there is, because a person looked. Raises `JournalError`."""
        try:
            self._chain.accept()
        except (OSError, *_DAMAGED) as error:
            raise self._failure("accept", error) from None

    def _require_checksums(self, columns: Sequence[str]) -> None:
        for row in self._each(f"SELECT {', '.join(columns)}, checksum FROM signed"):  # noqa: S608
            self._require_checksum(row)

    def _require_checksum(self, row: Sequence[Any]) -> None:
        if checksum_of(row[:-1]) != row[-1]:
            raise JournalError(f"journal {self._path}: the row of intent {row[INTENT_AT]} was changed or damaged")

    def _digests(self) -> Iterator[tuple[What, str, str]]:
        """Of which table each row is, which it is there, and its digest."""
        for intent_id, digest in self._each("SELECT intent_id, checksum FROM signed"):
            yield What.SIGNED, intent_id, digest
        yield from self._replacement_digests()
        yield from self._audit_digests()

    def _replacement_digests(self) -> list[tuple[What, str, str]]:
        wanted = "SELECT intent_id, number, at_s, tx_hash, raw FROM replacements ORDER BY intent_id, number"
        return [(What.REPLACEMENT, f"{row[0]}#{row[1]}", checksum_of(row)) for row in self._rows(wanted)]

    def _audit_digests(self) -> list[tuple[What, str, str]]:
        lines = self._rows("SELECT id, hash FROM audit ORDER BY id")
        return [(What.AUDIT, str(number), linked) for number, linked in lines]

    def record(self, entry: Entry) -> None:
        """Commit a new signature; it is on the disk when this returns. Raises `JournalError`."""
        row = row_of(entry)
        with self._changing():
            self._db.execute(_INSERT, (*row, self._linked(row)))

    def settle(self, intent_id: str, settlement: Settlement) -> None:
        """Complete an entry with what it really did. Raises `JournalError` unless it is there and waits for that."""
        entry = self.find(intent_id)
        if entry is None or entry.settlement is not None:
            raise JournalError(f"journal {self._path}: no unsettled intent {intent_id}")
        with self._changing():
            self._rewrite(replace(entry, settlement=settlement))
        self._settled += 1
        if self._settled % _SETTLED_IN_LOG == 0:
            # Nobody waits for a settlement; SQLite would do it by itself, but as likely as not for a signature.
            self._rows("PRAGMA wal_checkpoint(PASSIVE)")

    def cover(self, entry: Entry) -> None:
        """Commit whether the other side of `entry` is done. Raises `JournalError`."""
        with self._changing():
            self._rewrite(entry)

    def note(self, at_s: float, what: str, detail: str) -> None:
        """Add a line to the audit: what changed what may be signed. Raises `JournalError`."""
        before = self._rows("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")
        number, last = before[0] if before else (0, "")
        linked = _link(last, at_s, what, detail)
        with self._changing():
            self._db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (number + 1, at_s, what, detail, linked))
            self._chain.append(What.AUDIT, str(number + 1), linked)

    def audit(self) -> list[tuple[float, str, str]]:
        """Every line of the audit: time, what, detail. Raises `JournalError` at the first that was changed."""
        before, lines = "", []
        for number, at_s, what, detail, found in self._rows(
            "SELECT id, at_s, what, detail, hash FROM audit ORDER BY id"
        ):
            before = _link(before, at_s, what, detail)
            if before != found:
                raise JournalError(f"journal {self._path}: line {number} of its audit, or one before it, was changed")
            lines.append((at_s, what, detail))
        return lines

    def of_plan(self, plan_id: str) -> Entry | None:
        """The entry of a plan that was signed and not abandoned. Raises `JournalError`."""
        return next(self._entries(f"WHERE plan_id = ? AND {_NONCE_HELD}", plan_id), None)

    def replace(self, entry: Entry, tx_hash: str, raw: bytes, at_s: float) -> None:
        """Commit bytes that may stand in place of `entry`'s, whose worst case is raised to what `entry` says now."""
        ((count,),) = self._rows("SELECT count(*) FROM replacements WHERE intent_id = ?", entry.intent_id)
        row = (entry.intent_id, count + 1, at_s, tx_hash, raw)
        with self._changing():
            self._db.execute("INSERT INTO replacements VALUES (?, ?, ?, ?, ?)", row)
            self._chain.append(What.REPLACEMENT, f"{entry.intent_id}#{count + 1}", checksum_of(row))
            self._rewrite(entry)

    def replacements(self, intent_id: str) -> tuple[bytes, ...]:
        """What was signed in place of an intent's first transaction, oldest first. Raises `JournalError`."""
        wanted = "SELECT raw FROM replacements WHERE intent_id = ? ORDER BY number"
        return tuple(raw for (raw,) in self._rows(wanted, intent_id))

    def replaced(self, since_s: float) -> list[tuple[float, str]]:
        """When something was signed since then to stand in place of another, and for which strategy. Raises
        `JournalError`.
        """
        wanted = (
            "SELECT replacements.at_s, strategy FROM replacements JOIN signed USING (intent_id) "
            "WHERE replacements.at_s > ?"
        )
        return [(at_s, strategy) for at_s, strategy in self._rows(wanted, since_s)]

    def find(self, intent_id: str) -> Entry | None:
        """The entry of an intent. Raises `JournalError`."""
        return next(self._entries("WHERE intent_id = ?", intent_id), None)

    def holder(self, chain_id: int, sender: Address, nonce: int) -> str | None:
        """The intent that was signed with `nonce` and not abandoned. Raises `JournalError`."""
        held = f"WHERE chain_id = ? AND sender = ? AND nonce = ? AND {_NONCE_HELD}"
        entries = self._entries(held, chain_id, sender, nonce)
        return next((entry.intent_id for entry in entries), None)

    def entries(self) -> Iterator[Entry]:
        """Every entry, the unsettled ones first, then by time of settlement. Raises `JournalError`."""
        return self._checked(self._each(f"SELECT {_ALL} FROM signed ORDER BY settled_at_s, at_s"))  # noqa: S608

    def newest_time_s(self) -> float:
        """The latest time any row carries; 0 when empty. Raises `JournalError`."""
        times = (("signed", "at_s"), ("signed", "settled_at_s"), ("replacements", "at_s"), ("audit", "at_s"))
        newest = (self._rows(f"SELECT max({at}) FROM {table}")[0][0] for table, at in times)  # noqa: S608
        return max(float(at_s or 0) for at_s in newest)

    def has_signed(self, tx_hash: str) -> bool:
        """Whether it knows of a transaction with that hash. Raises `JournalError`."""
        tables = ("signed", "replacements")
        return any(self._rows(f"SELECT 1 FROM {table} WHERE tx_hash = ? LIMIT 1", tx_hash) for table in tables)  # noqa: S608

    def size(self) -> int:
        """How many signatures were ever given. Raises `JournalError`."""
        # Rows are only added, so that the newest one's number is theirs; counting them takes longer each day.
        ((count,),) = self._rows("SELECT max(rowid) FROM signed")
        return int(count or 0)

    def holds(self, link: Link) -> bool:
        """Whether its chain goes on from `link`. Raises `JournalError`."""
        try:
            return self._chain.holds(link)
        except _DAMAGED as error:
            raise self._failure("read", error) from None

    def close(self) -> None:
        self._chain.close()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _changing(self, act: str = "write") -> Iterator[None]:
        """One transaction, linked to the chain. Raises `JournalError`; what is on the disk then, the disk knows."""
        if self._filed is not None and filed(self._path) != self._filed:
            raise JournalError(f"cannot {act} journal: its file was removed or replaced; {_TAKEN}; it is {self._path}")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._chain.forget()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._chain.committed()
        except (sqlite3.Error, OSError) as error:
            raise self._failure(act, error) from None

    def _rewrite(self, entry: Entry) -> None:
        row = row_of(entry)
        self._db.execute(_UPDATE, (*row, self._linked(row), entry.intent_id))

    def _linked(self, row: tuple[object, ...]) -> str:
        """The row's checksum, in the chain from now on."""
        checksum = checksum_of(row)
        self._chain.append(What.SIGNED, str(row[INTENT_AT]), checksum, content_of(row))
        return checksum

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except _DAMAGED as error:
            raise self._failure("read", error) from None

    def _each(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """As `_rows`, one at a time: of a long history all of them have no room."""
        try:
            yield from self._db.execute(statement)
        except _DAMAGED as error:
            raise self._failure("read", error) from None

    def _entries(self, condition: str, *values: object) -> Iterator[Entry]:
        return self._checked(self._rows(f"SELECT {_ALL} FROM signed {condition}", *values))  # noqa: S608

    def _checked(self, rows: Iterable[Sequence[Any]]) -> Iterator[Entry]:
        for row in rows:
            self._require_checksum(row)
            yield entry_of(row)

    def _failure(self, act: str, error: Exception) -> JournalError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return JournalLocked(f"journal {self._path} is locked: another signer is using it; stop that one first")
        # A line of the run has little room, and a path is long.
        return JournalError(f"cannot {act} journal: {error}; it is {self._path}")


def _link(before: str, at_s: float, what: str, detail: str) -> str:
    return hashlib.sha256(repr((before, at_s, what, detail)).encode()).hexdigest()
