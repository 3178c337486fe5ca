"""From a float size to the best exact one: integer quotes along a route, and a small search around the estimate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bot.market.kinds import CLOSED_FORMS
from chains.assets import Token
from chains.pools.pool import PoolError

Amounts = tuple[int, ...]
"""Base units along a route: what goes into the first hop, and what comes out of each."""

SEARCH_RADIUS = 512
"""How far from the estimate the integer search goes at most, in units of the route's coarsest token."""

APPROACHES = 8
"""How often more is asked for, where a contract's view says more than its swap pays."""

_TOLERANCE = 1e-5
_SPANS = (0.05, 0.005)
"""How far round a size that a fitted curve estimates the pools themselves are asked, relative to it."""

_ROUNDS = 4
"""How often they are asked so far round at most: anew as long as the best moves by more than a quarter of that."""

_HALVINGS = 20
"""How often the way between what is taken and what is refused is halved."""


@runtime_checkable
class Quoting(Protocol):
    """What a hop asks of its pool."""

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int: ...

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int: ...


@dataclass(frozen=True, slots=True)
class PoolHop:
    """One swap of a route: which pool, as it is now, and in which direction."""

    pool: Quoting
    token_in: Token
    token_out: Token


Route = Sequence[PoolHop]


def forward(route: Route, amount_in: int) -> Amounts | None:
    """Exact amounts along the route for `amount_in`; None where a pool refuses."""
    amounts = [amount_in]
    try:
        for hop in route:
            amounts.append(hop.pool.paid(hop.token_in, amounts[-1], hop.token_out))
    except PoolError:
        return None
    return tuple(amounts)


def backward(route: Route, amount_out: int) -> int | None:
    """About the least that pays at least `amount_out` at the route's end; None where a pool refuses."""
    amount: int | None = amount_out
    try:
        for hop in reversed(route):
            amount = _asked(hop, amount) if amount else None
    except PoolError:
        return None
    return amount


def _asked(hop: PoolHop, amount_out: int) -> int | None:
    """What a swap that pays `amount_out` asks for: where the view says more than the swap pays, that much more."""
    wanted = amount_out
    for _ in range(APPROACHES):
        amount_in = hop.pool.quote_exact_out(hop.token_out, wanted, hop.token_in)
        short = amount_out - hop.pool.paid(hop.token_in, amount_in, hop.token_out)
        if short <= 0:
            return amount_in
        wanted += short
    return None


def best_cycle(route: Route, estimate: int, gain_estimate: float) -> Amounts | None:
    """The closed route's amounts with the greatest exact gain near `estimate`; None if none gains.

    `gain_estimate` is the float model's gain, in base units like `estimate`. Rounding down at each hop wastes up to
    one unit of each token, so sizes are tried as whole units of the token where a unit is worth most, and the
    input is the least that buys them: then only the other tokens' roundings are left. They make a size that is
    r units off look as good as the best while r < k·√(noise / gain); that far is searched.
    """
    at_estimate = _near(route, estimate)
    if at_estimate is None:
        return None
    if not all(getattr(hop.pool, "family", "") in CLOSED_FORMS for hop in route):
        at_estimate = _settled(route, at_estimate)
    inputs = at_estimate[:-1]
    coarsest = min(range(len(inputs)), key=inputs.__getitem__)
    size = inputs[coarsest]
    radius = _radius(at_estimate, coarsest, gain_estimate)
    best = at_estimate
    for candidate in range(max(1, size - radius), size + radius + 1):
        amount_in = backward(route[:coarsest], candidate)
        amounts = forward(route, amount_in) if amount_in else None
        if amounts is not None and amounts[-1] - amounts[0] > best[-1] - best[0]:
            best = amounts
    return best if best[-1] > best[0] else None


def _near(route: Route, estimate: int) -> Amounts | None:
    """Amounts at the estimate; else as near below it as all pools take it; else at the least that yields a unit."""
    for amount_in in (max(estimate, 1), int(estimate * (1 - 1e-9)) - 1):
        amounts = forward(route, amount_in)
        if amounts is not None:
            return amounts
    amounts = _most_taken(route, estimate)
    if amounts is not None:
        return amounts
    least = backward(route, 1)
    return forward(route, least) if least else None


def _most_taken(route: Route, refused: int) -> Amounts | None:
    """Amounts at about the most below `refused` that no pool refuses: where a hop pays a little more than its fitted
    curve says, the next may be given more than it takes."""
    most, low, high = None, 0, refused
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        amounts = forward(route, middle)
        if amounts is None:
            high = middle
        else:
            most, low = amounts, middle
    return most


def _settled(route: Route, amounts: Amounts) -> Amounts:
    """The best near `amounts` by the pools themselves, by parabolas: where curves are fitted the estimate is off.

    Where a curve bends sharply one parabola is not near enough, and another is laid round the best so far.
    """
    best = amounts
    for span in _SPANS:
        for _ in range(_ROUNDS):
            middle, step = best, int(best[0] * span)
            best = _at_vertex(route, middle, step)
            if 4 * abs(best[0] - middle[0]) <= step:
                break
    return best


def _at_vertex(route: Route, middle: Amounts, step: int) -> Amounts:
    """The best of `middle`, of what is a step to either side, and of where a parabola through them is highest."""
    low, high = forward(route, middle[0] - step), forward(route, middle[0] + step)
    found = [one for one in (middle, low, high) if one is not None]
    if low is not None and high is not None:
        bend = 2 * _gain(middle) - _gain(low) - _gain(high)
        if bend > 0:
            move = step * (_gain(high) - _gain(low)) // (2 * bend)
            vertex = forward(route, middle[0] + min(max(move, -2 * step), 2 * step))
            found += [] if vertex is None else [vertex]
    return max(found, key=_gain)


def _gain(amounts: Amounts) -> int:
    return amounts[-1] - amounts[0]


def _radius(amounts: Amounts, coarsest: int, gain: float) -> int:
    """How far rounding can have hidden a better size, in units of the coarsest token.

    The noise is one unit of the end token, and one of every other token but the coarsest at its average worth,
    which bounds its marginal one. The curve round its optimum is gain / √R wide, where √R is output / input there.
    """
    size, amount_out = amounts[coarsest], amounts[-1]
    others = (amount for hop, amount in enumerate(amounts[:-1]) if hop not in (0, coarsest))
    noise = 1.0 + sum(amount_out / amount for amount in others)
    if noise <= _TOLERANCE * gain:
        return 0 if size > 1 / _TOLERANCE else 1
    spread = noise / gain * max(amount_out / amounts[0], 1.0)
    return min(2 + math.ceil(size * math.sqrt(spread)), SEARCH_RADIUS)
