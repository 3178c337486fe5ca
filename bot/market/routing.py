"""Best execution of one order over all pools at once, splits included: planned in floats, made exact in integers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from bot.market.dual.decompose import Edges
from bot.market.dual.kernels import Floats
from bot.market.dual.paths import Flows, Slices
from bot.market.dual.problem import Problem, Way, problem_of
from bot.market.dual.solve import Solution, solve
from bot.market.parts import SLACK, Parts, Path, Ways, by_way, in_each_others_way, paid, received
from chains.assets import Token
from chains.pools.pool import Pool

MOST_HOPS = 4
SLICES = 48
"""Into how many equal parts an order is cut to find its ways; the dual then finds how much each should carry."""

FURTHER = (1e-5, 1e-4, 1e-3, 1e-2)
"""How much more, relative to the order, is sent to find ways beyond those that are balanced, small pools among them."""

ROUNDS = 24
"""How often such ways are looked for."""

APPROACHES = 24
"""How often the input of an exact-output order is estimated anew."""

UNSOLVED = 1e-6
"""The worth of what does not balance, relative to all, above which the dual has not been solved."""

STILL = 3e-6
"""No more ways are looked for once those of two rounds have gained no more than this, relative to all."""

MOST_TRIED = 3
"""How many of the last plans are made exact: where ways go in circles, the last need not be the best."""

FINE = 200
"""In how many slices a whole order is poured, where ways of one pool are in each other's way."""

FEWER = 5 / 6
"""What part of its ways an order keeps at a time, where each has its gas to pay."""

LONGER = 24
"""How often curves are followed further before an order is balanced."""

_SPARK = 1e-6
"""The order enters the dual as a way that gives all of it for this much of the token that is wanted."""


class NoRoute(ValueError):
    """No pools lead from the one token to the other, or none can take the amount."""


@dataclass(frozen=True, slots=True)
class Routed:
    """An order's execution, in base units. `single` is the best that one path alone can do; None where none can."""

    token_in: Token
    token_out: Token
    paths: tuple[Path, ...]
    single: Path | None

    @property
    def amount_in(self) -> int:
        return sum(path.amount_in for path in self.paths)

    @property
    def amount_out(self) -> int:
        return sum(path.amount_out for path in self.paths)

    @property
    def gas(self) -> int:
        """An estimate, for one transaction per path."""
        return _gas(self.paths)


def route(
    pools: Iterable[Pool],
    token_in: Token,
    token_out: Token,
    amount: int,
    *,
    exact_out: bool = False,
    max_hops: int = MOST_HOPS,
    gas_price: int | Fraction = 0,
) -> Routed:
    """The most of `token_out` for exactly `amount` of `token_in`; with `exact_out` the least in for that much out.

    Amounts are base units. All paths of up to `max_hops` hops compete for every part of the order; the parts are
    then quoted in exact integers, each on what those before it leave. Never worse than the best single path.
    `gas_price` is what a unit of gas costs, in base units of `token_out`, or with `exact_out` of `token_in`: the order
    is split over no more paths than pay for theirs.
    Raises `NoRoute`, and `ValueError` for an order that trades nothing.

    >>> routed = route(market.pools.values(), weth, usdc, weth.units(1_000))  # doctest: +SKIP
    >>> print(routed.amount_out - routed.single.amount_out, "gained by splitting")  # doctest: +SKIP
    """
    if amount <= 0 or token_in == token_out:
        raise ValueError(f"an order of {amount} {token_in} for {token_out} trades nothing")
    router = _Router(pools, token_in, token_out, max_hops)
    return router.least_in(amount, gas_price) if exact_out else router.most_out(amount, gas_price)


def best_path(
    pools: Iterable[Pool],
    token_in: Token,
    token_out: Token,
    amount: int,
    *,
    exact_out: bool = False,
    max_hops: int = MOST_HOPS,
) -> Path:
    """As `route`, along one path alone. Raises as `route`."""
    if amount <= 0 or token_in == token_out:
        raise ValueError(f"an order of {amount} {token_in} for {token_out} trades nothing")
    found = _Router(pools, token_in, token_out, max_hops).alone(amount, exact_out=exact_out)
    if found is None:
        raise NoRoute(f"no path leads from {token_in} to {token_out} for {amount} base units")
    return found


class _Router:
    def __init__(self, pools: Iterable[Pool], token_in: Token, token_out: Token, max_hops: int) -> None:
        self._pools = {pool.venue: pool for pool in pools}
        self._tokens, self._hops = (token_in, token_out), max_hops
        self._problem = problem_of(self._pools.values(), token_out, also=(token_in,))
        if token_in not in self._problem.tokens:
            raise NoRoute(f"no pools lead from {token_in} to {token_out}")
        self._source = self._problem.tokens.index(token_in)
        self._slices = Slices(self._problem, self._source, 0, max_hops)
        self._known: set[int] = set()
        self._parts = Parts(self._pools)
        self._prices: Floats | None = None

    def alone(self, amount: int, *, exact_out: bool) -> Path | None:
        """The best of one path alone, exact. Raises `NoRoute`."""
        return self._single_for(amount) if exact_out else self._single(amount)

    def most_out(self, amount: int, gas_price: int | Fraction) -> Routed:
        """Raises `NoRoute`."""
        single = self._single(amount)
        made = self._split(amount) + ([(single,)] if single is not None else [])
        if not made:
            raise NoRoute(f"no pools take {amount} base units of {self._tokens[0]} for {self._tokens[1]}")
        choices = [self._parts.settled(max(made, key=received))]
        if gas_price:
            for _ in self._fewer(choices[0]):
                choices += map(self._parts.settled, self._split(amount, wider=False))
            choices += [(single,)] if single is not None else []
        best = max(choices, key=lambda paths: received(paths) - _gas(paths) * gas_price)
        return Routed(*self._tokens, best, single)

    def least_in(self, amount: int, gas_price: int | Fraction) -> Routed:
        """Raises `NoRoute`."""
        single = self._single_for(amount)
        best = self._asked(amount, single.amount_in if single is not None else self._first_guess(amount))
        choices = [paths for paths in (best, (single,) if single is not None else None) if paths]
        if not choices:
            raise NoRoute(f"no pools give {amount} base units of {self._tokens[1]} for {self._tokens[0]}")
        if gas_price and best:
            tried = [self._asked(amount, paid(best), wider=False) for _ in self._fewer(best)]
            choices += [paths for paths in tried if paths]
        return Routed(*self._tokens, min(choices, key=lambda paths: paid(paths) + _gas(paths) * gas_price), single)

    def _fewer(self, paths: tuple[Path, ...]) -> Iterator[None]:
        """From one to the next no more is known than ever fewer of the ways that these paths take, the widest."""
        asked = by_way(paths)
        widest = sorted(asked, key=asked.__getitem__, reverse=True)
        numbers = {way: number for number, way in enumerate(self._problem.ways)}
        while len(widest) > 1:
            widest = widest[: int(len(widest) * FEWER)]
            self._known = {numbers[way] for ways in widest for way in ways}
            self._parts.found = dict.fromkeys(widest)
            yield

    def _asked(self, amount: int, estimate: int, *, wider: bool = True) -> tuple[Path, ...] | None:
        """The paths that ask least for that much out, of inputs tried from `estimate` on; None where none is enough."""
        best: tuple[Path, ...] | None = None
        before, short, refused, width = (0, 0), 0, math.inf, math.inf
        for _ in range(APPROACHES):
            split = self._split(estimate, wider=wider and best is None)
            paths = self._parts.settled(max(split, key=received, default=()))
            last = estimate, received(paths)
            if last[1] >= amount:
                trimmed = self._parts.trimmed(paths, amount)
                last = paid(trimmed), received(trimmed)
                best = trimmed if best is None or last[0] < paid(best) else best
            elif paths or best is not None:
                short = max(short, estimate)
            else:
                refused = min(refused, estimate)
            before, estimate = last, _beyond(before, last, amount)
            most = refused if best is None else paid(best)
            if most == math.inf:
                continue
            slack = max(1, int(most * SLACK))
            if most - short <= 2 * slack:
                break
            narrowed, width = 2 * (most - short) <= width, most - short
            estimate = estimate - slack if narrowed and short < estimate - slack < most else int(short + most) // 2
        return best

    def _split(self, amount: int, *, wider: bool = True) -> list[tuple[Path, ...]]:
        """Ways to execute the order in parts, exact: as its slices have found it, and as the dual balances their ways.

        Beyond what those carry, others may be better for a little more: they are taken in, and all is balanced anew,
        until there are none; not unless `wider`. What is known of one amount is where the next begins.
        """
        plans = [] if self._known else [self._slices.filled([amount / SLICES] * SLICES)]
        self._known |= plans[0].keys() if plans else set()
        worth, still = 0.0, 0
        for _ in range(ROUNDS if self._known else 0):
            before = worth
            flows, worth = self._balanced(amount)
            plans.append(flows)
            still = still + 1 if abs(worth - before) <= STILL * worth else 0
            if not wider or still == 2:
                break
            tried = self._slices.filled([amount * part for part in FURTHER], flows)
            if tried.keys() <= self._known:
                break
            self._known |= tried.keys()
        parted = [
            [(self._ways(path), part) for path, part in self._slices.parted(flows, amount)]
            for flows in (*plans[:1], *plans[1:][-MOST_TRIED:])
        ]
        ways = tuple(dict.fromkeys(way for parts in parted for way, _ in parts))
        self._parts.found |= dict.fromkeys(ways)
        made = [self._parts.exact(parts, amount) for parts in parted]
        if not any(made) or in_each_others_way(ways):
            made += [self._parts.poured(ways, amount, slices) for slices in ((SLICES, FINE) if wider else (SLICES,))]
        return [paths for paths in made if paths]

    def _balanced(self, amount: int) -> tuple[Flows, float]:
        """What each known way should carry so that no part of the order would gain by others, and what that is worth:
        the dual's answer.

        Ways that it fills are followed behind what one swap takes, and all is balanced anew.
        """
        edges = sorted(self._known)
        for _ in range(LONGER):
            rows: list[list[float]] = []
            stretches = []
            for edge in edges:
                stretches.append((len(rows), len(rows) + len(self._slices.rows(edge))))
                rows += self._slices.rows(edge)
            narrow = replace(
                self._problem.restricted(edges),
                stretches=np.array(stretches, dtype=np.int64),
                pieces=np.array(rows, dtype=np.float64),
            )
            solution = self._solved(self._with_order(narrow, amount))
            carried = solution.amounts[:-1, 0].tolist()
            flows = {edge: into for edge, into in zip(edges, carried, strict=True) if into}
            if not self._slices.lengthened(flows):
                break
        return flows, solution.value

    def _solved(self, problem: Problem) -> Solution:
        """From the prices where the last one ended, and where that fails from a first guess."""
        solution = solve(problem, self._prices)
        if self._prices is not None and solution.residual > UNSOLVED * solution.value:
            solution = min(solution, solve(problem), key=lambda found: found.residual / (found.value or math.inf))
        self._prices = solution.prices if solution.residual <= UNSOLVED * solution.value else None
        return solution

    def _with_order(self, problem: Problem, amount: int) -> Problem:
        """The problem with the order as one more way, the last."""
        rate = amount / _SPARK
        row = (rate * (1.0 + 1e-6), 1e-6 / _SPARK, _SPARK, 0.0, 0.0)
        pieces = np.vstack([problem.pieces, row])
        return replace(
            problem,
            ways=(*problem.ways, Way("order", self._tokens[1], self._tokens[0])),
            ends=np.vstack([problem.ends, (0, self._source)]),
            stretches=np.vstack([problem.stretches, (len(pieces) - 1, len(pieces))]),
            pieces=pieces,
        )

    def _single(self, amount: int) -> Path | None:
        """The best of one path alone, exact."""
        path = self._slices.best(float(amount), whole=True)
        return None if path is None else self._parts.alone(self._ways(path), amount)

    def _single_for(self, amount_out: int) -> Path | None:
        """The one path that asks least for that much out, of those found for a like amount."""
        guess, best = self._first_guess(amount_out), None
        for _ in range(APPROACHES):
            path = self._slices.best(float(guess), whole=True)
            if path is None:
                return best
            asking = self._parts.asking(self._ways(path), amount_out)
            if asking is None or (best is not None and asking.amount_in >= best.amount_in):
                return best
            best, guess = asking, asking.amount_in
        return best

    def _first_guess(self, amount_out: int) -> int:
        """The input that would give that much at the price of a very small amount; at least 1."""
        small = float(10 ** max(0, self._tokens[0].decimals - 6))
        path = self._slices.best(small)
        if path is None:
            raise NoRoute(f"no pools lead from {self._tokens[0]} to {self._tokens[1]} in {self._hops} hops")
        rate = 1.0
        for way in self._ways(path):
            rate *= self._pools[way.venue].marginal_price(way.token_in, way.token_out)
        guess = amount_out / rate if rate > 0.0 else 0.0
        return max(1, int(guess)) if guess < math.inf else 1

    def _ways(self, path: Edges) -> Ways:
        return tuple(self._problem.ways[edge] for edge in path)


def _beyond(before: tuple[int, int], last: tuple[int, int], amount_out: int) -> int:
    """The input that would give so much along the line through two (input, output); twice the last where that line does
    not rise.
    """
    more_in, more_out = last[0] - before[0], last[1] - before[1]
    if more_in * more_out <= 0:
        return last[0] * 2
    return last[0] + (amount_out - last[1]) * more_in // more_out + 1


def _gas(paths: Iterable[Path]) -> int:
    return sum(path.gas for path in paths)
