"""In whatever order chain and exchange tell their events, there is one ledger."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.ledger.ledger import Ledger
from bot.ledger.records import TradeFill
from bot.ledger.states import OrderState
from tests.bot.ledger.event_order import Mined, Said, Tale, hurried, orders, tales, told


@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_events_in_any_order_make_one_ledger(in_file: Ledger, data: st.DataObject) -> None:
    tale = data.draw(tales())
    ledger = hurried(in_file)
    assert told(ledger, tale, data.draw(orders(tale))) == told(ledger, tale, tale.in_order())


def test_a_ledger_that_takes_every_report_for_news_is_found_out(in_file: Ledger) -> None:
    trade = TradeFill("1", 5, 11, "ETH", 0)
    tale = Tale((True,), (True,), (Mined(1, "1-0"),), (Said(1, OrderState.FILLED, (trade,)),))
    twice = [*tale.chain, *tale.exchange, *tale.exchange]
    ledger = hurried(in_file)
    assert told(ledger, tale, twice) == told(ledger, tale, tale.in_order())
    assert told(ledger, tale, twice, forgetful=True) != told(ledger, tale, tale.in_order())
