"""A head grows old by its arrival, and by its own timestamp where that is real time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.drift.freshness import BookAges, Freshness
from chains.blocks import Head
from tests.bot.market import samples

NOW_S = 1_700_000_000
NOW_NS = 5_000 * 10**9


class Stopped:
    """A clock that stands."""

    def wall_s(self) -> float:
        return float(NOW_S)

    def monotonic_ns(self) -> int:
        return NOW_NS


def head(*, arrived_s_ago: float | None, made_s_ago: int) -> Head:
    arrived_ns = 0 if arrived_s_ago is None else NOW_NS - int(arrived_s_ago * 10**9)
    return Head(7, "0x07", "0x06", NOW_S - made_s_ago, 0, 0, 30_000_000, arrived_ns)


@pytest.mark.parametrize(
    ("arrived_s_ago", "made_s_ago", "by_timestamp", "age_s"),
    [
        (1, 3, True, None),
        (30, 3, True, None),
        (31, 3, True, 31),
        (None, 3, True, None),
        (1, 40, True, 40),
        (1, 10_000, False, None),
        (40, 10_000, False, 40),
    ],
)
def test_a_head_is_too_old_by_the_older_of_the_two(
    arrived_s_ago: float | None, made_s_ago: int, by_timestamp: bool, age_s: int | None
) -> None:
    freshness = Freshness(Stopped(), 30.0, by_timestamp)
    why = freshness.too_old(head(arrived_s_ago=arrived_s_ago, made_s_ago=made_s_ago))
    said = f"block 7 is {age_s} s old; nothing is decided on state older than 30 s"
    assert why == (None if age_s is None else said)


@pytest.mark.parametrize(
    ("silent_s", "late_s", "by_timestamp", "why"),
    [
        (10, 0, True, None),
        (11, 0, True, "has said nothing for 11 s"),
        (0, 10, True, None),
        (0, 11, True, "is told as it was 11 s before block 7"),
        (0, 300, False, None),
        (0, -300, True, None),
        (0, None, True, None),
    ],
)
def test_a_book_is_too_old_in_silence_and_where_it_is_told_late(
    silent_s: int, late_s: int | None, by_timestamp: bool, why: str | None
) -> None:
    at_ms = 0 if late_s is None else (NOW_S - late_s) * 1000
    book = replace(samples.book([], []), at_ms=at_ms, arrived_ns=NOW_NS - silent_s * 10**9)
    ages = BookAges(by_timestamp)
    assert ages.too_old(book) is None
    ages.at_head(head(arrived_s_ago=0, made_s_ago=0))
    assert ages.too_old(book) == (why and f"ETH/USDT at binance {why}")
