"""Profit over time, bounded: every result where it is new, and evenly spread over the time before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

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
            self._points[strategy] = _thinned(held, self._max_points)
        return new


def _thinned(points: list[Point], most: int) -> list[Point]:
    """The newest third as it is; of what is older as few as leave no wider gaps than a quarter of `most` do."""
    old, new = points[: -(most // 3)], points[-(most // 3) :]
    widest_ms = abs(old[-1][0] - old[0][0]) // (most // 4) + 1
    kept = old[:1]
    for point, (next_ms, _) in pairwise([*old[1:], new[0]]):
        if next_ms - kept[-1][0] > widest_ms:
            kept.append(point)
    return kept + new
