"""Exact integers in SQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, MetaData, Table, create_engine, event, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import StatementError
from sqlalchemy.schema import CreateTable

from bot.ledger.types import DIGITS, SqliteSum, Units, exact_sum

AMOUNTS = st.integers(min_value=-(10**DIGITS) + 1, max_value=10**DIGITS - 1)
TABLE = Table("amounts", MetaData(), Column("units", Units()))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda connection, _: connection.create_aggregate("exact_sum", 1, SqliteSum))
    TABLE.create(engine)
    yield engine
    engine.dispose()


@given(amounts=st.lists(AMOUNTS, max_size=5))
def test_integers_of_any_size_come_back_and_add_up_exactly(engine: Engine, amounts: list[int]) -> None:
    with engine.connect() as connection:
        for units in amounts:
            connection.execute(insert(TABLE).values(units=units))
        assert list(connection.execute(select(TABLE.c.units)).scalars()) == amounts
        assert (connection.execute(select(exact_sum(TABLE.c.units))).scalar_one() or 0) == sum(amounts)


@pytest.mark.parametrize("value", [1.0, True, "5", 10**DIGITS, -(10**DIGITS)])
def test_floats_booleans_text_and_too_many_digits_are_refused(engine: Engine, value: object) -> None:
    with engine.connect() as connection, pytest.raises(StatementError, match="is not an integer of at most 78 digits"):
        connection.execute(insert(TABLE).values(units=value))


def test_postgresql_keeps_units_as_numeric_without_fraction_and_sums_natively() -> None:
    dialect = postgresql.dialect()
    assert "units NUMERIC(78, 0)" in str(CreateTable(TABLE).compile(dialect=dialect))
    assert "sum(amounts.units)" in str(select(exact_sum(TABLE.c.units)).compile(dialect=dialect))
