from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from chains.exchanges.local.book import ReplayedBook
from chains.exchanges.local.rules import SCALE, text, units

CENT = SCALE // 100
amounts = st.integers(1, 10**12)
factors = st.fractions(Fraction(1, 100), 3).filter(lambda factor: factor > 0)
recorded = st.lists(st.tuples(st.integers(1, 10**7), amounts), max_size=30, unique_by=lambda level: level[0])


def cents(*levels: tuple[int, int]) -> list[tuple[int, int]]:
    return [(price * CENT, quantity) for price, quantity in levels]


@given(st.integers(0, 10**20))
def test_eight_decimals_read_as_they_were_written(amount: int) -> None:
    assert units(text(amount)) == amount


@given(factors, recorded, st.integers(2, 10**7))
def test_re_anchoring_never_crosses_a_book(factor: Fraction, levels: list[tuple[int, int]], middle: int) -> None:
    book = ReplayedBook(factor, CENT)
    book.replace(
        cents(*(level for level in levels if level[0] < middle)),
        cents(*(level for level in levels if level[0] >= middle)),
    )
    bid, ask = book.bids.best(), book.asks.best()
    assert bid is None or ask is None or bid[0] < ask[0]


@given(factors, recorded)
def test_re_anchoring_loses_no_quantity(factor: Fraction, levels: list[tuple[int, int]]) -> None:
    book = ReplayedBook(factor, CENT)
    book.replace([], cents(*levels))
    assert sum(quantity for _, quantity in book.asks.levels()) == sum(quantity for _, quantity in levels)


def test_two_recorded_levels_on_one_tick_are_updated_apart() -> None:
    book = ReplayedBook(Fraction(1, 2), CENT)
    book.replace([], cents((199, 5), (200, 7)))
    assert book.asks.levels() == cents((100, 12))
    assert book.update([], cents((199, 0))) == ([], cents((100, 7)))


def test_what_was_taken_stays_gone_until_its_level_is_recorded_again() -> None:
    book = ReplayedBook(Fraction(1), CENT)
    book.replace([], cents((100, 5), (101, 9)))
    book.take(cents((100, 5), (101, 4)), buy=True)
    assert book.asks.levels() == cents((101, 5))
    book.update([], cents((102, 3)))
    assert book.asks.levels() == cents((101, 5), (102, 3))
    book.update([], cents((100, 6)))
    assert book.asks.levels() == cents((100, 6), (101, 5), (102, 3))


def test_the_next_event_tells_what_was_taken() -> None:
    book = ReplayedBook(Fraction(1), CENT)
    book.replace(cents((99, 4)), cents((100, 5)))
    book.take(cents((100, 5)), buy=True)
    book.take(cents((99, 1)), buy=False)
    assert book.update([], cents((105, 1))) == (cents((99, 3)), cents((105, 1), (100, 0)))
    assert book.update([], []) == ([], [])


def test_an_order_takes_best_prices_first_and_stops_at_its_limit() -> None:
    book = ReplayedBook(Fraction(1), CENT)
    book.replace(cents((99, 4), (98, 4)), cents((101, 1), (100, 5)))
    assert book.fills(buy=True, limit_price=100 * CENT, quantity=9) == cents((100, 5))
    assert book.fills(buy=True, limit_price=None, quantity=6) == cents((100, 5), (101, 1))
    assert book.fills(buy=False, limit_price=98 * CENT, quantity=5) == cents((99, 4), (98, 1))
