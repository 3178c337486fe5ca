"""The statements of the road, compiled once each and then given to SQLite's driver as they are.

SQLAlchemy prepares a statement for every execution, which takes several times as long as SQLite does to carry it out. A
database server is asked through SQLAlchemy all the same: there the round trip is what takes the time.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import sqlite

_Convert = Callable[[Any], Any] | None


def rows(connection: Connection, statement: Executable, values: Mapping[str, Any]) -> Sequence[Any]:
    """The rows that `statement` gives, by the names of their columns, in a transaction that has begun.

    It is a constant of its module, as it is compiled once and kept; `values` are its parameters, and what it sets.
    """
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, values).all()
    compiled = _compiled(statement, tuple(values))
    found = _driver(connection).execute(compiled.text, compiled.bound(values)).fetchall()
    return [compiled.read(row) for row in found]


def first(connection: Connection, statement: Executable, values: Mapping[str, Any]) -> Any | None:
    """The first of `rows`; None where there is none."""
    return next(iter(rows(connection, statement, values)), None)


def write_all(connection: Connection, statement: Executable, each: Sequence[Mapping[str, Any]]) -> None:
    """Run `statement`, a constant too, with each of these values; they name the same columns."""
    if connection.dialect.name != "sqlite":
        connection.execute(statement, each)
        return
    compiled = _compiled(statement, tuple(each[0]))
    _driver(connection).executemany(compiled.text, [compiled.bound(values) for values in each])


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`text` as the driver takes it; for each of its parameters in order its name, and how a value is bound."""

    text: str
    names: Sequence[str]
    constants: Mapping[str, Any]
    binders: Sequence[tuple[int, Callable[[Any], Any]]]
    row: Callable[..., Any]
    readers: Sequence[tuple[int, Callable[[Any], Any]]]

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        constants = self.constants
        bound = [values[name] if name in values else constants[name] for name in self.names]
        for at, bind in self.binders:
            bound[at] = bind(bound[at])
        return bound

    def read(self, found: Sequence[Any]) -> Any:
        if self.readers:
            found = list(found)
            for at, convert in self.readers:
                found[at] = convert(found[at])
        return self.row(*found)


@cache
def _compiled(statement: Any, names: tuple[str, ...]) -> _Compiled:
    dialect = sqlite.dialect()
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    # Lists of constants become a parameter each.
    state = compiled.construct_expanded_state(dict.fromkeys(names))
    positions = tuple(state.positiontup)
    kinds = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
    binds = [kinds[name].bind_processor(dialect) if name in kinds else state.processors.get(name) for name in positions]
    columns = getattr(statement, "exported_columns", ())
    reads = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return _Compiled(
        text=state.statement,
        names=positions,
        constants={name: value for name, value in state.parameters.items() if name not in names},
        binders=_given(binds),
        row=namedtuple("Row", [column.key for column in columns], rename=True),
        readers=_given(reads),
    )


def _given(converters: Sequence[_Convert]) -> list[tuple[int, Callable[[Any], Any]]]:
    return [(at, convert) for at, convert in enumerate(converters) if convert is not None]


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
