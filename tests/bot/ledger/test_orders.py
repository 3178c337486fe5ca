"""Exchange orders: known before they are sent, never given up without evidence, each trade booked once."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.ledger.errors import IllegalMove, LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.orders import BY_HAND
from bot.ledger.reading import events, fills
from bot.ledger.records import PlacedOrder, Purpose, TradeFill
from bot.ledger.states import CLOSED_ORDERS, Exposure, OrderState, order_state_after
from tests.bot.ledger.given import (
    ETHER,
    INVENTORY_USDT,
    INVENTORY_WETH,
    SPOT_ETH,
    SPOT_USDT,
    hedge_order,
    pending,
    receipt,
    sell_plan,
)
from tests.bot.ledger.test_books import sums_per_token

BINANCE_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
EVIDENCE = (OrderState.OPEN, OrderState.PARTIAL, OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED)


def placed(ledger: Ledger, number: int = 1) -> PlacedOrder:
    intent = pending(ledger, number, sell_plan(number))
    ledger.record_mined(intent.id, receipt(number), {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6})
    return ledger.place_order(intent.id, hedge_order(), "spot")


def test_a_placed_order_is_open_before_anything_is_known_of_it(ledger: Ledger) -> None:
    order = placed(ledger)
    assert order.state is OrderState.SENDING
    assert (order.amount, order.filled_units, order.purpose) == (10**8, 0, Purpose.HEDGE)
    assert order.limit_price == hedge_order().limit_price
    assert ledger.open_orders() == (order,)
    assert BINANCE_CLIENT_ID.fullmatch(order.client_id)


def test_each_order_of_an_intent_has_its_own_client_id(ledger: Ledger) -> None:
    first = placed(ledger)
    second = ledger.place_order(first.intent_id, hedge_order(), "spot", Purpose.UNWIND)
    assert [order.client_id.rpartition("x")[2] for order in (first, second)] == ["1", "2"]
    assert all(re.fullmatch(r"[0-9a-zA-Z]{8,28}", order.client_id) for order in (first, second))
    assert ledger.orders_of(first.intent_id) == (first, second)


def test_an_order_is_committed_before_it_is_sent(ledger: Ledger) -> None:
    order = placed(ledger)
    with ledger.batch(), pytest.raises(LedgerError, match="not inside a batch"):
        ledger.place_order(order.intent_id, hedge_order(), "spot")


def test_an_order_may_be_in_a_batch_that_ends_before_it_leaves(ledger: Ledger) -> None:
    first = placed(ledger)
    with pytest.raises(ZeroDivisionError), ledger.batch(acts=True):
        ledger.place_order(first.intent_id, hedge_order(), "spot")
        raise ZeroDivisionError
    assert ledger.orders_of(first.intent_id) == (first,)
    with ledger.batch(acts=True):
        second = ledger.place_order(first.intent_id, hedge_order(), "spot")
    assert ledger.orders_of(first.intent_id) == (first, second)
    with ledger.batch(), pytest.raises(LedgerError, match="not inside a batch"):
        ledger.place_order(first.intent_id, hedge_order(), "spot")


def test_an_order_of_unknown_fate_stays_open(ledger: Ledger) -> None:
    order = placed(ledger)
    unknown = ledger.record_order("binance", order.client_id, OrderState.UNKNOWN)
    assert ledger.open_orders() == (unknown,)
    with pytest.raises(IllegalMove, match="may still trade"):
        ledger.close_exposure(order.intent_id, Exposure.HEDGED)
    ledger.record_order("binance", order.client_id, OrderState.REJECTED)
    assert ledger.open_orders() == ()


def test_an_order_nobody_placed_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="order nobody at binance is not in the ledger"):
        ledger.record_order("binance", "nobody", OrderState.OPEN)


def test_a_trade_reported_with_other_amounts_than_booked_is_refused(ledger: Ledger) -> None:
    order = placed(ledger)
    ledger.record_order("binance", order.client_id, OrderState.PARTIAL, [TradeFill("1", 5, 9, "ETH", 0)])
    before = ledger.accounts()
    with pytest.raises(LedgerError, match="ETH/USDT:1 at binance was booked with other amounts"):
        ledger.record_order("binance", order.client_id, OrderState.PARTIAL, [TradeFill("1", 6, 9, "ETH", 0)])
    assert ledger.accounts() == before


def test_a_trade_that_arrives_after_the_cancel_is_booked(ledger: Ledger) -> None:
    order = placed(ledger)
    ledger.record_order("binance", order.client_id, OrderState.CANCELLED)
    late = ledger.record_order("binance", order.client_id, OrderState.PARTIAL, [TradeFill("1", 37, 74, "ETH", 0)])
    assert (late.state, late.filled_units) == (OrderState.CANCELLED, 37)
    assert ledger.balance(SPOT_ETH) == 5 * 10**8 + 37


_numbers = itertools.count(1)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reports_in_any_order_and_number_make_one_ledger(ledger: Ledger, data: st.DataObject) -> None:
    trades = [TradeFill(f"{n}-{k}", k + 1, 2 * k + 1, "ETH", k) for n in [next(_numbers)] for k in range(4)]
    reports: list[tuple[OrderState, list[TradeFill]]] = [
        (OrderState.OPEN, []),
        (OrderState.PARTIAL, trades[:1]),
        (OrderState.PARTIAL, trades[1:3]),
        (OrderState.FILLED, trades),
    ]
    order = placed(ledger, next(_numbers))
    before = ledger.accounts()
    repeated = data.draw(st.lists(st.sampled_from(reports), max_size=3))
    for state, seen in data.draw(st.permutations([*reports, *repeated])):
        ledger.record_order("binance", order.client_id, state, seen)
    after = ledger.accounts()
    assert after[SPOT_ETH] - before[SPOT_ETH] == sum(trade.base_units - trade.fee_units for trade in trades)
    assert before[SPOT_USDT] - after[SPOT_USDT] == sum(trade.quote_units for trade in trades)
    known = ledger.order("binance", order.client_id)
    assert (known.state, known.filled_units) == (OrderState.FILLED, 10)
    assert len([fill for fill in fills(ledger, order.intent_id) if fill.venue == "binance"]) == len(trades)
    assert set(sums_per_token(ledger).values()) == {0}


@given(reports=st.permutations(EVIDENCE), doubt=st.integers(min_value=0, max_value=len(EVIDENCE)))
def test_the_strongest_evidence_decides_whatever_order_it_comes_in(reports: list[OrderState], doubt: int) -> None:
    state = OrderState.SENDING
    for report in [*reports[:doubt], OrderState.UNKNOWN, *reports[doubt:]]:
        state = order_state_after(state, report)
    assert state is OrderState.FILLED


BY_STRENGTH = (OrderState.OPEN, OrderState.REJECTED, OrderState.PARTIAL, OrderState.CANCELLED, OrderState.FILLED)


@pytest.mark.parametrize(("weaker", "stronger"), list(itertools.combinations(BY_STRENGTH, 2)))
def test_of_two_words_the_stronger_stands_whichever_comes_first(weaker: OrderState, stronger: OrderState) -> None:
    assert order_state_after(weaker, stronger) is stronger
    assert order_state_after(stronger, weaker) is stronger


@pytest.mark.parametrize("closed", sorted(CLOSED_ORDERS))
def test_doubt_never_reopens_a_closed_order(closed: OrderState) -> None:
    assert order_state_after(closed, OrderState.UNKNOWN) is closed
    assert order_state_after(closed, OrderState.OPEN) is closed


@pytest.mark.parametrize("report", EVIDENCE)
@pytest.mark.parametrize("known", [OrderState.SENDING, OrderState.UNKNOWN])
def test_any_word_of_the_exchange_is_more_than_none(known: OrderState, report: OrderState) -> None:
    assert order_state_after(known, report) is report


def test_silence_is_no_evidence() -> None:
    assert order_state_after(OrderState.UNKNOWN, OrderState.SENDING) is OrderState.UNKNOWN
    assert order_state_after(OrderState.PARTIAL, OrderState.UNKNOWN) is OrderState.UNKNOWN


def test_a_quarantine_is_entered_where_nothing_is_known_and_left_by_evidence_only() -> None:
    for nothing_known in (OrderState.SENDING, OrderState.UNKNOWN, OrderState.QUARANTINED):
        assert order_state_after(nothing_known, OrderState.QUARANTINED) is OrderState.QUARANTINED
    for known in EVIDENCE:
        assert order_state_after(known, OrderState.QUARANTINED) is known
        assert order_state_after(OrderState.QUARANTINED, known) is known
    assert order_state_after(OrderState.QUARANTINED, OrderState.UNKNOWN) is OrderState.QUARANTINED


def test_an_order_in_quarantine_is_open_until_a_person_says_what_became_of_it(ledger: Ledger) -> None:
    order = placed(ledger)
    ledger.record_order("binance", order.client_id, OrderState.UNKNOWN)
    quarantined = ledger.record_order("binance", order.client_id, OrderState.QUARANTINED)
    assert ledger.open_orders() == (quarantined,)
    with pytest.raises(IllegalMove, match="may still trade"):
        ledger.close_exposure(order.intent_id, Exposure.HEDGED)
    settled = ledger.settle_order("binance", order.client_id, (), by="ann", because="ticket 4711")
    assert settled.state is OrderState.REJECTED and ledger.open_orders() == ()
    (event,) = [event for event in events(ledger) if event.name == "order_settled_by_hand"]
    assert event.detail == f"{order.client_id} at binance is rejected, by ann: ticket 4711"


@pytest.mark.parametrize(("units", "state"), [(4 * 10**7, OrderState.CANCELLED), (10**8, OrderState.FILLED)])
def test_what_a_person_says_was_traded_is_booked(ledger: Ledger, units: int, state: OrderState) -> None:
    order = placed(ledger)
    before = ledger.balance(SPOT_ETH)
    ledger.record_order("binance", order.client_id, OrderState.QUARANTINED)
    by_hand = TradeFill(f"by hand:{order.client_id}", units, 2000 * units, "USDT", 7)
    settled = ledger.settle_order("binance", order.client_id, [by_hand], by="ann", because="statement")
    assert (settled.state, settled.filled_units) == (state, units)
    assert ledger.balance(SPOT_ETH) == before + units
    assert set(sums_per_token(ledger).values()) == {0}


REPORTS = [
    (
        OrderState.FILLED,
        [TradeFill("1", 6 * 10**7, 12 * 10**10, "USDT", 0), TradeFill("2", 4 * 10**7, 8 * 10**10, "USDT", 0)],
    ),
    (OrderState.CANCELLED, [TradeFill("1", 3 * 10**7, 6 * 10**10, "USDT", 9)]),
    (OrderState.OPEN, [TradeFill("1", 3 * 10**7, 6 * 10**10, "USDT", 9)]),
    (OrderState.REJECTED, []),
]


@pytest.mark.parametrize(("state", "trades"), REPORTS)
@pytest.mark.parametrize("told", [0, 4 * 10**7, 10**8])
def test_what_the_exchange_was_asked_before_a_person_spoke_stands_instead_of_the_persons_word(
    ledger: Ledger, told: int, state: OrderState, trades: list[TradeFill]
) -> None:
    order = placed(ledger)
    before = ledger.accounts()
    by_hand = [TradeFill(f"{BY_HAND}{order.client_id}", told, 2000 * told, "USDT", 7)] if told else []
    ledger.settle_order("binance", order.client_id, by_hand, by="ann", because="statement")
    for _ in range(2):
        late = ledger.record_order("binance", order.client_id, state, trades)
        assert (late.state, late.filled_units) == (state, sum(trade.base_units for trade in trades))
    after = ledger.accounts()
    assert after[SPOT_ETH] - before[SPOT_ETH] == sum(trade.base_units for trade in trades)
    assert before[SPOT_USDT] - after[SPOT_USDT] == sum(trade.quote_units + trade.fee_units for trade in trades)
    assert set(sums_per_token(ledger).values()) == {0}


def test_an_exchange_that_knows_nothing_leaves_a_persons_word(ledger: Ledger) -> None:
    order = placed(ledger)
    by_hand = TradeFill(f"{BY_HAND}{order.client_id}", 10**8, 2 * 10**11, "USDT", 7)
    settled = ledger.settle_order("binance", order.client_id, [by_hand], by="ann", because="statement")
    assert ledger.record_order("binance", order.client_id, OrderState.UNKNOWN) == settled


def test_a_persons_word_is_weaker_than_the_exchanges_and_never_more_than_the_order(ledger: Ledger) -> None:
    order = placed(ledger)
    too_much = TradeFill("1", order.amount + 1, 1, "USDT", 0)
    with pytest.raises(IllegalMove, match=f"was for {order.amount} units"):
        ledger.settle_order("binance", order.client_id, [too_much], by="ann", because="a slip")
    ledger.record_order("binance", order.client_id, OrderState.OPEN)
    with pytest.raises(IllegalMove, match="is open; only one of unknown fate"):
        ledger.settle_order("binance", order.client_id, (), by="ann", because="a guess")
