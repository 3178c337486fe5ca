"""Best execution of one order over all pools at once, splits included: planned in floats, made exact in integers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, permutations

import numpy as np

from bot.market.dual.decompose import Edges
from bot.market.dual.exact import Desk, Swapped, quoted, swaps
from bot.market.dual.kernels import Floats
from bot.market.dual.paths import Flows, Slices
from bot.market.dual.problem import Problem, Way, problem_of
from bot.market.dual.solve import Solution, solve
from bot.market.exact import PoolHop, backward
from bot.market.opportunity import Step, gas_of
from chains.assets import Token
from chains.pools.pool import Pool, PoolError

MOST_HOPS = 4
SLICES = 48
"""Into how many equal parts an order is cut to find its ways; the dual then finds how much each should carry."""

FURTHER = (1e-5, 1e-4, 1e-3, 1e-2)
"""How much more, relative to the order, is sent to find ways beyond those that are balanced, small pools among them."""

ROUNDS = 24
"""How often such ways are looked for."""

APPROACHES = 24
"""How often the input of an exact-output order is estimated anew."""

SLACK = 1e-6
"""An input is the least once so much less of it, relative to it, gives too little."""

UNSOLVED = 1e-6
"""The worth of what does not balance, relative to all, above which the dual has not been solved."""

STILL = 3e-6
"""No more ways are looked for once those of two rounds have gained no more than this, relative to all."""

MOST_TRIED = 3
"""How many of the last plans are made exact: where ways go in circles, the last need not be the best."""

FINE = 200
"""In how many slices a whole order is poured, where ways of one pool are in each other's way."""

LITTLE = 1e-3
"""What the parts leave of an order is little if it is no more than this, relative to it."""

LONGER = 24
"""How often curves are followed further before an order is balanced."""

POURED = 16
"""In how many slices what the planned parts leave is poured over their paths."""

MOST_POURED = 8
"""How many times as often as there are slices a part is tried at most, where pools take less than a slice at once."""

SHIFTED = (0.25, 0.1, 0.03, 0.01)
"""What part of one path's input is tried in another, in turn, where ways of one pool are in each other's way."""

MOST_SETTLED = 3
"""How many paths are settled so, the widest."""

HALVINGS = 8
"""How often a part that a pool refuses is halved, to go through it in several swaps, one after another."""

_HAIRS = (0.0, 1e-9, 1e-6, 1e-3)
"""By how much a part is made smaller where a pool refuses it: a plan in floats fills a known range to its very end."""

_SPARK = 1e-6
"""The order enters the dual as a way that gives all of it for this much of the token that is wanted."""


Ways = tuple[Way, ...]


class NoRoute(ValueError):
    """No pools lead from the one token to the other, or none can take the amount."""


@dataclass(frozen=True, slots=True)
class Path:
    """One part of an order, exact on the state that the parts before it leave."""

    steps: tuple[Step, ...]

    @property
    def amount_in(self) -> int:
        return self.steps[0].amount_in

    @property
    def amount_out(self) -> int:
        return self.steps[-1].amount_out

    @property
    def gas(self) -> int:
        """An estimate, for a transaction of its own."""
        return gas_of(step.hop.kind for step in self.steps if step.hop is not None)


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
        return sum(path.gas for path in self.paths)


def route(
    pools: Iterable[Pool],
    token_in: Token,
    token_out: Token,
    amount: int,
    *,
    exact_out: bool = False,
    max_hops: int = MOST_HOPS,
) -> Routed:
    """The most of `token_out` for exactly `amount` of `token_in`; with `exact_out` the least in for that much out.

    Amounts are base units. All paths of up to `max_hops` hops compete for every part of the order; the parts are
    then quoted in exact integers, each on what those before it leave. Never worse than the best single path.
    Raises `NoRoute`, and `ValueError` for an order that trades nothing.

    >>> routed = route(market.pools.values(), weth, usdc, weth.units(1_000))  # doctest: +SKIP
    >>> print(routed.amount_out - routed.single.amount_out, "gained by splitting")  # doctest: +SKIP
    """
    if amount <= 0 or token_in == token_out:
        raise ValueError(f"an order of {amount} {token_in} for {token_out} trades nothing")
    router = _Router(pools, token_in, token_out, max_hops)
    return router.least_in(amount) if exact_out else router.most_out(amount)


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
        self._found: dict[Ways, None] = {}
        self._prices: Floats | None = None

    def alone(self, amount: int, *, exact_out: bool) -> Path | None:
        """The best of one path alone, exact. Raises `NoRoute`."""
        return self._single_for(amount) if exact_out else self._single(amount)

    def most_out(self, amount: int) -> Routed:
        """Raises `NoRoute`."""
        single = self._single(amount)
        made = self._split(amount) + ([(single,)] if single is not None else [])
        if not made:
            raise NoRoute(f"no pools take {amount} base units of {self._tokens[0]} for {self._tokens[1]}")
        return Routed(*self._tokens, self._settled(max(made, key=_received)), single)

    def least_in(self, amount: int) -> Routed:
        """Raises `NoRoute`."""
        single = self._single_for(amount)
        estimate, best = (single.amount_in if single is not None else self._first_guess(amount)), None
        before, short, refused, width = (0, 0), 0, math.inf, math.inf
        for _ in range(APPROACHES):
            paths = self._settled(max(self._split(estimate, wider=best is None), key=_received, default=()))
            last = estimate, _received(paths)
            if last[1] >= amount:
                trimmed = self._trimmed(paths, amount)
                last = _paid(trimmed), _received(trimmed)
                best = trimmed if best is None or last[0] < _paid(best) else best
            elif paths or best is not None:
                short = max(short, estimate)
            else:
                refused = min(refused, estimate)
            before, estimate = last, _beyond(before, last, amount)
            most = refused if best is None else _paid(best)
            if most == math.inf:
                continue
            slack = max(1, int(most * SLACK))
            if most - short <= 2 * slack:
                break
            narrowed, width = 2 * (most - short) <= width, most - short
            estimate = estimate - slack if narrowed and short < estimate - slack < most else int(short + most) // 2
        choices = [paths for paths in (best, (single,) if single is not None else None) if paths]
        if not choices:
            raise NoRoute(f"no pools give {amount} base units of {self._tokens[1]} for {self._tokens[0]}")
        return Routed(*self._tokens, min(choices, key=_paid), single)

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
        parted = [self._slices.parted(flows, amount) for flows in (*plans[:1], *plans[1:][-MOST_TRIED:])]
        ways = tuple(dict.fromkeys(self._ways(path) for parts in parted for path, _ in parts))
        self._found |= dict.fromkeys(ways)
        made = [self._exact(parts, amount) for parts in parted]
        if not any(made) or _in_each_others_way(ways):
            made += [
                self._poured(Desk(self._pools), (), ways, amount, slices)
                for slices in ((SLICES, FINE) if wider else (SLICES,))
            ]
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

    def _exact(self, parts: Sequence[tuple[Edges, float]], amount: int) -> tuple[Path, ...]:
        """The parts in integers that add up to `amount`. A little that they leave, or that pools refuse, goes along the
        widest path that takes it with its own part; more is poured over all paths found so far.

        Nothing where they do not take it.
        """
        if not parts:
            return ()
        total = sum(part for _, part in parts)
        asked = [int(amount * (part / max(total, amount))) for _, part in parts]
        if amount - sum(asked) <= amount * SLACK:
            asked[0] += amount - sum(asked)
        ways = [self._ways(path) for path, _ in parts]
        desk = Desk(self._pools)
        made = [self._taken(desk, way, units) for way, units in zip(ways, asked, strict=True)]
        rest = amount - sum(map(_paid, made))
        if 0 < rest <= amount * LITTLE:
            given = {way: _paid(paths) for way, paths in zip(ways, made, strict=True)}
            for widest in ways:
                again = self._all_taken(given | {widest: given[widest] + rest})
                if _paid(again) == amount:
                    return again
        return self._poured(desk, tuple(chain.from_iterable(made)), tuple(self._found), rest, POURED)

    def _all_taken(self, asked: Mapping[Ways, int]) -> tuple[Path, ...]:
        """What each of the ways takes of what is asked of it, one after another."""
        desk = Desk(self._pools)
        return tuple(path for ways, units in asked.items() for path in self._taken(desk, ways, units))

    def _poured(
        self, desk: Desk, made: Sequence[Path], ways: Sequence[Ways], rest: int, slices: int
    ) -> tuple[Path, ...]:
        """What was made on the desk, and `rest` in slices, each along the way that pays most for it by then.

        All that takes the same way is swapped there at once where that takes it, and pays as much. Nothing where the
        ways do not take all, or only in very many swaps.
        """
        if not rest or not ways:
            return () if rest else tuple(made)
        made = list(made)
        size = most = max(1, rest // slices)
        least = max(1, most >> HALVINGS)
        known: dict[Ways, tuple[tuple[Step, ...], dict[str, Swapped]] | None] = {}
        for _ in range(MOST_POURED * slices):
            if not rest:
                break
            units = min(size, rest)
            for way in ways:
                if way not in known:
                    known[way] = _tried(desk, way, units)
            steps, swapped = max(known.values(), key=lambda tried: tried[0][-1].amount_out if tried else 0) or ((), {})
            if not steps:
                if size <= least:
                    return ()
                size, known = max(least, size // 2), {}
                continue
            desk.keep(swapped)
            made.append(Path(steps))
            rest -= units
            size = min(2 * size, most)
            if min(size, rest) != units:
                known = {}
            known = {way: tried for way, tried in known.items() if swapped.keys().isdisjoint(w.venue for w in way)}
        if rest:
            return ()
        gathered = self._all_taken(_by_way(made))
        return max(tuple(made), gathered if _paid(gathered) == _paid(made) else (), key=_received)

    def _settled(self, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        """The same paths, the widest at the sizes that pay most together, as the pools themselves quote.

        Only where one pool is swapped at in several ways: each of them was planned as a pool of its own.
        """
        asked = _by_way(paths)
        if not _in_each_others_way(asked):
            return paths
        widest = sorted(asked, key=asked.__getitem__, reverse=True)[:MOST_SETTLED]
        for part in SHIFTED:
            for giver, taker in permutations(widest, 2):
                asked = _by_way(paths)
                more = int(asked[giver] * part)
                asked[giver], asked[taker] = asked[giver] - more, asked[taker] + more
                shifted = self._all_taken(asked)
                if _paid(shifted) == _paid(paths):
                    paths = max(paths, shifted, key=_received)
        return paths

    def _taken(self, desk: Desk, ways: Ways, amount: int) -> list[Path]:
        """`amount` along the ways, at once or in as few swaps as their pools take; less where they are full then."""
        made: list[Path] = []
        rest = size = amount
        while rest > 0 and size > amount >> HALVINGS:
            path = _nearly(desk, ways, min(size, rest), _HAIRS if size == amount else _HAIRS[:1])
            if path is None:
                size = min(size, rest) // 2
            else:
                made.append(path)
                rest, size = rest - path.amount_in, 2 * size
        return made

    def _trimmed(self, paths: tuple[Path, ...], amount: int) -> tuple[Path, ...]:
        """The paths, each at about the least that pays what it pays, until that is `amount`: rounding took the rest."""
        desk, made, needed = Desk(self._pools), list[Path](), amount
        try:
            for path in paths:
                if needed > 0:
                    ways = _ways_of(path)
                    asked = self._least(desk, ways, min(path.amount_out, needed)) or path.amount_in
                    made.append(Path(tuple(swaps(desk, ways, min(asked, path.amount_in)))))
                    needed -= made[-1].amount_out
        except (PoolError, ArithmeticError):
            return paths
        return tuple(made) if needed <= 0 else paths

    def _asking(self, ways: tuple[Way, ...], amount_out: int) -> Path | None:
        """The path at about the least that pays at least that much out."""
        desk = Desk(self._pools)
        asked = self._least(desk, ways, amount_out)
        try:
            path = Path(tuple(swaps(desk, ways, asked))) if asked else None
        except (PoolError, ArithmeticError):
            return None
        return path if path is not None and path.amount_out >= amount_out else None

    def _least(self, desk: Desk, ways: tuple[Way, ...], amount_out: int) -> int | None:
        """About the least that pays at least that much; None where a pool refuses."""
        try:
            return backward([self._hop(desk, way) for way in ways], amount_out)
        except (PoolError, ArithmeticError):
            return None

    def _hop(self, desk: Desk, way: Way) -> PoolHop:
        pool = desk.venue(way.venue)
        assert isinstance(pool, type(self._pools[way.venue]))
        return PoolHop(pool, way.token_in, way.token_out)

    def _single(self, amount: int) -> Path | None:
        """The best of one path alone, exact."""
        path = self._slices.best(float(amount), whole=True)
        tried = _tried(Desk(self._pools), self._ways(path), amount) if path is not None else None
        return Path(tried[0]) if tried is not None else None

    def _single_for(self, amount_out: int) -> Path | None:
        """The one path that asks least for that much out, of those found for a like amount."""
        guess, best = self._first_guess(amount_out), None
        for _ in range(APPROACHES):
            path = self._slices.best(float(guess), whole=True)
            if path is None:
                return best
            asking = self._asking(self._ways(path), amount_out)
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

    def _ways(self, path: Edges) -> tuple[Way, ...]:
        return tuple(self._problem.ways[edge] for edge in path)


def _by_way(paths: Iterable[Path]) -> dict[Ways, int]:
    """What goes into each of the paths' ways in all, in the order in which they are taken first."""
    asked: dict[Ways, int] = {}
    for path in paths:
        ways = _ways_of(path)
        asked[ways] = asked.get(ways, 0) + path.amount_in
    return asked


def _in_each_others_way(paths: Iterable[Ways]) -> bool:
    """Whether one pool is swapped at in several ways."""
    ways = {way for path in paths for way in path}
    return len({way.venue for way in ways}) < len(ways)


def _nearly(desk: Desk, ways: Ways, amount: int, hairs: Iterable[float]) -> Path | None:
    """`amount` along the ways, or one of these hairs less; None where that is too much at once."""
    for hair in hairs:
        units = amount - int(amount * hair)
        try:
            return Path(swaps(desk, ways, units))
        except (PoolError, ArithmeticError):
            continue
    return None


def _tried(desk: Desk, ways: Ways, amount: int) -> tuple[tuple[Step, ...], dict[str, Swapped]] | None:
    try:
        return quoted(desk, ways, amount)
    except (PoolError, ArithmeticError):
        return None


def _ways_of(path: Path) -> tuple[Way, ...]:
    return tuple(Way(step.venue, step.token_in, step.token_out) for step in path.steps)


def _beyond(before: tuple[int, int], last: tuple[int, int], amount_out: int) -> int:
    """The input that would give so much along the line through two (input, output); twice the last where that line does
    not rise.
    """
    more_in, more_out = last[0] - before[0], last[1] - before[1]
    if more_in * more_out <= 0:
        return last[0] * 2
    return last[0] + (amount_out - last[1]) * more_in // more_out + 1


def _received(paths: Iterable[Path]) -> int:
    return sum(path.amount_out for path in paths)


def _paid(paths: Iterable[Path]) -> int:
    return sum(path.amount_in for path in paths)
