"""A test that a broken program passes proves nothing: each mistake here is made by a twin, and found out."""

from __future__ import annotations

import pytest

from chains.tools import ROOT

TWINS = {
    "journal after send": ("tests/faults/test_twins.py", "test_journalling_after_sending_loses_a_transaction"),
    "fresh nonce": ("tests/faults/test_twins.py", "test_a_fresh_nonce_for_an_unknown_outcome_trades_twice"),
    "blind to parents": ("tests/faults/test_twins.py", "test_a_follower_that_ignores_parents_books_what_was_undone"),
    "unsynced commit": ("tests/kills/test_durability.py", "an_unsynced_twin_is_found_out"),
    "pending nonce": ("tests/kills/test_kills.py", "broken_twins_are_found_out"),
    "no dedupe": (
        "tests/bot/ledger/test_event_order.py",
        "test_a_ledger_that_takes_every_report_for_news_is_found_out",
    ),
    "fixed window": ("tests/bot/signer/test_budget.py", "test_windows_that_begin_on_the_hour_are_found_out"),
    "open callback": ("contracts/test/Exploits.t.sol", "testDydxCallsForAStranger"),
    "exchange trusted": ("tests/faults/test_exchange.py", "test_a_broken_twin_is_found_out"),
}
"""The mistake, and the test that fails unless it is found out."""


@pytest.mark.parametrize("mistake", TWINS)
def test_every_broken_twin_has_a_test_that_finds_it_out(mistake: str) -> None:
    file, test = TWINS[mistake]
    assert f"{test}(" in (ROOT / file).read_text(encoding="utf-8")
