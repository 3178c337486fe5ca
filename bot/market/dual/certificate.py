"""The certificate: at any prices, what every venue's own best trade is worth, added up, bounds what can be extracted.

Weak duality: whatever is traded, its profit is at most Σ over ways of max over x of p_out · G(x) - p_in · x, for every
choice of prices with the numeraire's at 1. So a price that is off only makes the bound looser, never wrong. Sums are
in floats and rounded outwards: by `ROUNDING` of all that is turned over, by `RANGE_ROUNDING` of the sum, and up to the
next base unit.

A pool that says what it keeps over all its tokens, as stable, weighted and Curve's crypto pools do, counts by what all
its swaps together can be worth (`together.py`). Others of more than two tokens, which only a family from outside can
be, count once for every ordered pair, each from its present state, or by their best swaps one after another, whichever
is more: that is found by trying, not proven.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, count, pairwise, takewhile
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from bot.market.dual.kernels import Floats
from bot.market.dual.problem import ENDLESS, Problem, Way
from bot.market.dual.together import worth_together
from bot.market.dual.venues import Venue
from bot.market.kinds import CLOSED_FORMS
from chains.pools.pool import Piece, PoolError
from chains.pools.surface import Surface

ROUNDING = 2.0**-48
"""How far the float sums can be off, relative to the worth turned over: 16 roundings of a float."""

RANGE_ROUNDING = 1e-9
"""The same relative to what is gained, for ranges whose length is a difference of two square roots."""

TIED = 2.0**-50
"""By how much prices that are tied can be off in floats. Such a way gains nothing at the prices that are meant, from
which what others gain differs by less than `ROUNDING`."""

_AROUND = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0, 1.005, 1.01, 1.02, 1.05, 1.1, 1.25, 2.0)
_UNITS_OFF = 2
_CURVES_DECIMALS = 18
"""In how many decimals pools count whose curve has no closed form: of tokens of more, a unit is as many base units."""
_SWAPS_IN_TURN = 12
_HAIRS = (0.0, 1e-9, 1e-6)
"""How much less is swapped where a venue refuses what its curve holds: what is counted twice then only loosens."""


class Priced(NamedTuple):
    """A way, and the prices of what goes in and what comes out."""

    way: Way
    price_in: float
    price_out: float


def bound(problem: Problem, prices: Floats, *, moving: bool = True) -> int:
    """No set of trades in the problem's venues gains more than this, in base units of the numeraire.

    Not `moving`: if no pool were to move its pegs.
    """
    total = turned_over = 0.0
    several: dict[str, list[tuple[Priced, float]]] = {}
    endless, known = _endless_rates(problem), surfaces(problem)
    chosen = _tied(problem, prices, endless)
    for edge, way in enumerate(problem.ways):
        if way.venue in known:
            continue
        source, target = problem.ends[edge].tolist()
        if endless.get(edge, math.inf) * chosen[target] <= chosen[source] * (1.0 + TIED):
            continue
        priced = Priced(way, float(chosen[source]), float(chosen[target]))
        worth, turned = most_worth(problem.venues[way.venue], *priced)
        total += worth
        turned_over += turned
        if len(problem.venues[way.venue].tokens) > 2:
            several.setdefault(way.venue, []).append((priced, worth))
    for name, found in several.items():
        worths = [worth for _, worth in found]
        if sum(worth > 0.0 for worth in worths) > 1:
            together = worth_in_turn(problem.venues[name], [priced for priced, _ in found])
            total += max(together - sum(worths), 0.0)
    by_token = dict(zip(problem.tokens, map(float, chosen), strict=True))
    for name, surface in known.items():
        prices_there = [by_token.get(token) for token in problem.venues[name].tokens]
        most, turned = worth_together(surface, prices_there, moving=moving)
        total += most
        turned_over += turned if most else 0.0
    return math.ceil(total * (1.0 + RANGE_ROUNDING) + ROUNDING * turned_over)


def surfaces(problem: Problem) -> dict[str, Surface]:
    """What the pools of the problem's ways keep over all their tokens, of those that say so."""
    found = {}
    for name in {way.venue: None for way in problem.ways}:
        surface_of = getattr(problem.venues[name], "surface", None)
        if surface_of is not None:
            with suppress(PoolError):
                found[name] = surface_of()
    return found


def _tied(problem: Problem, prices: Floats, rates: Mapping[int, float]) -> Floats:
    """The prices, such that no venue that takes any amount at one rate gains by it: else it would without bound.

    Other venues then see prices that are off by a hair, as any may be. Where such venues follow one another each moves
    what the one before it is tied to: first no price is above what the numeraire can be made into, then none below
    what it can itself.
    """
    ends = [(*problem.ends[edge].tolist(), rate) for edge, rate in rates.items()]
    most = np.full(len(prices), math.inf)
    most[0] = prices[0]
    for _ in ends:
        before = most.copy()
        for source, target, rate in ends:
            if target and rate * most[target] > most[source]:
                most[target] = most[source] / rate
        if np.array_equal(before, most):
            break
    chosen: Floats = np.minimum(prices, most)
    for _ in ends:
        before = chosen.copy()
        for source, target, rate in ends:
            if source and chosen[source] < rate * chosen[target]:
                chosen[source] = rate * chosen[target]
        if np.array_equal(before, chosen):
            break
    return chosen


def _endless_rates(problem: Problem) -> dict[int, float]:
    """The rates of ways that give one for any amount, by their edges."""
    found = ((edge, _endless(problem.venues[way.venue], way)) for edge, way in enumerate(problem.ways))
    return {edge: rate for edge, rate in found if rate}


def _endless(venue: Venue, way: Way) -> float:
    """The rate of a venue that gives one for any amount; else 0."""
    if getattr(venue, "family", "") in CLOSED_FORMS:
        return 0.0
    pieces = venue.pieces(way.token_in, way.token_out)
    endless = len(pieces) == 1 and not pieces[0].curvature and pieces[0].cap > ENDLESS * 10.0**way.token_in.decimals
    return pieces[0].rate if endless else 0.0


def worth_in_turn(venue: Venue, ways: Sequence[Priced]) -> float:
    """What the best swaps along the ways are worth, each on what those before it leave, and what is left after some."""
    gained = 0.0
    for _ in range(_SWAPS_IN_TURN):
        gain, amount, way = max(((*_best_swap(venue, each), each.way) for each in ways), key=itemgetter(0))
        if not gain > 0.0:
            break
        try:
            venue = venue.swapped(way.token_in, amount, way.token_out)
        except (PoolError, ArithmeticError):
            break
        gained += gain
    return gained + sum(most_worth(venue, *each)[0] for each in ways)


def _best_swap(venue: Venue, priced: Priced) -> tuple[float, int]:
    """What the way's best swap gains, and its input; about, by the curve."""
    (way, price_in, price_out), pieces = priced, venue.pieces(priced.way.token_in, priced.way.token_out)
    if not pieces or pieces[0].rate * price_out <= price_in:
        return 0.0, 0
    amount = int(_summit(pieces, price_in / price_out)[0])
    try:
        return price_out * venue.paid(way.token_in, amount, way.token_out) - price_in * amount, amount
    except (PoolError, ArithmeticError):
        return 0.0, 0


def most_worth(venue: Venue, way: Way, price_in: float, price_out: float) -> tuple[float, float]:
    """A bound on max over x of p_out · G(x) - p_in · x for one way, and what is turned over at its summit.

    One swap may be limited to a part of what a pool holds, as a weighted pool's is: then another follows it.
    """
    worth = turned = 0.0
    left: Venue | None = venue
    while left is not None:
        more, turned_more = _most_worth_at_once(left, way, price_in, price_out)
        worth, turned = worth + more, turned + turned_more
        left = _left_at_the_end(left, way, price_in / price_out) if more else None
    return worth, turned


def _left_at_the_end(venue: Venue, way: Way, price: float) -> Venue | None:
    """The venue after as much as one swap may bring; None where its rate falls to `price` before, or never falls."""
    if getattr(venue, "family", "") in CLOSED_FORMS:
        return None
    pieces = venue.pieces(way.token_in, way.token_out)
    _, curvature, cap = pieces[-1]
    if not curvature or pieces[-1].rate <= price * (1.0 + curvature * cap) ** 2:
        return None
    most = sum(piece.cap for piece in pieces)
    for hair in _HAIRS:
        try:
            return venue.swapped(way.token_in, int(most * (1.0 - hair)), way.token_out)
        except (PoolError, ArithmeticError):
            continue
    return None


def _most_worth_at_once(venue: Venue, way: Way, price_in: float, price_out: float) -> tuple[float, float]:
    """The same by one swap."""
    pieces = venue.pieces(way.token_in, way.token_out)
    if not pieces or all(piece.rate * price_out <= price_in for piece in pieces):
        return 0.0, 0.0
    amount_in, amount_out, surplus = _summit(pieces, price_in / price_out)
    worth, turned = price_out * surplus, price_out * amount_out + price_in * amount_in
    if getattr(venue, "family", "") in CLOSED_FORMS:
        return max(worth, 0.0), turned
    off = _UNITS_OFF * 10 ** max(way.token_out.decimals - _CURVES_DECIMALS, 0)
    quoted = list(_quoted(venue, way, amount_in, sum(piece.cap for piece in pieces), price_in / price_out, off))
    return max(worth, _over(quoted, pieces[0].rate, price_in, price_out, off)), turned


def _summit(pieces: Iterable[Piece], price: float) -> tuple[float, float, float]:
    """Where the curve's slope has fallen to `price`: amounts in and out, and out - price · in without cancellation."""
    amount_in = amount_out = surplus = 0.0
    for rate, curvature, cap in pieces:
        if rate <= price:
            continue
        step = (math.sqrt(rate / price) - 1.0) / curvature if curvature > 0.0 else math.inf
        if step < cap:
            surplus += (math.sqrt(rate) - math.sqrt(price)) ** 2 / curvature
        else:
            step = cap
            surplus += step * (rate / (1.0 + curvature * step) - price)
        amount_in += step
        amount_out += rate * step / (1.0 + curvature * step)
    return amount_in, amount_out, surplus


def _quoted(
    venue: Venue, way: Way, amount_in: float, most_in: float, price: float, off: int
) -> Iterator[tuple[int, int]]:
    """Exact points of the way's curve around an amount, from nothing on, to where it rises by no more than `price`.

    Amounts that are refused, such as those of which rounding would leave nothing, are passed over.
    """
    before, rises = (0, 0), math.inf
    around = sorted({max(1, int(amount_in * factor)) for factor in _AROUND})
    beyond = takewhile(lambda amount: amount <= most_in, (around[-1] << doubled for doubled in count(1)))
    yield before
    for amount in chain(around, beyond):
        if amount > around[-1] and rises <= price:
            return
        try:
            point = amount, venue.paid(way.token_in, amount, way.token_out)
        except (PoolError, ArithmeticError):
            continue
        rises, before = (point[1] + off - before[1]) / (amount - before[0]), point
        yield point


def _over(points: list[tuple[int, int]], first_rate: float, price_in: float, price_out: float, off: int) -> float:
    """A bound on p_out · G(x) - p_in · x for a concave G through `points`, each `off` by so many units at most.

    Between two points G lies under the lines through its neighbours on either side: the bound is where they meet.
    """
    if len(points) < 2:
        return 0.0
    slopes = [first_rate * (1.0 + RANGE_ROUNDING)]
    slopes += [(out + off - before) / (at - start) for (start, before), (at, out) in pairwise(points)]
    best = 0.0
    for number, ((start, before), (end, after)) in enumerate(pairwise(points)):
        from_left = min(slopes[number], slopes[0])
        falling = number + 2 < len(slopes)
        from_right = max(slopes[number + 2] - 2.0 * off / (end - start), 0.0) if falling else 0.0
        low, high = before + off, after + off
        meeting = float(end)
        if falling and from_left > from_right:
            meeting = min(
                max((high - low + from_left * start - from_right * end) / (from_left - from_right), start), end
            )
        for amount in (float(start), meeting, float(end)):
            top = low + from_left * (amount - start)
            if falling:
                top = min(top, high - from_right * (end - amount))
            best = max(best, price_out * top - price_in * amount)
    return best
