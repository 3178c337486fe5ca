"""Where the difference between the bound and what was captured went: one rule after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bot.market.dual.capture import Capture, Cause, Terms, capture, rested
from bot.market.dual.certificate import bound, surfaces
from bot.market.dual.solve import Solution
from bot.market.dual.venues import Venue, hop_of
from chains.pools.pool import PoolError
from chains.pools.surface import CryptoSurface


def unsupported_in(venues: Mapping[str, Venue]) -> dict[str, str]:
    """Venues that the executor cannot swap at."""
    found = {}
    for name, venue in venues.items():
        try:
            hop_of(venue, venue.tokens[0], venue.tokens[1])
        except PoolError as error:
            found[name] = f"the executor cannot swap there: {error}"
    return found


class Explained(NamedTuple):
    """What is captured of a bound, and the difference by cause; base units of the numeraire."""

    bound: int
    capture: Capture
    missed: dict[Cause, int]


def explained(solution: Solution, terms: Terms, limit: int, unsupported: Mapping[str, str]) -> Explained:
    """What is captured under `terms`, and the difference by cause to `limit`, or to a closer bound.

    The solver takes the ways of a pool with several tokens for pools of their own, so that its prices are not the best
    for a bound that does not: those that the trades leave may be better.

    Rules are added one after another: what one costs is what is captured without it, less with it. Trades that keep
    to more rules keep to fewer as well, so no cost is negative. Of what is missed without any rule, `left` is what
    could still be gained behind the trades by the curves, `pegs` by how much the limit would be less if no pool could
    move its pegs, and rounding has taken the rest.
    """
    freely = Terms(most_hops=len(solution.prices))
    rules = (
        (Cause.ROUNDING, freely),
        (Cause.UNSUPPORTED, replace(freely, avoided=unsupported)),
        (Cause.REFUSED, replace(freely, avoided=terms.avoided)),
        (Cause.HOPS, replace(terms, most_in=math.inf, inventory=None, gas_price_wei=0)),
        (Cause.BUDGET, replace(terms, gas_price_wei=0)),
        (Cause.GAS, terms),
    )
    captures: dict[Cause, Capture] = {}
    stricter: Capture | None = None
    rule_before: Terms | None = None
    for cause, rule in reversed(rules):
        found = stricter if stricter is not None and rule == rule_before else capture(solution, rule)
        if stricter is not None and stricter.gain > found.gain:
            found = stricter
        captures[cause] = stricter = found
        rule_before = rule
    rest = rested(solution, captures[Cause.ROUNDING].trades)
    known, at = surfaces(solution.problem), solution.prices
    if known:
        left_at = dict(zip(rest.problem.tokens, rest.prices, strict=True))
        prices = [left_at.get(*priced) for priced in zip(solution.problem.tokens, solution.prices, strict=True)]
        closer = bound(solution.problem, np.array(prices))
        limit, at = (closer, np.array(prices)) if closer < limit else (limit, at)
    moving = any(isinstance(it, CryptoSurface) and it.further != it.units for it in known.values())
    pegs = max(limit - bound(solution.problem, at, moving=False), 0) if moving else 0
    missed: dict[Cause, int] = {}
    before = limit
    for cause, _ in rules:
        missed[cause] = before - captures[cause].gain
        before = captures[cause].gain
    left = min(missed[Cause.ROUNDING], int(rest.value))
    pegs = min(missed[Cause.ROUNDING] - left, pegs)
    missed[Cause.ROUNDING] -= left + pegs
    return Explained(limit, captures[Cause.GAS], missed | {Cause.LEFT: left, Cause.PEGS: pegs})
