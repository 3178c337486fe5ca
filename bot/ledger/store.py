"""The ground the ledger stands on: one writer, one transaction at a time, one run, and the head it stands on.

Every change of a row goes through `_insert` or `_change`, and is sealed in the transaction that makes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from bot.clock import Clock
from bot.ledger import quick
from bot.ledger.database import place
from bot.ledger.errors import LedgerBroken, LedgerError, LedgerSilent, explained
from bot.ledger.headfile import HeadFile
from bot.ledger.lease import check_token, lease_row, queue
from bot.ledger.models import Base, PlanRow
from bot.ledger.records import Run
from bot.ledger.seals import Change, append, change_of

# Statements of the road from head to signature are built once: building costs more than running them.
_PLAN = select(PlanRow.id).where(PlanRow.instance == bindparam("instance"), PlanRow.digest == bindparam("digest"))


def changing(model: type[Base], *which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    """An UPDATE of the rows of `model` that `which` names, for `Store._change`; its values are given there."""
    table = model.__table__
    return update(table).where(*which).returning(*table.columns)  # type: ignore[arg-type]


@cache
def _insert_into(model: type[Base]) -> ReturningInsert[Any]:
    table = model.__table__
    return insert(table).returning(*table.primary_key)  # type: ignore[arg-type]  # a mapped class's table is no join


T = TypeVar("T")

_COMMITS_IN_LOG = 32
"""So many commits of a run write fewer pages than the thousand after which SQLite empties its log by itself."""

Note = Callable[[Connection], object]
"""Writes down what promises nothing, with the values of when it was said."""


class Store:
    """Transactions, and the context every row carries. The ledger's parts are built upon it."""

    def __init__(self, writer: Engine, reader: Engine, clock: Clock, head_file: HeadFile | None = None) -> None:
        self._writer = writer
        self._head_file = head_file
        self._lease: tuple[str, int] | None = None
        self._broken: LedgerBroken | LedgerSilent | None = None
        self._changes: list[Change] = []
        # Found or made since the last transaction ended: what one that is rolled back made, nobody finds afterwards.
        self._plan_rows: dict[tuple[str, str], int] = {}
        self._reader = reader
        self._clock = clock
        self._where = place(writer.url)
        self._is_file = writer.dialect.name == "sqlite"
        self._batch: Connection | None = None
        self._batch_acts = False
        self._waiting: list[Note] | None = None
        self._known: dict[Hashable, tuple[Hashable, Any]] = {}
        self._written = Counter[str]()
        self._others_version: int | None = None
        self._kept: Connection | None = None
        self._kept_reader: Connection | None = None
        self._commits = 0
        self._run: Run | None = None
        self._block_number = 0
        self._head_s = 0

    @property
    def run(self) -> Run:
        """The run rows belong to. Raises `LedgerError` before `start_run` or `attach`."""
        if self._run is None:
            raise LedgerError(f"ledger {self._where}: no run was started; call start_run or attach first")
        return self._run

    @property
    def where(self) -> str:
        """The ledger's file, or the server's URL without its password."""
        return self._where

    @property
    def begun(self) -> bool:
        """Whether it stands on a run."""
        return self._run is not None

    @property
    def head_s(self) -> int:
        """The budgets' "now": the greatest head timestamp seen, in seconds since the epoch."""
        return self._head_s

    def at_head(self, number: int, timestamp_s: int) -> None:
        """Stands on a new head. The budgets' clock never goes back, so no window can be freed by a bad timestamp."""
        self._block_number = number
        self._head_s = max(self._head_s, timestamp_s)

    @contextmanager
    def batch(self, *, acts: bool = False) -> Iterator[None]:
        """One transaction for all that is recorded inside. Nothing that acts on the world may be in it.

        With `acts`, what is to be on the disk before something leaves this machine may be in it: that leaves once the
        batch has ended.
        """
        if self._batch is not None:
            raise LedgerError("a batch is open already; batches do not nest")
        with self._transaction(acts=acts) as connection:
            self._batch, self._batch_acts = connection, acts
            try:
                yield
            finally:
                self._batch, self._batch_acts = None, False

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Notes made inside wait for the next commit, or for the end: one commit for many, in the order they were made.

        A reader does not see them before that, and a crash loses them. What is acted on never waits.
        """
        if self._waiting is not None:
            raise LedgerError("notes are gathered already; gatherings do not nest")
        self.ask_others()
        self._waiting = []
        try:
            yield
        finally:
            waiting, self._waiting = self._waiting, None
            if waiting:
                with self._transaction(acts=False) as connection:
                    for note in waiting:
                        note(connection)
            if self._commits >= _COMMITS_IN_LOG:
                self._empty_log()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read on, which sees all that was recorded, the open batch included."""
        if self._batch is not None:
            yield self._batch
            return
        with self._asking(), self._reading() as connection:
            yield connection

    def ask_others(self) -> None:
        """Have the next `remembered` ask whether another process has written, as it does each time otherwise but while
        notes are gathered: then once. To be called before anything is signed on what is remembered.
        """
        self._others_version = None

    def remembered(
        self, key: Hashable, read: Callable[[Connection], T], of: Collection[type[Base]], as_of: Hashable = None
    ) -> T:
        """What `read` finds in the tables `of`, read again only once they were written to, or `as_of` is another.

        What this process writes it knows; that another one has written anything, SQLite says (`ask_others`).
        """
        others = self._others()
        version = others, tuple(self._written[model.__tablename__] for model in of), self._run, as_of
        known = self._known.get(key)
        if known is not None and others is not None and known[0] == version:
            return known[1]  # type: ignore[no-any-return]
        with self.read() as connection:
            found = read(connection)
        self._known[key] = version, found
        return found

    def close(self) -> None:
        """Closes the connections. Everything recorded is on the disk already."""
        self._let_go()
        self._give_up_reader()
        if self._head_file is not None:
            self._head_file.close()
        self._reader.dispose()
        self._writer.dispose()

    def _others(self) -> int | None:
        """Another one whenever another process has committed; None where that cannot be told for nothing."""
        if self._batch is not None or not self._is_file:
            return None
        if self._others_version is None or self._waiting is None:
            with explained(self._where):
                driver: Any = self._connected().connection.dbapi_connection
                (version,) = driver.execute("PRAGMA data_version").fetchone()
                self._others_version = int(version)
        return self._others_version

    def _connected(self) -> Connection:
        """The connection that writes, kept: of its own commits SQLite says nothing to it."""
        if self._kept is None:
            self._kept = self._writer.connect()
        return self._kept

    def _let_go(self) -> None:
        """Of another connection, SQLite would count the commits of other processes otherwise."""
        kept, self._kept = self._kept, None
        self._known.clear()
        self.ask_others()
        if kept is not None:
            kept.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """As `explained`; a server that once did not answer is not waited for again."""
        if isinstance(self._broken, LedgerSilent):
            raise self._broken
        try:
            with explained(self._where):
                yield
        except LedgerSilent as error:
            self._broken = error
            raise

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A transaction that reads: over a connection that is kept, where one thread asks a file."""
        alone = self._reader is not self._writer and self._is_file
        if not alone or (self._kept_reader is not None and self._kept_reader.in_transaction()):
            with self._reader.begin() as connection:
                yield connection
            return
        if self._kept_reader is None:
            self._kept_reader = self._reader.connect()
        try:
            with self._kept_reader.begin():
                yield self._kept_reader
        except BaseException:
            self._give_up_reader()
            raise

    def _give_up_reader(self) -> None:
        reader, self._kept_reader = self._kept_reader, None
        if reader is not None:
            reader.close()

    @contextmanager
    def _one_transaction(self) -> Iterator[Connection]:
        """A transaction. A server's connection is checked before each, as it may have gone meanwhile."""
        if not self._is_file:
            with self._writer.begin() as connection:
                yield connection
            return
        connection = self._connected()
        try:
            with connection.begin():
                yield connection
        except BaseException:
            self._let_go()
            raise

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if self._batch is not None:
            yield self._batch
            return
        with self._transaction(acts=False) as connection:
            yield connection

    def _note(self, note: Note) -> None:
        """Keep `note`: now, or with the next commit while notes are gathered."""
        if self._waiting is not None and self._batch is None:
            self._waiting.append(note)
            return
        with self._write() as connection:
            note(connection)

    @contextmanager
    def _write_ahead(self, act: str, *, leaves: bool = True) -> Iterator[Connection]:
        """As `_write`, for what must be on the disk before the bot goes on to act.

        The head file is synced too where something `leaves` this machine next.
        """
        if self._batch is not None and self._batch_acts:
            yield self._batch
            return
        if self._batch is not None:
            raise LedgerError(f"{act} must be committed before the bot acts on it; not inside a batch")
        with self._transaction(acts=leaves) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, acts: bool) -> Iterator[Connection]:
        """One transaction of the lease's holder, sealed. With `acts`, the head file is synced too when it ends."""
        if self._broken is not None:
            raise self._broken
        self._changes = []
        try:
            with explained(self._where), self._one_transaction() as connection:
                self._fence(connection)
                noted = self._noted(connection)
                yield connection
                head = append(connection, self._changes)
            self._commits += 1
            del (self._waiting or [])[:noted]
            if self._head_file is not None and self._changes:
                self._head_file.write(head, sync=acts)
        except (LedgerBroken, LedgerSilent) as error:
            self._broken = error
            raise
        finally:
            self._plan_rows.clear()
            self._written.update(change.relation for change in self._changes)

    def _empty_log(self) -> None:
        """Have SQLite move its log into the database now that nobody waits, before it does so in a commit by itself."""
        self._commits = 0
        if self._is_file:
            with explained(self._where):
                driver: Any = self._connected().connection.dbapi_connection
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _noted(self, connection: Connection) -> int:
        """How many notes waited, and are part of this transaction now."""
        waiting = tuple(self._waiting or ())
        for note in waiting:
            note(connection)
        return len(waiting)

    def _fence(self, connection: Connection) -> None:
        """Raises `LeaseLost` when this process held the lease and another one has taken it."""
        queue(connection)
        if self._lease is not None:
            name, token = self._lease
            check_token(self._where, token, lease_row(connection, name))

    def _insert(self, connection: Connection, model: type[Base], **values: Any) -> int:
        """The new row's id, or the first part of its key."""
        (key,) = quick.rows(connection, _insert_into(model), values)
        self._changes.append(change_of(model.__table__, {**values, **key._asdict()}))  # type: ignore[arg-type]
        return key[0]  # type: ignore[no-any-return]

    def _change(
        self,
        connection: Connection,
        statement: ReturningUpdate[Any],
        passing: Mapping[str, Any] | None = None,
        /,
        **values: Any,
    ) -> int:
        """How many rows changed. `statement` is a constant made by `changing`; `values` are its parameters and its new
        values. What the rows were on the way, with the values of `passing`, is sealed before what they are.
        """
        rows = [row._asdict() for row in quick.rows(connection, statement, values)]
        table = statement.table
        for row in rows:
            if passing is not None:
                self._changes.append(change_of(table, {**row, **passing}))  # type: ignore[arg-type]
            self._changes.append(change_of(table, row))  # type: ignore[arg-type]
        return len(rows)

    def _plan_row(self, connection: Connection, plan_id: str) -> int:
        row = self._find_plan(connection, plan_id)
        if row is None:
            raise LedgerError(f"plan {plan_id} is not in the ledger; record it first")
        return row

    def _find_plan(self, connection: Connection, plan_id: str) -> int | None:
        of = self.run.instance, plan_id
        if of not in self._plan_rows:
            found = quick.first(connection, _PLAN, {"instance": self.run.instance, "digest": plan_id})
            if found is None:
                return None
            self._plan_rows[of] = found.id
        return self._plan_rows[of]

    def _now_ms(self) -> int:
        return int(self._clock.wall_s() * 1000)
