"""An order that pays a debt is one that the exchange takes; what is too little for any is left."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.execution.debts import Debt
from bot.execution.ordering import is_dust, priced
from bot.plan import Side
from chains.exchanges.books import Book
from tests.bot.execution.given import buys_on_chain
from tests.chains.exchanges.making import COIN, book

FINE = replace(book([(200_000, 10**9)], [(200_001, 10**9)]), lot=1, min_amount=1)
"""Of lots that are worth next to nothing; the least order is worth 5 dollars."""

PLENTY = 10**30


def _debt(units: int, side: Side = Side.SELL) -> Debt:
    plan = buys_on_chain()
    return Debt(1, plan, replace(plan.orders[0], side=side), units, 13)


def _least(of: Book) -> int:
    return of.least_order("sell")


def test_an_order_of_the_least_amount_is_worth_the_least_at_its_limit_too() -> None:
    for tolerance_ppm in (1_000, 100_000):
        order = priced(_debt(_least(FINE)), FINE, tolerance_ppm, PLENTY)
        assert order is not None
        assert order.amount * order.limit_price * COIN >= FINE.min_notional * COIN
        assert order.limit_price <= FINE.price(200_000)


def test_what_is_worth_more_reaches_as_far_as_it_may() -> None:
    order = priced(_debt(COIN), FINE, 1_000, PLENTY)
    assert order is not None and order.limit_price == 1_998


def test_what_is_far_worse_than_the_plan_is_ordered_only_where_the_chain_could_not_take_it_back() -> None:
    emptied = replace(FINE, bids=((10_000, 10**9),), asks=((400_000, 10**9),))
    for side, bounded, unbounded in ((Side.SELL, 1_800, Decimal("99.9")), (Side.BUY, 2_200, 4_004)):
        debt = _debt(COIN, side)
        for each, limit in (
            (debt, bounded),
            (replace(debt, unwind_failed=True), unbounded),
            (replace(debt, back=True), unbounded),
        ):
            order = priced(each, emptied, 1_000, PLENTY)
            assert order is not None and order.limit_price == limit


def test_what_is_below_the_least_in_whole_lots_is_dust() -> None:
    coarse = replace(FINE, lot=COIN // 1_000)
    least = _least(coarse)
    assert least == 3 * COIN // 1_000
    assert is_dust(_debt(least - 1), coarse) and not is_dust(_debt(least), coarse)
    # 4.99999998 dollars, at a price at which a whole lot more is needed.
    assert is_dust(_debt(COIN // 400 + 1), coarse) and priced(_debt(COIN // 400 + 1), coarse, 0, PLENTY) is None


def test_what_its_plan_says_is_worth_an_order_is_no_dust_where_only_the_last_bids_are_left() -> None:
    emptied = replace(FINE, bids=((1, 10**9),))
    assert not is_dust(_debt(COIN), emptied) and is_dust(_debt(_least(FINE) - 1), emptied)
    assert priced(_debt(COIN), emptied, 1_000, PLENTY) is None


def test_a_debt_in_a_currency_of_small_worth_and_many_decimals_is_told_from_dust() -> None:
    base, quote = (replace(token, decimals=18) for token in (FINE.base, FINE.quote))
    rupiah = replace(FINE, base=base, quote=quote, tick=10**16, bids=((5 * 10**9, 10**30),), min_notional=10**22)
    assert not is_dust(_debt(400 * 10**18), rupiah)


def test_no_more_is_ordered_than_what_is_there_pays_for() -> None:
    for side, held in ((Side.SELL, 4 * COIN // 10), (Side.BUY, 800 * 10**FINE.quote.decimals)):
        order = priced(_debt(COIN, side), FINE, 0, held)
        assert order is not None and COIN * 399 // 1_000 <= order.amount <= COIN * 4 // 10
        assert side is Side.SELL or order.amount * order.limit_price <= COIN * FINE.quote.whole(held)
        assert priced(_debt(COIN, side), FINE, 0, held // 1_000) is None
        assert priced(_debt(COIN, side), FINE, 0, -1) is None


def test_what_one_order_may_not_be_of_is_ordered_in_several() -> None:
    for bounded in (replace(FINE, max_amount=COIN), replace(FINE, max_notional=2_000 * COIN * 10 // 9 + COIN)):
        for side in Side:
            whole, more = (priced(_debt(units, side), bounded, 1_000, PLENTY) for units in (COIN // 2, 3 * COIN))
            assert whole is not None and whole.amount == COIN // 2
            assert more is not None and abs(more.amount - COIN) < COIN // 1_000
            assert bounded.max_notional is None or more.amount * more.limit_price <= bounded.max_notional
