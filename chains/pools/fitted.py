"""Float pieces for price curves that are no Möbius functions: fitted between points of the curve. No pools here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from chains.pools.pool import Piece

GRID = tuple(2.0**-n for n in range(14, 2, -1)) + tuple(n / 16 for n in range(3, 17))
"""Where a curve is looked at, as fractions of the largest amount: close together at first, then every sixteenth."""

_MIDDLE = tuple(n / 64 for n in (30, 31, 33, 34))

_BEND = 1.0 / 12.0
"""Of what the pool holds of what comes in: nearer to nothing no curve of these families bends."""
_FARTHEST = 3.0
"""How many times the point before it a point may be, for a piece between them to follow the curve."""


def grid_within(held: float, most_in: float) -> tuple[float, ...]:
    """`GRID`, begun earlier where the pool holds far less of what comes in, `held`, than the largest amount.

    Closer in the middle: where the largest amount buys twice what the pool holds, a flat curve bends sharply there.
    """
    return tuple(bridged(sorted(GRID + _MIDDLE), held / most_in))


def bridged(points: Iterable[float], held: float) -> list[float]:
    """`points`, and others between those that lie too far apart; `held` is what the pool holds of what comes in."""
    found: list[float] = []
    before = held * _BEND
    for point in points:
        between = [point]
        while between[-1] > _FARTHEST * before > 0.0:
            between.append(between[-1] / 2.0)
        found += reversed(between)
        before = max(point, before)
    return found


class Point(NamedTuple):
    """One point of a price curve, in base units: `out` for `amount_in`, and the marginal `rate` there."""

    amount_in: float
    out: float
    rate: float


def fitted(
    point_at: Callable[[float], Point | None], most_in: float, grid: Iterable[float] = GRID
) -> tuple[Piece, ...]:
    """Pieces that meet the curve at every point of the grid, and have its rate where each of them begins.

    Where `point_at` tells none, the pool takes no such amount: the curve is followed by the other points.

    A piece `r·x / (1 + c·x)` over a stretch `d` that yields `y` has `c = (r·d/y - 1) / d`. The curve is taken to be
    concave; where rounding makes it look otherwise, the piece is straight, and where it takes all that a stretch
    yields, the piece goes on to the next point. No more than the curve is promised at a piece's end; between the ends
    the error is what a Möbius function of the same slope and ends differs by.
    """
    told = (point_at(fraction * most_in) for fraction in (0.0, *grid))
    start, *points = [point for point in told if point is not None] or [Point(0.0, 0.0, 0.0)]
    pieces = []
    for end in points:
        stretch, gained = end.amount_in - start.amount_in, end.out - start.out
        if start.rate <= 0.0:
            break
        if stretch > 0.0 and gained > 0.0:
            pieces.append(Piece(start.rate, max(start.rate * stretch / gained - 1.0, 0.0) / stretch, stretch))
            start = end
    return tuple(pieces)
