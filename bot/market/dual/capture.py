"""From the optimum to trades: exact, sequential, and only those that pay for their gas."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from bot.market.dual.decompose import Share, shares
from bot.market.dual.exact import Desk, Trade, Walk, starts_at, swaps, walk_of
from bot.market.dual.problem import Problem, problem_of
from bot.market.dual.purse import Purse
from bot.market.dual.settling import gas_of_trades
from bot.market.dual.solve import Solution, closed, solve
from bot.market.dual.venues import BookVenue, Venue
from chains.assets import Token
from chains.pools.pool import PoolError

MOST_HOPS = 8
POLISHES = 6
"""How often what is left on the walks is looked for again."""

ROUNDS = 4
"""How often the optimum is sought anew in what is left of the market."""

WORTH_MENTIONING = 1e-3
"""What is left is let be where it is worth less than this part of what was taken."""

ADDED_UP = 0.99
"""Walks that are worth less than this part of their optimum were taken of flows that do not close."""

EASED = (0.5,) * 5 + (1.0,)
"""What part of each walk is taken before the optimum is sought again, where a pool's swaps are in each other's way."""

PRUNINGS = 4
"""How often the optimum is sought again over what still pays for its gas."""


class Cause(StrEnum):
    """Why a part of the bound is not captured; `left` is what curves still offer after all that was found, and `pegs`
    what pools may spend on moving theirs."""

    ROUNDING = "rounding"
    LEFT = "left"
    PEGS = "pegs"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    HOPS = "hops"
    BUDGET = "budget"
    GAS = "gas"


@dataclass(frozen=True, slots=True)
class Terms:
    """What trades must keep to.

    `most_hops` per walk; `most_in` the greatest input of one trade, in base units of the numeraire at the optimum's
    prices; `gas_price_wei` is paid in the numeraire. `avoided` venues are not traded, each for its reason. A walk has
    `most_orders` at exchanges, which spend no more than `inventory` (base units; None: whatever they want).
    """

    gas_price_wei: int = 0
    most_hops: int = MOST_HOPS
    most_in: float = math.inf
    avoided: Mapping[str, str] = field(default_factory=dict)
    most_orders: int = MOST_HOPS
    inventory: Mapping[Token, int] | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Trades in the order in which they are to be made: each is exact on the state the ones before it leave."""

    trades: tuple[Trade, ...] = ()

    @property
    def gain(self) -> int:
        """Base units of the numeraire, before gas."""
        return sum(trade.gain for trade in self.trades)

    def net(self, gas_price_wei: int) -> int:
        """After the gas of the transactions that the executor would send."""
        return self.gain - gas_of_trades(self.trades) * gas_price_wei if gas_price_wei else self.gain


def capture(solution: Solution, terms: Terms) -> Capture:
    """Trades that take as much of the optimum as `terms` allow.

    Walks traded one after another end a little off the optimum, and what `terms` forbid is part of it. So it is sought
    again in what they leave, without the venues that are forbidden or have had what the inventory holds for them, until
    there is nothing worth mentioning; not where a budget is what leaves it.
    """
    numeraire, venues = solution.problem.tokens[0], _passed(solution.problem)
    closing = _closing(venues, terms)
    trades: list[Trade] = []
    for _ in range(ROUNDS):
        made = _once(solution, terms)
        trades += made
        if not (made or closing) or math.isfinite(terms.most_in):
            break
        venues = {name: venue for name, venue in _after(venues, made).items() if name not in closing}
        closing = set()
        solution = solve(problem_of(venues.values(), numeraire))
        if solution.value <= WORTH_MENTIONING * sum(trade.gain for trade in trades):
            break
    return Capture(tuple(trades))


def rested(solution: Solution, trades: Iterable[Trade]) -> Solution:
    """The optimum of what `trades` leave."""
    problem = solution.problem
    return solve(problem_of(_after(_passed(problem), trades).values(), problem.tokens[0]))


def _passed(problem: Problem) -> dict[str, Venue]:
    """The venues that have a way."""
    return {way.venue: problem.venues[way.venue] for way in problem.ways}


def _closing(venues: Mapping[str, Venue], terms: Terms) -> set[str]:
    """The venues that only the first optimum passes."""
    books = terms.inventory is not None or not terms.most_orders
    return {name for name, it in venues.items() if name in terms.avoided or (books and isinstance(it, BookVenue))}


def _once(solution: Solution, terms: Terms) -> list[Trade]:
    """The trades of one optimum.

    Two ways are tried and the better kept: the optimum's own walks at the optimum's sizes, then whatever they leave;
    and each walk alone, the best first, at its own best size. Walks that do not pay for their gas are taken out of
    the market and the optimum is sought again without them.
    """
    solution, kept = _tradable(solution, terms)
    trader = _Trader(solution, kept, terms)
    best = trader.best()
    if _crowded(solution, kept):
        best = max(best, trader.merged(_eased(solution, kept, terms)), key=lambda trades: _net(trades, terms))
    for _ in range(PRUNINGS if terms.gas_price_wei else 0):
        paying = [share for share in kept if _pays(share, solution.problem, terms)]
        edges = sorted({edge for share in paying for edge in share.edges})
        if not edges:
            break
        solution, kept = _tradable(solve(solution.problem.restricted(edges), solution.prices), terms)
        tried = _Trader(solution, kept, terms).best()
        if _net(tried, terms) <= _net(best, terms):
            break
        best = tried
    return best


def _crowded(solution: Solution, kept: Iterable[Share]) -> bool:
    """Whether walks swap several ways at one pool of more than two tokens.

    Each way was solved for as a pool of its own, so that together they take more than the pool gives at a profit.
    """
    venues, ways = solution.problem.venues, solution.problem.ways
    edges = {edge for share in kept for edge in share.edges}
    swapped = Counter(ways[edge].venue for edge in edges if len(venues[ways[edge].venue].tokens) > 2)
    return any(count > 1 for count in swapped.values())


def _eased(solution: Solution, kept: Sequence[Share], terms: Terms) -> Counter[Walk]:
    """What each walk is to take in all, found by taking it in parts and seeking the optimum of its venues anew."""
    problem, amounts = solution.problem, Counter[Walk]()
    venues = {problem.ways[edge].venue: problem.venues[problem.ways[edge].venue] for it in kept for edge in it.edges}
    for part in EASED:
        made = _Trader(solution, kept, terms).first(part)
        if not made:
            break
        for trade in made:
            amounts[trade.walk] += trade.amount_in
        venues = _after(venues, made)
        solution, kept = _tradable(solve(problem_of(venues.values(), problem.tokens[0])), terms)
    return amounts


def _after(venues: Mapping[str, Venue], trades: Iterable[Trade]) -> dict[str, Venue]:
    """The venues after `trades`, without those that cannot tell what is left of them."""
    desk = Desk(venues)
    for trade in trades:
        count = len(trade.walk.cycle)
        swaps(desk, trade.walk.cycle, trade.amount_in)
        if trade.walk.sale:
            swaps(desk, trade.walk.sale, trade.steps[count].amount_in)
    after: dict[str, Venue] = {}
    for name in venues:
        with suppress(PoolError, ArithmeticError):
            after[name] = desk.venue(name)
    return after


class _Trader:
    """Trades along some walks of an optimum."""

    def __init__(self, solution: Solution, found: Sequence[Share], terms: Terms) -> None:
        self._venues, self._terms = solution.problem.venues, terms
        self._price = dict(zip(solution.problem.tokens, map(float, solution.prices), strict=True))
        self._sizes: dict[Walk, float] = {}
        self._purse = Purse(terms.inventory, self._venues)
        for share in found:
            walk = walk_of(solution.problem, share.cycle, share.sale)
            self._sizes[walk] = self._sizes.get(walk, 0.0) + share.amount_in

    def best(self) -> list[Trade]:
        """Whichever way nets more. Without gas nothing is lost by many trades, and they take the optimum whole."""
        choices = self._together()
        if self._terms.gas_price_wei:
            choices.append(self._alone())
        return max(choices, key=lambda trades: _net(trades, self._terms))

    def _together(self) -> list[list[Trade]]:
        """The walks at the optimum's sizes, then what they leave; and the same merged into one trade per walk."""
        desk = self._opened()
        made = list(self._first(desk, 1.0))
        amounts = Counter({trade.walk: trade.amount_in for trade in made})
        for _ in range(POLISHES):
            before = len(made)
            for walk in self._sizes:
                more, worth = self._sized(desk, walk, amounts[walk])
                trade = self._traded(desk, walk, more) if worth >= 1.0 else None
                if trade is not None:
                    amounts[walk] += trade.amount_in
                    made.append(trade)
            if len(made) == before:
                break
        merged = self.merged(amounts)
        return [merged, made] if _worth_splitting(merged, made) else [merged]

    def merged(self, amounts: Mapping[Walk, int]) -> list[Trade]:
        """One trade per walk, those that pay for their gas."""
        desk, gas_price_wei = self._opened(), self._terms.gas_price_wei
        sized = ((walk, min(amount, self._most_in(walk))) for walk, amount in amounts.items() if amount)
        again = (self._traded(desk, walk, amount, gas_price_wei) for walk, amount in sized)
        return [trade for trade in again if trade is not None]

    def first(self, part: float) -> list[Trade]:
        """That part of each walk at the optimum's size."""
        return list(self._first(self._opened(), part))

    def _first(self, desk: Desk, part: float) -> Iterator[Trade]:
        for walk, amount_in in self._sizes.items():
            trade = self._traded(desk, walk, min(part * amount_in, self._most_in(walk)))
            if trade is not None:
                yield trade

    def _alone(self) -> list[Trade]:
        """The best walk at its own best size, again and again, until none pays for its gas."""
        desk, made = self._opened(), []
        queue = [(-math.inf, number, walk) for number, walk in enumerate(self._sizes)]
        left = POLISHES * len(queue)
        while queue and left:
            _, number, walk = heapq.heappop(queue)
            amount_in, worth = self._sized(desk, walk, 0)
            if worth < 1.0:
                continue
            if queue and worth < -queue[0][0]:
                heapq.heappush(queue, (-worth, number, walk))
                continue
            left -= 1
            trade = self._traded(desk, walk, amount_in, self._terms.gas_price_wei)
            if trade is not None:
                made.append(trade)
                heapq.heappush(queue, (-worth, number, walk))
        return made

    def _sized(self, desk: Desk, walk: Walk, spent: int) -> tuple[float, float]:
        """The best input now within the budget, and what its gain is worth, by the model."""
        room = min(self._most_in(walk) - spent, self._left(walk))
        if room < 1.0:
            return 0.0, 0.0
        amount_in, gain = desk.best_input(walk, room)
        return amount_in, gain * self._price[starts_at(walk)]

    def _opened(self) -> Desk:
        """Nothing traded, nothing spent."""
        self._purse = Purse(self._terms.inventory, self._venues)
        return Desk(self._venues)

    def _traded(self, desk: Desk, walk: Walk, amount_in: float, gas_price_wei: int = 0) -> Trade | None:
        """About `amount_in`, and not more than what is left for the walk's orders."""
        left = self._left(walk)
        allowed = min(left, self._most_in(walk)) >= 1.0
        trade = desk.trade(walk, min(amount_in, left), gas_price_wei) if allowed else None
        if trade is not None:
            self._purse.spend(trade)
        return trade

    def _left(self, walk: Walk) -> float:
        return self._purse.left(walk, self._price) / self._price[starts_at(walk)]

    def _most_in(self, walk: Walk) -> float:
        """The budget in base units of the walk's first token."""
        return self._terms.most_in / self._price[starts_at(walk)]


def _worth_splitting(merged: Sequence[Trade], made: Sequence[Trade]) -> bool:
    """Whether merging a walk's trades loses more than rounding."""
    whole = sum(trade.gain for trade in made)
    return whole - sum(trade.gain for trade in merged) > WORTH_MENTIONING * whole


def _tradable(solution: Solution, terms: Terms) -> tuple[Solution, list[Share]]:
    """The optimum's walks that are short enough and pass no avoided venue; and the optimum, solved on if need be."""
    found = shares(solution, terms.most_hops)
    if sum(share.worth for share in found) < ADDED_UP * solution.value:
        solution = closed(solution)
        found = shares(solution, terms.most_hops)
    ways = solution.problem.ways
    return solution, [
        share
        for share in found
        if max(len(share.cycle), len(share.sale)) <= terms.most_hops
        and sum(isinstance(solution.problem.venues[ways[at].venue], BookVenue) for at in share.edges)
        <= terms.most_orders
        and not any(ways[edge].venue in terms.avoided for edge in share.edges)
    ]


def _pays(share: Share, problem: Problem, terms: Terms) -> bool:
    """Whether the walk, traded alone and first, is worth its gas."""
    walk = walk_of(problem, share.cycle, share.sale)
    return Desk(problem.venues).trade(walk, share.amount_in, terms.gas_price_wei) is not None


def _net(trades: Iterable[Trade], terms: Terms) -> int:
    return Capture(tuple(trades)).net(terms.gas_price_wei)
