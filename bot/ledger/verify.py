"""Is every row what it was when it was written? The whole chain of seals, and every row of every table against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, String, Table, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from bot.ledger.database import is_newest
from bot.ledger.models import Base
from bot.ledger.seal_models import SealRow
from bot.ledger.seals import GENESIS, Change, SealHead, append, change_of, following, read_head
from bot.ledger.types import Units

_PIECEMEAL = {"yield_per": 1000}
"""A server would send a whole table at once otherwise."""
_TOLD_EVERY = 5000

Progress = Callable[[int, int], None]
"""Is told how many seals and rows are read, and of about how many."""


def silent(done: int, total: int) -> None:
    """Progress that nobody sees."""


@cache
def _sealed() -> tuple[Table, ...]:
    """Every table but that of the seals, once all of them are known."""
    return tuple(table for table in Base.metadata.sorted_tables if table.name != SealRow.__tablename__)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it was. `seal` is the first seal it contradicts; 0 where no seal knows the row."""

    relation: str
    row: str
    seal: int
    what: str

    def __str__(self) -> str:
        where = f"{self.relation} row {self.row}" if self.row else self.relation
        return f"{where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found: `faults` in the order of their seals, unknown rows last."""

    head: SealHead
    rows: int
    faults: tuple[Fault, ...]

    @property
    def whole(self) -> bool:
        return not self.faults


def verify(connection: Connection, progress: Progress = silent) -> Verified:
    """Reads everything once. What cannot be read is a fault, not an exception.

    Of a server it is an exception of the database: it checks its pages by itself, and what keeps it from answering is
    no damage.
    """
    head, sealed, faults = _chain(connection, progress)
    known, rows = sum(map(len, sealed.values())), 0
    for table in _sealed():
        try:
            for change in _rows(connection, table):
                rows += 1
                if rows % _TOLD_EVERY == 0:
                    progress(head.id + rows, head.id + max(known, rows + 1))
                fault = _compare(change, sealed[table.name].pop(change.row, None))
                if fault is not None:
                    faults.append(fault)
        except (SQLAlchemyError, ValueError, TypeError) as error:
            faults.append(_unread(connection, error, table.name, head))
    for relation, unseen in sealed.items():
        for row, newest in unseen.items():
            seal, _ = _opened(newest)
            faults.append(Fault(relation, row, seal, f"is gone; seal {seal} knows it"))
    faults.sort(key=lambda fault: (fault.seal == 0, fault.seal))
    progress(head.id + rows, head.id + rows)
    return Verified(head, rows, tuple(faults))


def columns_there(connection: Connection, table: Table) -> list[Column[Any]]:
    """The columns of `table`; those alone that are there where an earlier version wrote the ledger. To a seal, what
    came later is as if it were NULL.
    """
    columns = list(table.columns)
    if is_newest(connection):
        return columns
    inspector = inspect(connection)
    there = {found["name"] for found in inspector.get_columns(table.name)} if inspector.has_table(table.name) else set()
    return [column for column in columns if column.name in there]


def adopt(connection: Connection) -> SealHead:
    """Seals every row as it is: of a ledger older than its seals, or one that a person has looked at."""
    changes: list[Change] = []
    for table in _sealed():
        changes.extend(_rows(connection, table))
    return append(connection, changes)


_Sealed = defaultdict[str, dict[str, bytes]]
"""By relation and row its newest seal, as `_closed` packs it: of a million rows each word counts."""


def _chain(connection: Connection, progress: Progress) -> tuple[SealHead, _Sealed, list[Fault]]:
    """The head the seals lead to, the newest digest of each row, and what is wrong with the seals themselves."""
    head, sealed, faults = GENESIS, _Sealed(dict), list[Fault]()
    name = SealRow.__tablename__
    columns = (SealRow.id, SealRow.relation, SealRow.row, SealRow.content, SealRow.digest, SealRow.hash)
    every = select(*columns).order_by(SealRow.id).execution_options(**_PIECEMEAL)
    try:
        total = 2 * read_head(connection).id
        for number, relation, row, content, digest, said in connection.execute(every):
            if number % _TOLD_EVERY == 0:
                progress(number, total)
            if number != head.id + 1:
                faults.append(Fault(name, str(head.id + 1), head.id + 1, f"is gone; {number} follows {head.id}"))
                head = SealHead(number - 1, head.hash)
            due = following(head, relation, row, bytes(digest))
            if content is not None and Change(relation, row, content.encode()).digest != digest:
                faults.append(Fault(name, str(number), number, "holds another content than it sealed"))
            if due.hash != said:
                faults.append(Fault(name, str(number), number, "does not follow from the seal before it"))
            head = SealHead(number, bytes(said))
            sealed[relation][row] = _closed(number, bytes(digest))
    except (SQLAlchemyError, ValueError, TypeError, AttributeError) as error:
        faults.append(_unread(connection, error, name, head))
    return head, sealed, faults


def _closed(number: int, digest: bytes) -> bytes:
    """A seal's number and digest in one."""
    return number.to_bytes(8, signed=True) + digest


def _opened(seal: bytes) -> tuple[int, bytes]:
    return int.from_bytes(seal[:8], signed=True), seal[8:]


def _compare(change: Change, sealed: bytes | None) -> Fault | None:
    if sealed is None:
        return Fault(change.relation, change.row, 0, "was never sealed; something else wrote it")
    seal, digest = _opened(sealed)
    if change.digest == digest:
        return None
    return Fault(change.relation, change.row, seal, f"is not what seal {seal} says it was")


def _rows(connection: Connection, table: Table) -> Iterator[Change]:
    """Every row of `table`, in the order of its key, read past the types that would smooth over a damaged value."""
    columns = columns_there(connection, table)
    if not columns:
        return
    names = [column.name for column in columns]
    quoted = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in names)
    key = ", ".join(column.name for column in table.primary_key)
    kinds = [_kind(column.type, connection.dialect.name) for column in columns]
    every = f"SELECT {quoted} FROM {table.name} ORDER BY {key}"  # noqa: S608
    for row in connection.exec_driver_sql(every, execution_options=_PIECEMEAL):
        values = {
            name: value if kind is None or type(value) is kind else f"{type(value).__name__} {value!r}"
            for name, kind, value in zip(names, kinds, row, strict=True)
            if value is not None
        }
        yield change_of(table, values)


def _kind(column_type: Any, dialect: str) -> type | None:
    """What a stored value must be, for SQLite, where any column may come to hold anything; None elsewhere."""
    if dialect != "sqlite":
        return None
    kinds = {LargeBinary: bytes, String: str, Units: str}
    return next((python for kind, python in kinds.items() if isinstance(column_type, kind)), int)


def _unread(connection: Connection, error: Exception, relation: str, head: SealHead) -> Fault:
    if isinstance(error, SQLAlchemyError) and connection.dialect.name != "sqlite":
        raise error
    return Fault(relation, "", head.id + 1, f"cannot be read: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return lines[0] if lines else type(error).__name__
