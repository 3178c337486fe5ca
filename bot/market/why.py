"""Why a given cycle of pools is not an opportunity, or that it is one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.market.dual.exact import Desk, Trade, Walk
from bot.market.dual.problem import Way
from bot.market.dual.venues import Venue
from bot.market.exact import PoolHop, Quoting, best_cycle
from chains.assets import Token
from chains.pools.pool import PoolError


class Answer(StrEnum):
    """What can be said of a cycle."""

    UNKNOWN_POOL = "unknown_pool"
    POOL_TWICE = "pool_twice"
    NO_CYCLE = "no_cycle"
    ELSEWHERE = "does_not_pass_the_numeraire"
    NO_LIQUIDITY = "no_liquidity"
    FEES = "prices_do_not_cover_fees"
    ROUNDING = "rounding_takes_the_gain"
    GAS = "gas_is_more_than_the_gain"
    OPPORTUNITY = "opportunity"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one direction of the cycle, in code and in a sentence; `trade` is its best, where it has one."""

    answer: Answer
    detail: str
    walk: Walk | None = None
    trade: Trade | None = None


def why(
    venues: Mapping[str, Venue],
    cycle: Sequence[str],
    numeraires: Sequence[Token],
    gas_price_wei: int = 0,
    left_out: Mapping[str, str] | None = None,
) -> list[Explanation]:
    """One answer for every way of walking the venues `cycle` in order and back to the first, both ways round.

    A walk is counted in the first of `numeraires` that it passes.
    """
    known = {name.lower(): venue for name, venue in venues.items()}
    absent = {name.lower(): reason for name, reason in (left_out or {}).items()}
    for name in cycle:
        if name.lower() not in known:
            told = absent.get(name.lower(), "it is not in the market")
            return [Explanation(Answer.UNKNOWN_POOL, f"{name} is not traded: {told}")]
    if len({name.lower() for name in cycle}) < len(cycle):
        return [Explanation(Answer.POOL_TWICE, "a cycle passes a pool once; trading it twice pays its fee twice")]
    path = [known[name.lower()] for name in cycle]
    walks = list(dict.fromkeys(_turned(walk, numeraires) for order in (path, path[::-1]) for walk in _walks(order)))
    if not walks:
        return [
            Explanation(Answer.NO_CYCLE, "the pools share no tokens along which one could come back to where one began")
        ]
    return [_judged(walk, venues, numeraires, gas_price_wei) for walk in walks]


def _walks(path: Sequence[Venue]) -> Iterator[tuple[Way, ...]]:
    """Every choice of tokens that closes the walk."""

    def onwards(ways: tuple[Way, ...], token: Token) -> Iterator[tuple[Way, ...]]:
        if len(ways) == len(path):
            if token == ways[0].token_in:
                yield ways
            return
        venue = path[len(ways)]
        for other in venue.tokens if token in venue.tokens else ():
            if other != token:
                yield from onwards((*ways, Way(venue.venue, token, other)), other)

    for token in path[0].tokens:
        yield from onwards((), token)


def _turned(ways: tuple[Way, ...], numeraires: Sequence[Token]) -> Walk:
    """The walk begun at a numeraire if it passes one, else at its first token in order, so that turns are equal."""
    starts = [way.token_in for way in ways]
    passed = (token for token in numeraires if token in starts)
    first = next(passed, None) or min(starts, key=lambda token: token.address)
    at = starts.index(first)
    return Walk(ways[at:] + ways[:at])


def _judged(walk: Walk, venues: Mapping[str, Venue], numeraires: Sequence[Token], gas_price_wei: int) -> Explanation:
    numeraire = walk.cycle[0].token_in
    if numeraire not in numeraires:
        symbols = " or ".join(token.symbol for token in numeraires) or "what gains are counted in"
        return Explanation(Answer.ELSEWHERE, f"{walk} does not pass {symbols}, in which gains are counted", walk)
    rates = []
    for way in walk.cycle:
        try:
            rates.append(venues[way.venue].marginal_price(way.token_in, way.token_out))
        except (PoolError, ArithmeticError) as error:
            return Explanation(Answer.NO_LIQUIDITY, f"{walk}: {way.venue} has no price: {error}", walk)
    product = math.prod(rates)
    kept = math.prod(1.0 - venues[way.venue].fee_ppm / 10**6 for way in walk.cycle)
    if not all(rates):
        empty = next(way.venue for way, rate in zip(walk.cycle, rates, strict=True) if not rate)
        return Explanation(Answer.NO_LIQUIDITY, f"{walk}: {empty} has no liquidity that way", walk)
    prices = f"{walk}: the product of marginal prices is {product:.9f} after fees, {product / kept:.9f} before"
    if product <= 1.0:
        return Explanation(Answer.FEES, f"{prices}; it would have to be above 1", walk)
    desk = Desk(venues)
    amount_in, model = desk.best_input(walk, math.inf)
    trade = desk.trade(walk, _settled(walk, venues, amount_in, model))
    if trade is None:
        sizes = f"the best size, {amount_in:.6g} base units, gains {model:.3g} by the model and nothing in integers"
        return Explanation(Answer.ROUNDING, f"{prices}; {sizes}", walk)
    gains = f"the best size, {numeraire.whole(trade.amount_in):f}, gains {numeraire.whole(trade.gain):f}"
    if trade.net(gas_price_wei) <= 0:
        cost = numeraire.whole(trade.gas * gas_price_wei)
        detail = f"{prices}; {gains} {numeraire.symbol}, and {trade.gas:,} gas cost {cost:f}"
        return Explanation(Answer.GAS, detail, walk, trade)
    return Explanation(Answer.OPPORTUNITY, f"{prices}; {gains} {numeraire.symbol}", walk, trade)


def _settled(walk: Walk, venues: Mapping[str, Venue], amount_in: float, model: float) -> float:
    """The size that pools themselves say is best, near the model's; the model's where an order book takes part."""
    passed = [(venues[way.venue], way) for way in walk.cycle]
    route = [PoolHop(venue, way.token_in, way.token_out) for venue, way in passed if isinstance(venue, Quoting)]
    amounts = best_cycle(route, int(amount_in), model) if len(route) == len(passed) and model > 0.0 else None
    return amount_in if amounts is None else float(amounts[0])
