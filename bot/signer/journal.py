"""The signer's own memory: what it signed, and what became of it. Committed and synced before any bytes leave.

One signer per journal: the file stays locked while it is open.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from chains.assets import Address

_VERSION = 1
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
    "owed INTEGER NOT NULL DEFAULT 0",
    "checksum TEXT NOT NULL DEFAULT ''",
)
_NONCE_HELD = "(settled_at_s IS NULL OR gas_cost_wei <> '0')"
_ONE_HOLDER = f"CREATE UNIQUE INDEX IF NOT EXISTS one_holder ON signed (chain_id, sender, nonce) WHERE {_NONCE_HELD}"
_COLUMNS = (
    *("chain_id", "sender", "nonce", "intent_id", "plan_id", "strategy", "worst_case_wei", "worst_gas_wei", "at_s"),
    *("tx_digest", "tx_hash", "raw", "exposure_wei", "draws", "verdict_digest"),
    *("gas_cost_wei", "profit_wei", "settled_at_s", "owed"),
)
_ALL = ", ".join((*_COLUMNS, "checksum"))


class JournalError(RuntimeError):
    """The journal cannot be opened, read or written. One line."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an intent really did: gas paid, and profit before gas (negative if it lost), in wei of ETH.

    `owed` while its other side is still to come.
    """

    gas_cost_wei: int
    profit_wei: int
    at_s: float
    owed: bool = False

    @property
    def loss_wei(self) -> int:
        """What it cost beyond what it earned; a profit never makes room for other losses."""
        return max(0, self.gas_cost_wei - self.profit_wei)

    @property
    def abandoned(self) -> bool:
        """Whether the transaction never was included, which always costs gas: its nonce is free again."""
        return self.gas_cost_wei == 0

    @property
    def result_wei(self) -> int:
        """What it earned after gas."""
        return self.profit_wei - self.gas_cost_wei


@dataclass(frozen=True, slots=True)
class Draw:
    """The part of a worst case that only a grant allowed: `wei` beyond the limit named `limit`, under `grant_id`."""

    grant_id: str
    limit: str
    wei: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One signature. `worst_case_wei` stays reserved until `settlement` is known; `worst_gas_wei` is its gas part.

    `exposure_wei` is inventory whose other side is to come; `verdict_digest` what it was signed on.
    """

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
    exposure_wei: int = 0
    draws: tuple[Draw, ...] = ()
    verdict_digest: str = ""


class Journal:
    """An append-mostly SQLite file: a row per signature, completed once by its settlement."""

    def __init__(self, path: Path) -> None:
        """Open or create `path` and lock it. Raises `JournalError`, also when another signer holds it."""
        self._path = path
        self._db = self._connected()
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN IMMEDIATE")
            self._prepare()
            self._db.execute("COMMIT")
        except _DAMAGED as error:
            self._db.close()
            raise self._failure("open", error) from None

    def _connected(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self._path, isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            raise self._failure("open", error) from None

    def _prepare(self) -> None:
        for statement in filter(None, map(str.strip, _TABLES.split(";"))):
            self._db.execute(statement)
        self._db.execute(_ONE_HOLDER)
        ((version,),) = self._rows("PRAGMA user_version")
        if version > _VERSION:
            raise JournalError(f"journal {self._path} is of version {version}; this program knows {_VERSION}")
        if version < 1:
            for column in _ADDED_IN_1:
                self._db.execute(f"ALTER TABLE signed ADD COLUMN {column}")
            for row in self._rows(f"SELECT {_ALL} FROM signed"):  # noqa: S608
                self._db.execute(
                    "UPDATE signed SET checksum = ? WHERE intent_id = ?", (_checksum(row[:-1]), row[_INTENT_AT])
                )
            self._db.execute(f"PRAGMA user_version = {_VERSION}")

    def record(self, entry: Entry) -> None:
        """Commit a new signature; it is on the disk when this returns. Raises `JournalError`."""
        row = _row(entry)
        marks = ", ".join("?" * (len(row) + 1))
        self._write(f"INSERT INTO signed ({_ALL}) VALUES ({marks})", (*row, _checksum(row)))  # noqa: S608

    def settle(self, intent_id: str, settlement: Settlement) -> None:
        """Complete an entry with what it really did; once more when nothing is owed any more.

        Raises `JournalError` unless it is there and waits for that.
        """
        entry = self.find(intent_id)
        if entry is None or (entry.settlement is not None and not entry.settlement.owed):
            raise JournalError(f"journal {self._path}: no unsettled intent {intent_id}")
        row = _row(replace(entry, settlement=settlement))
        self._write(
            "UPDATE signed SET gas_cost_wei = ?, profit_wei = ?, settled_at_s = ?, owed = ?, checksum = ? "
            "WHERE intent_id = ?",
            (*row[-4:], _checksum(row), intent_id),
        )

    def note(self, at_s: float, what: str, detail: str) -> None:
        """Add a line to the audit: what changed what may be signed. Raises `JournalError`."""
        before = self._rows("SELECT hash FROM audit ORDER BY id DESC LIMIT 1")
        linked = _link(before[0][0] if before else "", at_s, what, detail)
        self._write("INSERT INTO audit (at_s, what, detail, hash) VALUES (?, ?, ?, ?)", (at_s, what, detail, linked))

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

    def plan_strategy(self, plan_id: str) -> str | None:
        """The strategy of a plan that was signed and not abandoned. Raises `JournalError`."""
        found = self._rows(f"SELECT strategy FROM signed WHERE plan_id = ? AND {_NONCE_HELD}", plan_id)  # noqa: S608
        return found[0][0] if found else None

    def replace(self, entry: Entry, tx_hash: str, raw: bytes, at_s: float) -> None:
        """Commit bytes that may stand in place of `entry`'s, whose worst case is raised to what `entry` says now."""
        ((count,),) = self._rows("SELECT count(*) FROM replacements WHERE intent_id = ?", entry.intent_id)
        try:
            with self._transaction():
                self._db.execute(
                    "INSERT INTO replacements VALUES (?, ?, ?, ?, ?)", (entry.intent_id, count + 1, at_s, tx_hash, raw)
                )
                row = _row(entry)
                self._db.execute(
                    "UPDATE signed SET worst_case_wei = ?, worst_gas_wei = ?, draws = ?, checksum = ? "
                    "WHERE intent_id = ?",
                    (
                        str(entry.worst_case_wei),
                        str(entry.worst_gas_wei),
                        _plain_draws(entry.draws),
                        _checksum(row),
                        entry.intent_id,
                    ),
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

    def entries(self) -> Iterator[Entry]:
        """Every entry, the unsettled ones first, then by time of settlement. Raises `JournalError`."""
        return self._entries("ORDER BY settled_at_s, at_s")

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
        except _DAMAGED as error:
            raise self._failure("read", error) from None

    def _entries(self, condition: str, *values: object) -> Iterator[Entry]:
        for row in self._rows(f"SELECT {_ALL} FROM signed {condition}", *values):  # noqa: S608
            if _checksum(row[:-1]) != row[-1]:
                raise JournalError(f"journal {self._path}: the row of intent {row[_INTENT_AT]} was changed or damaged")
            yield _entry(row)

    def _failure(self, act: str, error: Exception) -> JournalError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return JournalError(f"journal {self._path} is locked: another signer is using it; stop that one first")
        return JournalError(f"cannot {act} journal {self._path}: {error}")


_INTENT_AT = _COLUMNS.index("intent_id")


def _row(entry: Entry) -> tuple[object, ...]:
    """The values of `_COLUMNS`."""
    done = entry.settlement
    return (
        *(entry.chain_id, entry.sender, entry.nonce, entry.intent_id, entry.plan_id, entry.strategy),
        *(str(entry.worst_case_wei), str(entry.worst_gas_wei), entry.at_s, entry.tx_digest, entry.tx_hash, entry.raw),
        *(str(entry.exposure_wei), _plain_draws(entry.draws), entry.verdict_digest),
        *(
            (None, None, None, 0)
            if done is None
            else (str(done.gas_cost_wei), str(done.profit_wei), done.at_s, done.owed)
        ),
    )


def _entry(row: Sequence[Any]) -> Entry:
    value = dict(zip(_COLUMNS, row, strict=False))
    settlement = None
    if value["settled_at_s"] is not None:
        settlement = Settlement(
            int(value["gas_cost_wei"]), int(value["profit_wei"]), value["settled_at_s"], owed=bool(value["owed"])
        )
    return Entry(
        chain_id=value["chain_id"],
        sender=value["sender"],
        nonce=value["nonce"],
        intent_id=value["intent_id"],
        plan_id=value["plan_id"],
        strategy=value["strategy"],
        worst_case_wei=int(value["worst_case_wei"]),
        worst_gas_wei=int(value["worst_gas_wei"]),
        at_s=value["at_s"],
        tx_digest=value["tx_digest"],
        tx_hash=value["tx_hash"],
        raw=value["raw"],
        settlement=settlement,
        exposure_wei=int(value["exposure_wei"]),
        draws=tuple(Draw(grant_id, limit, int(wei)) for grant_id, limit, wei in orjson.loads(value["draws"])),
        verdict_digest=value["verdict_digest"],
    )


def _plain_draws(draws: tuple[Draw, ...]) -> str:
    return orjson.dumps([(draw.grant_id, draw.limit, str(draw.wei)) for draw in draws]).decode()


def _checksum(values: Sequence[object]) -> str:
    """SQLite does not check its pages: a row says by itself whether it is as it was written."""
    return hashlib.sha256(repr([int(v) if isinstance(v, bool) else v for v in values]).encode()).hexdigest()


def _link(before: str, at_s: float, what: str, detail: str) -> str:
    return hashlib.sha256(repr((before, at_s, what, detail)).encode()).hexdigest()
