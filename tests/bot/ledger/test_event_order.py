"""In whatever order chain and exchange tell their events, there is one ledger."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.ledger.ledger import Ledger
from tests.bot.ledger.event_order import orders, tales, told

_USUAL = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(data=st.data())
@settings(_USUAL, max_examples=15)
def test_events_in_any_order_make_one_ledger(in_file: Ledger, data: st.DataObject) -> None:
    tale = data.draw(tales())
    assert told(in_file, tale, data.draw(orders(tale))) == told(in_file, tale, tale.in_order())


def test_a_ledger_that_takes_every_report_for_news_is_found_out(in_file: Ledger) -> None:
    @given(data=st.data())
    @settings(_USUAL, max_examples=15, database=None, phases=[Phase.generate], derandomize=True)
    def no_dedupe(data: st.DataObject) -> None:
        tale = data.draw(tales())
        events = data.draw(orders(tale))
        assert told(in_file, tale, events, forgetful=True) == told(in_file, tale, tale.in_order())

    with pytest.raises(AssertionError):
        no_dedupe()
