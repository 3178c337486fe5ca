from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.exchanges.books import BelowMinimum, Book, BookTooThin, NotWholeLots, Piece
from tests.chains.exchanges.making import COIN, book

LOT = COIN // 10_000
LEAST_LOTS = 200
"""At 500 USDT and more, enough for the least notional."""


@st.composite
def books(draw: st.DrawFn) -> Book:
    prices = draw(st.lists(st.integers(50_000, 500_000), min_size=2, max_size=12, unique=True).map(sorted))
    split = draw(st.integers(1, len(prices) - 1))
    lots = [draw(st.integers(LEAST_LOTS, 10**6)) for _ in prices]
    levels = list(zip(prices, lots, strict=True))
    return book(levels[:split][::-1], levels[split:], draw(st.integers(0, 2_000)))


def test_selling_walks_the_bids_and_pays_the_fee_in_quote() -> None:
    quoted = book([(200_000, 10_000), (199_999, 10_000)], []).sell_base(15_000 * LOT)
    gross = Decimal("2000.00") * 1, Decimal("1999.99") / 2
    fees = [Decimal("0.46"), Decimal("0.22999885")]
    assert Decimal(quoted.received) / COIN == sum(gross) - sum(fees)
    assert quoted.limit_price == Decimal("1999.99")


def test_buying_walks_the_asks_and_receives_base_less_the_fee() -> None:
    quoted = book([], [(200_000, 10_000), (200_001, 10_000)]).buy_base(15_000 * LOT)
    assert quoted.cost == 2_000 * COIN + 100_000_500_000
    assert quoted.received == 150_000_000 - 23_000 - 11_500
    assert quoted.limit_price == Decimal("2000.01")


def test_fees_are_rounded_up_per_fill() -> None:
    assert book([], [(200_000, 10_000)]).buy_base(27 * LOT).received == 27 * LOT - 63  # 62.1 rounded up


def test_an_amount_between_lots_is_refused() -> None:
    with pytest.raises(NotWholeLots, match=r"1\.00000001 ETH is not a positive multiple of ETH/USDT's lot 0\.0001"):
        book([(200_000, 99_999)], []).sell_base(COIN + 1)


def test_more_than_the_levels_hold_is_refused() -> None:
    with pytest.raises(BookTooThin, match=r"offers 1\.0000+ of 2\.0000+ ETH"):
        book([(200_000, 10_000)], []).sell_base(2 * COIN)


def test_less_than_the_least_order_is_refused() -> None:
    with pytest.raises(BelowMinimum, match=r"5\.0000+ USDT"):
        book([], [(200_000, 10_000)]).buy_base(24 * LOT)
    assert book([], [(200_000, 10_000)]).buy_base(25 * LOT).cost == 5 * COIN


def test_a_book_whose_bid_reaches_its_ask_is_crossed() -> None:
    assert book([(200_000, 1)], [(200_000, 1)]).is_crossed
    assert not book([(200_000, 1)], [(200_001, 1)]).is_crossed
    assert not book([], [(200_001, 1)]).is_crossed


@given(books())
def test_whole_levels_are_worth_exactly_their_pieces(quoted: Book) -> None:
    for count in range(1, len(quoted.bids) + 1):
        given_up, received = totals(quoted.pieces("sell")[:count])
        assert quoted.sell_base(given_up).received == received
    for count in range(1, len(quoted.asks) + 1):
        bought = quoted.buy_base(sum(lots for _, lots in quoted.asks[:count]) * LOT)
        assert (bought.cost, bought.received) == totals(quoted.pieces("buy")[:count])


def totals(pieces: tuple[Piece, ...]) -> tuple[int, int]:
    return sum(piece.amount_in for piece in pieces), sum(piece.amount_out for piece in pieces)


@given(books(), st.integers(0, 10**6 * COIN))
def test_what_is_affordable_is_the_most_that_is(quoted: Book, money: int) -> None:
    amount = quoted.affordable(money)
    offered = sum(lots for _, lots in quoted.asks) * LOT
    assert amount <= offered
    assert _cost(quoted, amount) <= money
    if amount < offered:
        assert _cost(quoted, amount + LOT) > money


def _cost(quoted: Book, amount: int) -> int:
    """The cost by plain decimals, one level at a time."""
    cost = Decimal(0)
    for cents, lots in quoted.asks:
        taken = min(amount, lots * LOT)
        cost += Decimal(cents) / 100 * taken
        amount -= taken
    return int(cost)


@given(books(), st.data())
def test_selling_more_never_yields_less(quoted: Book, data: st.DataObject) -> None:
    lots = data.draw(st.integers(LEAST_LOTS, sum(size for _, size in quoted.bids)))
    fewer = data.draw(st.integers(LEAST_LOTS, lots))
    assert quoted.sell_base(lots * LOT).received >= quoted.sell_base(fewer * LOT).received
