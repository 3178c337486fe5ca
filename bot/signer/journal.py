"""The signer's own memory: what it signed, and what became of it. Committed and synced before any bytes leave.

One signer per journal: the file stays locked while it is open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chains.assets import Address

_TABLE = """
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
) STRICT
"""
_REPLACEMENTS = """
CREATE TABLE IF NOT EXISTS replacements (
    intent_id TEXT    NOT NULL REFERENCES signed (intent_id),
    number    INTEGER NOT NULL,
    at_s      REAL    NOT NULL,
    tx_hash   TEXT    NOT NULL,
    raw       BLOB    NOT NULL,
    PRIMARY KEY (intent_id, number)
) STRICT
"""
_NONCE_HELD = "(settled_at_s IS NULL OR gas_cost_wei <> '0')"
_ONE_HOLDER = f"CREATE UNIQUE INDEX IF NOT EXISTS one_holder ON signed (chain_id, sender, nonce) WHERE {_NONCE_HELD}"
_SETTLEMENT_COLUMNS = 3


class JournalError(RuntimeError):
    """The journal cannot be opened, read or written. One line."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an intent really did: gas paid, and profit before gas (negative if it lost), in wei of ETH."""

    gas_cost_wei: int
    profit_wei: int
    at_s: float

    @property
    def loss_wei(self) -> int:
        """What it cost beyond what it earned; a profit never makes room for other losses."""
        return max(0, self.gas_cost_wei - self.profit_wei)

    @property
    def abandoned(self) -> bool:
        """Whether the transaction never was included, which always costs gas: its nonce is free again."""
        return self.gas_cost_wei == 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One signature. `worst_case_wei` stays reserved until `settlement` is known; `worst_gas_wei` is its gas part."""

    chain_id: int
    sender: Address
    nonce: int
    intent_id: str
    plan_id: str
    strategy: str
    worst_case_wei: int
    worst_gas_wei: int
    at_s: float
    tx_digest: str
    tx_hash: str
    raw: bytes
    settlement: Settlement | None = None


class Journal:
    """An append-mostly SQLite file: a row per signature, completed once by its settlement."""

    def __init__(self, path: Path) -> None:
        """Open or create `path` and lock it. Raises `JournalError`, also when another signer holds it."""
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(_TABLE)
            self._db.execute(_REPLACEMENTS)
            self._db.execute(_ONE_HOLDER)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failure("open", error) from None

    def record(self, entry: Entry) -> None:
        """Commit a new signature; it is on the disk when this returns. Raises `JournalError`."""
        row = (
            entry.chain_id,
            entry.sender,
            entry.nonce,
            entry.intent_id,
            entry.plan_id,
            entry.strategy,
            str(entry.worst_case_wei),
            str(entry.worst_gas_wei),
            entry.at_s,
            entry.tx_digest,
            entry.tx_hash,
            entry.raw,
        )
        marks = ", ".join("?" * len(row)) + ", NULL" * _SETTLEMENT_COLUMNS
        self._write(f"INSERT INTO signed VALUES ({marks})", row)  # noqa: S608

    def settle(self, intent_id: str, settlement: Settlement) -> None:
        """Complete an entry with what it really did. Raises `JournalError` unless it is there and unsettled."""
        changed = self._write(
            "UPDATE signed SET gas_cost_wei = ?, profit_wei = ?, settled_at_s = ? "
            "WHERE intent_id = ? AND settled_at_s IS NULL",
            (str(settlement.gas_cost_wei), str(settlement.profit_wei), settlement.at_s, intent_id),
        )
        if changed != 1:
            raise JournalError(f"journal {self._path}: no unsettled intent {intent_id}")

    def replace(self, entry: Entry, tx_hash: str, raw: bytes, at_s: float) -> None:
        """Commit bytes that may stand in place of `entry`'s, whose worst case is raised to what `entry` says now."""
        ((count,),) = self._rows("SELECT count(*) FROM replacements WHERE intent_id = ?", entry.intent_id)
        try:
            with self._transaction():
                self._db.execute(
                    "INSERT INTO replacements VALUES (?, ?, ?, ?, ?)", (entry.intent_id, count + 1, at_s, tx_hash, raw)
                )
                self._db.execute(
                    "UPDATE signed SET worst_case_wei = ?, worst_gas_wei = ? WHERE intent_id = ?",
                    (str(entry.worst_case_wei), str(entry.worst_gas_wei), entry.intent_id),
                )
        except sqlite3.Error as error:
            raise self._failure("write", error) from None

    def replacements(self, intent_id: str) -> tuple[bytes, ...]:
        """What was signed in place of an intent's first transaction, oldest first. Raises `JournalError`."""
        wanted = "SELECT raw FROM replacements WHERE intent_id = ? ORDER BY number"
        return tuple(raw for (raw,) in self._rows(wanted, intent_id))

    def find(self, intent_id: str) -> Entry | None:
        """The entry of an intent. Raises `JournalError`."""
        return next(self._entries("WHERE intent_id = ?", intent_id), None)

    def holder(self, chain_id: int, sender: Address, nonce: int) -> str | None:
        """The intent that was signed with `nonce` and not abandoned. Raises `JournalError`."""
        held = f"WHERE chain_id = ? AND sender = ? AND nonce = ? AND {_NONCE_HELD}"
        entries = self._entries(held, chain_id, sender, nonce)
        return next((entry.intent_id for entry in entries), None)

    def entries(self, *, settled_since_s: float) -> Iterator[Entry]:
        """Every unsettled entry, and those settled since, by time of settlement. Raises `JournalError`."""
        return self._entries("WHERE settled_at_s IS NULL OR settled_at_s >= ? ORDER BY settled_at_s", settled_since_s)

    def newest_time_s(self) -> float:
        """The latest time any row carries; 0 when empty. Raises `JournalError`."""
        ((newest,),) = self._rows("SELECT max(max(at_s), max(coalesce(settled_at_s, 0))) FROM signed")
        return float(newest or 0)

    def size(self) -> int:
        """How many signatures were ever given. Raises `JournalError`."""
        ((count,),) = self._rows("SELECT count(*) FROM signed")
        return int(count)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        try:
            return self._db.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise self._failure("write", error) from None

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure("read", error) from None

    def _entries(self, condition: str, *values: object) -> Iterator[Entry]:
        return map(_entry, self._rows(f"SELECT * FROM signed {condition}", *values))  # noqa: S608

    def _failure(self, act: str, error: sqlite3.Error) -> JournalError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return JournalError(f"journal {self._path} is locked: another signer is using it; stop that one first")
        return JournalError(f"cannot {act} journal {self._path}: {error}")


def _entry(row: Sequence[Any]) -> Entry:
    chain_id, sender, nonce, intent_id, plan_id, strategy, worst_case_wei, worst_gas_wei = row[:8]
    at_s, tx_digest, tx_hash, raw, gas_cost_wei, profit_wei, settled_at_s = row[8:]
    return Entry(
        chain_id=chain_id,
        sender=sender,
        nonce=nonce,
        intent_id=intent_id,
        plan_id=plan_id,
        strategy=strategy,
        worst_case_wei=int(worst_case_wei),
        worst_gas_wei=int(worst_gas_wei),
        at_s=at_s,
        tx_digest=tx_digest,
        tx_hash=tx_hash,
        raw=raw,
        settlement=None if settled_at_s is None else Settlement(int(gas_cost_wei), int(profit_wei), settled_at_s),
    )
