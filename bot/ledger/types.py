"""Exact integers in SQL: a column type and a sum that never pass through a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Dialect, Numeric, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

DIGITS = 78
"""As many decimal digits as 2^256 has."""

_LIMIT = 10**DIGITS


class Units(TypeDecorator[int]):
    """A signed integer of up to 78 digits: NUMERIC(78, 0), and decimal text in SQLite, whose integers end at 2^63.

    In SQLite such columns compare as text: use them in equalities and `exact_sum` only.
    """

    impl = Numeric(DIGITS, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(Numeric(DIGITS, 0))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if type(value) is not int or abs(value) >= _LIMIT:
            raise ValueError(f"{value!r} is not an integer of at most {DIGITS} digits")
        return str(value) if dialect.name == "sqlite" else Decimal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class exact_sum(GenericFunction[int]):
    """Σ of a `Units` column, exactly; NULL or "0" for no rows, depending on the database."""

    type = Units()
    inherit_cache = True


@compiles(exact_sum)
def _plain_sum(element: exact_sum, compiler: SQLCompiler, **options: Any) -> str:
    return f"sum({compiler.process(element.clauses, **options)})"


@compiles(exact_sum, "sqlite")
def _sqlite_sum(element: exact_sum, compiler: SQLCompiler, **options: Any) -> str:
    return f"exact_sum({compiler.process(element.clauses, **options)})"


class SqliteSum:
    """The aggregate behind `exact_sum` in SQLite, registered on each connection."""

    def __init__(self) -> None:
        self._total = 0

    def step(self, value: str | None) -> None:
        if value is not None:
            self._total += int(value)

    def finalize(self) -> str:
        return str(self._total)
