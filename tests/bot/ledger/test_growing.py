"""What trading asks of the ledger costs no more after a year than on the first day: rows are searched for, by indexes
that lead to few, and never gone through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from bot.ledger.finality import books_at
from bot.ledger.ledger import Ledger
from bot.ledger.models import ASKING
from bot.ledger.reading import decisions_of
from bot.ledger.states import HOLDS_RESERVATION, IntentState, OrderState
from bot.risk.usage import read_usage
from tests.bot.ledger.given import atomic_plan, hash_of, hedge_order, pending, receipt, sell_plan

_FEW = ("ix_intents_asking (instance=?)", "ix_entries_read (instance=?)", "SCAN seals")
"""Indexes that hold a few rows of an instance, and where only the newest row is read."""

_MANY = ("(instance=?)", "INDEX ix_intents_instance_strategy_state (instance=? AND strategy=?)")


def _trade(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1, atomic_plan(1)).id, receipt(1), {})
    hedged = pending(ledger, 2, sell_plan(2)).id
    ledger.record_mined(hedged, receipt(2), {})
    placed = ledger.place_order(hedged, hedge_order(), "spot")
    ledger.record_order("binance", placed.client_id, OrderState.FILLED)


_ASKED: dict[str, Callable[[Ledger], object]] = {
    "a trade": _trade,
    "a block that is undone": lambda ledger: ledger.undo_block(hash_of("mined", 1)),
    "what a plan was made": lambda ledger: ledger.intent_of(atomic_plan(1).id),
    "orders that may trade": lambda ledger: ledger.open_orders(),
    "the books as of a block": lambda ledger: books_at(ledger, 2),
    "what is used of a budget": lambda ledger: read_usage(ledger, "dex_arbitrage"),
    "what is out": lambda ledger: (ledger.open_intents(), ledger.mined_intents()),
}


@pytest.mark.parametrize("ask", _ASKED.values(), ids=list(_ASKED))
def test_nothing_that_trading_asks_goes_through_all_that_ever_was_traded(
    in_file: Ledger, ask: Callable[[Ledger], object]
) -> None:
    asked: list[str] = []
    with in_file.read() as reading:
        drivers: list[Any] = [it.connection.dbapi_connection for it in (reading, in_file._connected())]
    for driver in drivers:
        driver.set_trace_callback(asked.append)
    ask(in_file)
    for driver in drivers:
        driver.set_trace_callback(None)
    steps = []
    with in_file.read() as connection:
        for statement in asked:
            if statement.startswith(("SELECT", "UPDATE")):
                steps += [step.detail for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
    assert steps
    print("\n".join(steps))
    assert [step for step in steps if _grows(step)] == []


@pytest.mark.parametrize(
    "ask",
    [lambda ledger: ledger.inclusions(5), lambda ledger: decisions_of(ledger, [1, 2], [1])],
    ids=["what was included", "some decisions"],
)
def test_a_server_looks_up_what_it_is_asked_for_a_page_or_a_tip(
    on_server: Ledger, ask: Callable[[Ledger], object]
) -> None:
    asked: list[tuple[str, Any]] = []
    event.listen(on_server._reader, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    ask(on_server)
    ((statement, values),) = asked[:1]
    with on_server.read() as connection:
        # Then it goes through a table only where nothing leads to the rows.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars())
    assert "Seq Scan" not in plan and "hashed" not in plan


def test_what_holds_a_reservation_is_asked_for_or_foreign() -> None:
    """By these two what is reserved of a budget is found."""
    assert {state for state in IntentState if f"'{state.value}'" in ASKING} == HOLDS_RESERVATION - {IntentState.FOREIGN}


def _grows(step: str) -> bool:
    """Whether a step of SQLite's plan takes longer the more rows there are."""
    if step.startswith(("SCAN CONSTANT", "SCAN (subquery")):
        return False
    return (step.startswith("SCAN ") or step.endswith(_MANY)) and not step.endswith(_FEW)
