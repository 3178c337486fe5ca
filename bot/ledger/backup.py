"""Copies of a ledger: taken from a running one, verified before they count, and put back in the place of a lost one.

A backup is always an SQLite file with its head file, whatever database the ledger lies in. What is restored must be
reconciled with the chain before anything is traded on it: the chain has gone on since.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Column, Connection, Row, Table, delete, func, insert, select, text
from sqlalchemy.exc import DatabaseError

from bot.clock import Clock
from bot.ledger.custody import mark_restored
from bot.ledger.database import bring_up_to_date, connect, file_of, parse_url, place, require_there, url_of
from bot.ledger.errors import LedgerBroken, LedgerError, LedgerFull, explained
from bot.ledger.headfile import HeadFile, head_file_of
from bot.ledger.ledger import Ledger
from bot.ledger.models import Base, IntentRow, PlanRow
from bot.ledger.seal_models import LeaseRow, SealRow
from bot.ledger.seals import SealHead
from bot.ledger.states import IntentState
from bot.ledger.verify import Progress, columns_there, verify

_PIECEMEAL = {"yield_per": 1_000}
"""A server would send a whole table at once otherwise."""

Telling = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of about how much."""


def _untold(what: str, done: int, total: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: the newest seal of it, and how many rows."""

    head: SealHead
    rows: int


def backup(url: str, to: Path, tell: Telling = _untold) -> Copied:
    """Copies the ledger at `url`, which may be in use, into the new file `to`. Raises `LedgerError`.

    Only its owner can read it. Nothing is left behind of a copy that is not whole.
    """
    source = parse_url(url)
    if to.exists():
        raise LedgerError(f"backup {to}: there is a file already; name another one")
    require_there(source)
    try:
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"backup {to}: its folder cannot be made: {error.strerror}") from None
    part = to.with_name(to.name + ".part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
    except OSError as error:
        raise LedgerError(f"backup {to}: nothing can be written there: {error.strerror}") from None
    try:
        _copy(source, url_of(part), tell)
        copied = _checked(url_of(part), tell)
        HeadFile(head_file_of(url_of(to))).overrule(copied.head)
        _synced(part)
        part.rename(to)
    finally:
        part.unlink(missing_ok=True)
        # SQLite leaves its journal where there was no space to roll it back.
        part.with_name(f"{part.name}-journal").unlink(missing_ok=True)
    return copied


def restore(
    source: Path,
    url: str,
    clock: Clock,
    head_file: Path | None = None,
    tell: Telling = _untold,
    whole: Copied | None = None,
) -> Copied:
    """Puts the backup `source` where no ledger is. It trades only once it is reconciled. Raises `LedgerError`.

    `whole` is what `require_whole` has just said of it: it is not proven twice. A file is there as a whole or not at
    all: a part of one would be taken for a ledger that is new.
    """
    whole, file = whole or require_whole(source, tell), file_of(url)
    require_empty(url)
    if file is None:
        _put(source, url, whole, clock, head_file, tell)
        return whole
    kept, part = head_file or head_file_of(parse_url(url)), file.with_name(file.name + ".part")
    parts = [part.with_name(part.name + suffix) for suffix in ("", "-head", "-journal", "-wal", "-shm")]
    try:
        for left in parts:
            left.unlink(missing_ok=True)
        _put(source, str(part), whole, clock, parts[1], tell)
        parts[1].rename(kept)
        part.rename(file)
    finally:
        for left in parts:
            left.unlink(missing_ok=True)
    return whole


def _put(source: Path, url: str, whole: Copied, clock: Clock, head_file: Path | None, tell: Telling) -> None:
    _copy(url_of(source), parse_url(url), tell, mark_restored)
    if head_file is not None:
        head_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        head_file.unlink(missing_ok=True)
        with closing(HeadFile(head_file)) as kept:
            kept.write(whole.head, sync=True)
    Ledger.open(url, clock, head_file=head_file, progress=partial(tell, "checking the copy")).close()


def require_whole(source: Path, tell: Telling = _untold) -> Copied:
    """What the backup `source` holds, proven row by row. Raises `LedgerError`."""
    if not source.is_file():
        raise LedgerError(f"backup {source}: there is no such file")
    whole = _checked(url_of(source), tell)
    HeadFile(head_file_of(url_of(source))).check_against(whole.head)
    return whole


def intents_signed(source: Path) -> list[tuple[int, str]]:
    """Number and plan of each intent that the backup `source` knows more of than its reservation. Raises `LedgerError`.

    What was only reserved gives its nonce back, whatever became of it afterwards.
    """
    engine = connect(url_of(source), read_only=True)
    wanted = select(IntentRow.id, PlanRow.digest).join(PlanRow).where(IntentRow.state != IntentState.RESERVED.value)
    try:
        with explained(str(source)), engine.connect() as connection:
            return [(row.id, row.digest) for row in connection.execute(wanted)]
    finally:
        engine.dispose()


def _copy(source: URL, target: URL, tell: Telling, then: Callable[[Connection], None] | None = None) -> None:
    """All of it, or `LedgerError`: a disk that is full is the target's; one that fails may be either's.

    `then` is done to the copy; in a server, where a copy has no name but its last, in the transaction that makes it.
    """
    try:
        _copy_all(source, target, tell, then)
    except LedgerFull as error:
        raise LedgerFull(f"copy {place(target)}: the disk is full; free some space, or name another place") from error
    except LedgerBroken as error:
        told = (
            f"copy {place(target)} of {place(source)}: the disk of one of them failed; check both before trying again"
        )
        raise LedgerBroken(told) from error


def _copy_all(source: URL, target: URL, tell: Telling, then: Callable[[Connection], None] | None) -> None:
    """Page by page between files; otherwise row by row, in one consistent view of the source."""
    by_page = source.get_backend_name() == target.get_backend_name() == "sqlite"
    if by_page:
        files = (closing(sqlite3.connect(str(url.database))) for url in (source, target))
        with explained(place(source)), next(files) as read, next(files) as written:
            read.backup(written)
        if then is None:
            return
    reading, writing = connect(source, read_only=True), connect(target)
    try:
        with explained(place(source)), reading.connect() as one, writing.begin() as other:
            bring_up_to_date(other, place(target))
            if not by_page:
                _copy_rows(one, other, partial(tell, "copying the ledger"))
            if then is not None:
                then(other)
    finally:
        reading.dispose()
        writing.dispose()


def _copy_rows(source: Connection, target: Connection, progress: Progress) -> None:
    target.execute(delete(LeaseRow))
    # Of each row there is a seal: their number is known at once, that of the rows only by counting.
    seals = source.execute(select(func.max(SealRow.id)), execution_options=_PIECEMEAL).scalar_one()
    done, total = 0, 2 * (seals or 0)
    for table in Base.metadata.sorted_tables:
        columns = columns_there(source, table)
        if not columns:
            continue
        every = select(*columns).order_by(*table.primary_key)
        rows = source.execute(every, execution_options=_PIECEMEAL)
        for part in rows.partitions():
            _add(target, table, columns, part)
            done += len(part)
            progress(done, max(total, done + 1))
        key = table.primary_key.columns.values()
        if target.dialect.name == "postgresql" and len(key) == 1 and table.autoincrement_column is not None:
            highest = target.execute(select(func.max(key[0]))).scalar_one()
            if highest is not None:
                counted = text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)")
                target.execute(counted, {"table": table.name, "column": key[0].name, "highest": highest})
    progress(done, done)


def _add(target: Connection, table: Table, columns: Sequence[Column[Any]], rows: Sequence[Row[Any]]) -> None:
    if target.dialect.name != "postgresql":
        target.execute(insert(table), [dict(row._mapping) for row in rows])
        return
    quoted = ", ".join(target.dialect.identifier_preparer.quote(column.name) for column in columns)
    server: Any = target.connection.dbapi_connection
    every = f"COPY {table.name} ({quoted}) FROM STDIN"
    try:
        with server.cursor() as cursor, cursor.copy(every) as copy:
            for row in rows:
                copy.write_row(row)
    except target.dialect.loaded_dbapi.Error as error:
        raise DatabaseError(every, None, error) from error


def _checked(url: URL, tell: Telling) -> Copied:
    """Raises `LedgerError` when the copy is not whole."""
    engine = connect(url, read_only=True)
    try:
        with explained(place(url)), engine.connect() as connection:
            found = verify(connection, partial(tell, "checking the copy"))
    finally:
        engine.dispose()
    if not found.whole:
        raise LedgerError(f"backup {url.database}: {found.faults[0]} ({len(found.faults)} in all); take another one")
    return Copied(found.head, found.rows)


def require_empty(place_of: str) -> None:
    """Raises `LedgerError` where something is already: a ledger is never written over."""
    url = parse_url(place_of)
    if url.get_backend_name() == "sqlite":
        for suffix in ("", "-wal"):
            if Path(f"{url.database}{suffix}").exists():
                raise LedgerError(f"ledger {url.database}{suffix}: is there already; move it away first")
        return
    engine = connect(url, read_only=True)
    try:
        with explained(place(url)), engine.connect() as connection:
            tables = text("SELECT count(*) FROM information_schema.tables WHERE table_name = 'seals'")
            if connection.execute(tables).scalar_one():
                raise LedgerError(f"ledger {place(url)}: holds a ledger already; make a new database")
    finally:
        engine.dispose()


def _synced(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
