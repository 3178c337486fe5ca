"""Profit over time, bounded: fine where it is new, coarser where it is old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.dashboard.source import ProfitPoint

MAX_POINTS = 1_500

Point = tuple[int, str]
"""Milliseconds since the epoch, and wei as a decimal string."""


class Series:
    """A growing series per strategy, read from the source piece by piece."""

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self._max_points = max_points
        self._points: dict[str, list[Point]] = {}
        self._last_ms: dict[str, int] = {}
        self._at_last_ms: dict[str, int] = {}

    @property
    def since_ms(self) -> int:
        """The newest moment taken in: results are booked in the order of time, so nothing new is older."""
        return max(self._last_ms.values(), default=0)

    def extend(self, read: Mapping[str, Sequence[ProfitPoint]]) -> dict[str, list[Point]]:
        """Take in what was read since `since_ms`. Returns the points that are new."""
        return {strategy: new for strategy, points in read.items() if (new := self._extend(strategy, points))}

    def document(self) -> dict[str, list[Point]]:
        return self._points

    def _extend(self, strategy: str, points: Sequence[ProfitPoint]) -> list[Point]:
        last_ms, known = self._last_ms.get(strategy, -1), self._at_last_ms.get(strategy, 0)
        # Several results may carry one millisecond, and more of them may follow after it was read.
        same = [point for point in points if point.at_ms == last_ms][known:]
        fresh = same + [point for point in points if point.at_ms > last_ms]
        if not fresh:
            return []
        newest = fresh[-1].at_ms
        self._at_last_ms[strategy] = sum(point.at_ms == newest for point in points)
        self._last_ms[strategy] = newest
        new = [(point.at_ms, str(point.cumulative_wei)) for point in fresh]
        held = self._points.setdefault(strategy, [])
        held += new
        if len(held) > self._max_points:
            self._points[strategy] = _thinned(held)
        return new


def _thinned(points: list[Point]) -> list[Point]:
    """Every other point of the older half; the newer half as it is."""
    half = len(points) // 2
    return points[:half:2] + points[half:]
