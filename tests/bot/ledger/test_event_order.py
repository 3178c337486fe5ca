"""In whatever order chain and exchange tell their events, there is one ledger."""

from __future__ import annotations

import pytest

from bot.ledger.ledger import Ledger
from bot.ledger.records import TradeFill
from bot.ledger.states import OrderState
from tests.bot.ledger.event_order import Mined, Said, Tale, hurried, told
from tests.conftest import Counted
from tests.torture import order


def test_events_in_any_order_make_one_ledger(counted: Counted, capsys: pytest.CaptureFixture[str]) -> None:
    assert order.main(["--permutations", "6"]) == 0
    counted("order", capsys.readouterr().out.strip())


def test_a_ledger_that_takes_every_report_for_news_is_found_out(in_file: Ledger) -> None:
    trade = TradeFill("1", 5, 11, "ETH", 0)
    tale = Tale((True,), (True,), (Mined(1, "1-0"),), (Said(1, OrderState.FILLED, (trade,)),))
    twice = [*tale.chain, *tale.exchange, *tale.exchange]
    ledger = hurried(in_file)
    assert told(ledger, tale, twice) == told(ledger, tale, tale.in_order())
    assert told(ledger, tale, twice, forgetful=True) != told(ledger, tale, tale.in_order())
