"""What is read and written without SQLAlchemy's help is what it would have been with it."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.sql.elements import CompilerElement

from bot.ledger import journal, quick, results, windows
from bot.ledger.book_models import HaltRow, PostingRow
from bot.ledger.ledger import Ledger
from bot.ledger.models import AttemptRow, FillRow, IntentRow
from bot.ledger.seal_models import SealRow
from bot.ledger.types import exact_sum
from tests.bot.ledger.given import pending, receipt, sell_plan

_TABLES = (IntentRow, AttemptRow, FillRow, HaltRow, PostingRow, SealRow)
_EACH = tuple(select(model.__table__) for model in _TABLES)
_CHOSEN = (
    select(PostingRow.place, exact_sum(PostingRow.units))
    .where(PostingRow.place.in_(["twin", "binance"]), PostingRow.token != bindparam("left_out"))
    .group_by(PostingRow.place)
    .order_by(PostingRow.place)
    .limit(1)
)
_ADD = insert(SealRow.__table__)  # type: ignore[arg-type]


def test_rows_are_those_that_sqlalchemy_reads_with_their_names_and_types(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), {})
    ledger.halt("s", "a test")
    with ledger.read() as connection:
        for statement in _EACH:
            assert _read(connection, statement, {}) == [
                row._asdict() for row in connection.execute(statement, {}).all()
            ]
        ((place, units),) = quick.rows(connection, _CHOSEN, {"left_out": "-"})
        assert (place, units) == tuple(connection.execute(_CHOSEN, {"left_out": "-"}).one())
        assert quick.first(connection, _CHOSEN, {"left_out": "-"}) == (place, units)
        assert type(units) is int and quick.first(connection, _EACH[0], {}) is not None


def test_many_rows_are_written_as_one_by_one(ledger: Ledger) -> None:
    row = {"relation": "a", "row": "1", "content": None, "digest": bytes(32), "hash": b"\xff" * 32}
    each = [{"id": number, **row} for number in (10**6, 10**6 + 1)]
    with ledger._writer.connect() as connection, connection.begin() as begun:
        quick.write_all(connection, _ADD, each)
        written = select(SealRow.__table__).where(SealRow.id >= 10**6).order_by(SealRow.id)
        assert [found._asdict() for found in connection.execute(written)] == each
        begun.rollback()


def test_no_statement_of_a_head_goes_through_all_that_ever_was_traded(in_file: Ledger) -> None:
    wanted: dict[CompilerElement, tuple[set[str], str]] = {
        journal._OPEN: ({"instance"}, "INDEX ix_intents_asking (instance=?)"),
        journal._MINED: ({"instance"}, "INDEX ix_intents_asking (instance=?)"),
        results._TOTALS: (
            {"instance", "strategy"},
            "INDEX ix_results_instance_strategy_id (instance=? AND strategy=?)",
        ),
        results._UNWINDING: ({"instance", "after"}, "INTEGER PRIMARY KEY (rowid>?)"),
        results._OF_PLAN: ({"instance", "plan"}, "(instance=? AND digest=?)"),
        windows._RECENT: (
            {"instance", "strategy", "since", "newest"},
            "INDEX ix_results_instance_strategy_head_s (instance=? AND strategy=? AND head_s>?)",
        ),
    }
    with in_file.read() as connection:
        for statement, (names, way) in wanted.items():
            compiled = quick._compiled(statement, tuple(names))
            bound = tuple(compiled.bound(dict.fromkeys(names, 1)))
            first, *others = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled.text}", bound).all()
            assert first.detail.endswith(way), statement
            assert all("SEARCH" in step.detail for step in others), "a further step goes through a table, or sorts it"


def _read(connection: Connection, statement: object, values: dict[str, object]) -> list[dict[str, object]]:
    return [row._asdict() for row in quick.rows(connection, statement, values)]  # type: ignore[arg-type]
