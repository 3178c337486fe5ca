"""Profit over time, bounded: every result where it is new, and evenly spread over the time before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from bot.dashboard.source import ProfitPoint

MAX_POINTS = 1_500

Point = tuple[int, str]
"""Milliseconds since the epoch, and wei as a decimal string."""


class Series:
    """A growing series per strategy, read from the source piece by piece. `newest` is the last result taken in."""

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self._max_points = max_points
        self._points: dict[str, list[ProfitPoint]] = {}
        self.newest = 0

    def extend(self, read: Mapping[str, Sequence[ProfitPoint]]) -> dict[str, list[Point]]:
        """Take in what was read after `newest`. Returns the points that are new."""
        return {strategy: self._extend(strategy, points) for strategy, points in read.items() if points}

    def document(self) -> dict[str, list[Point]]:
        return {strategy: [_point(point) for point in points] for strategy, points in self._points.items()}

    def _extend(self, strategy: str, points: Sequence[ProfitPoint]) -> list[Point]:
        held = self._points.setdefault(strategy, [])
        known = len(held)
        for point in points:
            # Where the machine's clock was set back, the line stands still until it is past again.
            back = bool(held) and point.at_ms < held[-1].at_ms
            held.append(replace(point, at_ms=held[-1].at_ms) if back else point)
        self.newest = max(self.newest, points[-1].id)
        new = [_point(point) for point in held[known:]]
        self._points[strategy] = thinned(held, self._max_points)
        return new


def thinned(points: list[ProfitPoint], most: int = MAX_POINTS) -> list[ProfitPoint]:
    """At most `most`: the newest third as it is; of what is older as few as leave no wider gaps than a quarter of
    `most` do.
    """
    if len(points) <= most:
        return points
    old, new = points[: -(most // 3)], points[-(most // 3) :]
    widest_ms = abs(old[-1].at_ms - old[0].at_ms) // (most // 4) + 1
    kept = old[:1]
    for point, following in pairwise([*old[1:], new[0]]):
        if following.at_ms - kept[-1].at_ms > widest_ms:
            kept.append(point)
    return kept + new


def _point(point: ProfitPoint) -> Point:
    return point.at_ms, str(point.cumulative_wei)
