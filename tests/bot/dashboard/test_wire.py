"""Values on their way to the page, and the profit series in bounded memory."""

from __future__ import annotations

from itertools import accumulate, pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bot.dashboard.series import Series
from bot.dashboard.source import Limit, Node, ProfitPoint
from bot.dashboard.wire import encoded, plain, printable


@given(st.text(st.characters(), max_size=600), st.integers(1, 500))
def test_any_text_becomes_printable_and_short(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    assert orjson.loads(encoded(plain(text))) is not None


@given(st.integers())
def test_amounts_survive_exactly(wei: int) -> None:
    row = orjson.loads(encoded(plain(Limit("capital", wei, -wei))))
    assert (int(row["used_wei"]), int(row["limit_wei"])) == (wei, -wei)


def test_a_symbol_cannot_reorder_or_break_the_line_it_stands_in() -> None:
    hostile = Node(1, "USDC\N{RIGHT-TO-LEFT OVERRIDE}\n\0\N{ZERO WIDTH JOINER}" + "A" * 10_000, 1)
    symbol = plain(hostile)["symbol"]
    assert symbol.startswith("USDC\N{REPLACEMENT CHARACTER}" + "\N{REPLACEMENT CHARACTER}" * 3)
    assert len(symbol) == 32


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), max_size=60), st.sets(st.integers(0, 60)))
def test_every_point_is_taken_in_once_however_the_reading_and_the_clock_go(
    steps: list[tuple[int, int]], cuts: set[int]
) -> None:
    booked: dict[str, list[ProfitPoint]] = {}
    told: dict[str, list[tuple[int, str]]] = {}
    series, now_ms = Series(), 1_000
    for index, (later, which) in enumerate(steps):
        now_ms += later
        booked.setdefault(f"strategy {which}", []).append(ProfitPoint(index + 1, now_ms, index))
        if index in cuts:
            take(series, booked, told)
    take(series, booked, told)
    assert told == {
        name: [
            (latest, str(point.cumulative_wei))
            for point, latest in zip(all_, accumulate((point.at_ms for point in all_), max), strict=True)
        ]
        for name, all_ in booked.items()
    }
    assert series.document() == told


def take(series: Series, booked: dict[str, list[ProfitPoint]], told: dict[str, list[tuple[int, str]]]) -> None:
    after = series.newest
    read = {name: [point for point in points if point.id > after] for name, points in booked.items()}
    for name, points in series.extend(read).items():
        told.setdefault(name, []).extend(points)


def test_a_long_series_stays_bounded_keeps_its_ends_and_is_finest_where_it_is_new() -> None:
    series = Series(max_points=100)
    for number in range(5_000):
        series.extend({"dex": [ProfitPoint(number, number, number)]})
    points = series.document()["dex"]
    assert len(points) <= 100
    assert points[0] == (0, "0")
    assert points[-30:] == [(number, str(number)) for number in range(4_970, 5_000)]


def test_a_long_series_is_spread_evenly_over_the_time_however_it_was_read() -> None:
    grown, at_once = Series(max_points=100), Series(max_points=100)
    all_ = [ProfitPoint(number, number, number) for number in range(5_000)]
    for point in all_:
        grown.extend({"dex": [point]})
    at_once.extend({"dex": all_})
    for series in (grown, at_once):
        times = [at_ms for at_ms, _ in series.document()["dex"]]
        assert (len(times) <= 100, times[0], times[-1]) == (True, 0, 4_999)
        assert max(after - before for before, after in pairwise(times)) <= 5_000 / 25
