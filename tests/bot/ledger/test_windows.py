"""What was lost and burnt within a sliding window is what the rows say, in whatever order they were added."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from bot.ledger.book_models import ResultRow
from bot.ledger.ledger import Ledger
from bot.ledger.windows import DAY_S, Windows
from tests.bot.ledger.given import INSTANCE, START_S

ROWS = st.lists(st.tuples(st.integers(0, 20), st.integers(-9, 9), st.integers(-9, 9)), max_size=6)


@given(st.lists(ROWS, max_size=5), st.integers(0, 21))
def test_sums_are_those_of_all_rows_however_they_came(batches: list[list[tuple[int, int, int]]], since_s: int) -> None:
    windows = Windows(INSTANCE, "s", 0)
    for rows in batches:
        windows = windows._with(rows)
    every = [row for rows in batches for row in rows]
    assert windows.loss_wei(since_s) == sum(loss for at, loss, _ in every if at >= since_s)
    assert windows.gas_wei(since_s) == sum(gas for at, _, gas in every if at >= since_s)


def test_it_goes_on_from_where_it_was_read_to_and_drops_what_is_older_than_a_day(ledger: Ledger) -> None:
    def add(strategy: str, head_s: int, loss_wei: int) -> None:
        amounts = {"profit_wei": -loss_wei, "gas_wei": 1, "loss_wei": loss_wei}
        totals = {"cumulative_wei": 0, "high_water_wei": 0}
        row = {"run_id": ledger.run.id, "instance": INSTANCE, "strategy": strategy, "at_ms": 0, "head_s": head_s}
        with ledger._writer.begin() as connection:
            connection.execute(insert(ResultRow), {**row, **amounts, **totals})

    def read(now_s: int, before: Windows | None = None) -> Windows:
        with ledger.read() as connection:
            if before is None:
                return Windows.read(connection, INSTANCE, "s", now_s)
            return before.now(connection, now_s)

    add("s", START_S - DAY_S - 1, 1_000)
    add("s", START_S - DAY_S, 100)
    add("another", START_S, 7)
    first = read(START_S)
    assert (first.loss_wei(START_S - DAY_S), first.gas_wei(0)) == (100, 1)
    add("s", START_S + 5, 10)
    add("another", START_S + 5, 7)
    add("s", START_S + 2, 20)
    later, anew = read(START_S + 10, first), read(START_S + 10)
    assert later.seconds == anew.seconds == (START_S + 2, START_S + 5)
    assert read(START_S + 10, anew) == anew
    for windows in (later, anew):
        assert [windows.loss_wei(START_S + after) for after in (2, 3, 6)] == [30, 10, 0]
        assert [windows.gas_wei(START_S + after) for after in (2, 3, 6)] == [2, 1, 0]
    with ledger._writer.begin() as connection:
        connection.execute(delete(ResultRow))  # they have no seals
