"""Best execution of one order over all pools at once, splits included: planned in floats, made exact in integers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from bot.market.dual.decompose import Edges
from bot.market.dual.exact import Desk, swaps
from bot.market.dual.paths import Flows, Slices
from bot.market.dual.problem import Way, problem_of
from bot.market.dual.solve import solve
from bot.market.exact import PoolHop, backward
from bot.market.opportunity import Step, gas_of
from chains.assets import Token
from chains.pools.pool import Pool, PoolError

MOST_HOPS = 4
SLICES = 48
"""Into how many equal parts an order is cut to find its ways; the dual then finds how much each should carry."""

FURTHER = (1e-4, 1e-3, 1e-2)
"""How much more, relative to the order, is sent to find ways beyond those that are balanced, small pools among them."""

ROUNDS = 8
"""How often such ways are looked for."""

APPROACHES = 24
"""How often the input of an exact-output order is estimated anew."""

SLACK = 1e-6
"""An input is the least once so much less of it, relative to it, gives too little."""

SHIFTED = (0.5, 0.5, 0.25, 0.1, 0.03, 0.01)
"""What part of one path's input is tried in another, in turn, where ways of one pool are in each other's way."""

MOST_SETTLED = 4
"""How many paths are settled so, the widest."""

_HAIRS = (0.0, 1e-9, 1e-6, 1e-3, 1e-2, 0.1)
"""By how much a part is made smaller where a pool refuses it: a plan in floats fills a known range to its very end."""

_SPARK = 1e-6
"""The order enters the dual as a way that gives all of it for this much of the token that is wanted."""


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
        before, short = (0, 0), 0
        for _ in range(APPROACHES):
            paths = self._settled(max(self._split(estimate, wider=best is None), key=_received, default=()))
            last = estimate, _received(paths)
            if last[1] >= amount:
                trimmed = self._trimmed(paths, amount)
                last = _paid(trimmed), _received(trimmed)
                best = trimmed if best is None or last[0] < _paid(best) else best
            else:
                short = max(short, estimate)
            before, estimate = last, _beyond(before, last, amount)
            if best is None:
                continue
            enough = _paid(best)
            slack = max(1, int(enough * SLACK))
            if enough - short <= 2 * slack:
                break
            estimate = estimate - slack if short < estimate - slack < enough else (short + enough) // 2
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
        for _ in range(ROUNDS if self._known else 0):
            plans.append(self._balanced(sorted(self._known), amount))
            if not wider:
                break
            tried = self._slices.filled([amount * part for part in FURTHER], plans[-1])
            if tried.keys() <= self._known:
                break
            self._known |= tried.keys()
        made = (self._exact(self._slices.parted(flows), amount) for flows in plans)
        return [paths for paths in made if paths]

    def _balanced(self, edges: Sequence[int], amount: int) -> Flows:
        """What each of these ways should carry so that no part of the order would gain by others: the dual's answer."""
        rate = amount / _SPARK
        spark = Way("order", self._tokens[1], self._tokens[0])
        row = (rate * (1.0 + 1e-6), 1e-6 / _SPARK, _SPARK, 0.0, 0.0)
        narrow = self._problem.restricted(edges)
        pieces = np.vstack([narrow.pieces, row])
        with_order = replace(
            narrow,
            ways=(*narrow.ways, spark),
            ends=np.vstack([narrow.ends, (0, self._source)]),
            stretches=np.vstack([narrow.stretches, (len(pieces) - 1, len(pieces))]),
            pieces=pieces,
        )
        carried = solve(with_order).amounts[:-1, 0].tolist()
        return {edge: into for edge, into in zip(edges, carried, strict=True) if into}

    def _exact(self, parts: Sequence[tuple[Edges, float]], amount: int) -> tuple[Path, ...]:
        """The parts in integers that add up to `amount`: what the parts leave, or pools refuse, goes along the widest
        path that takes it.

        Nothing where none does.
        """
        if not parts:
            return ()
        total = sum(part for _, part in parts)
        asked = [int(amount * (part / max(total, amount))) for _, part in parts]
        if amount - sum(asked) <= amount * SLACK:
            asked[0] += amount - sum(asked)
        for widest in (None, *range(len(parts))):
            if widest is not None:
                asked[widest] += amount - sum(asked)
            desk = Desk(self._pools)
            taken = [self._taken(desk, path, units) for (path, _), units in zip(parts, asked, strict=True)]
            made = tuple(path for path in taken if path is not None)
            if _paid(made) == amount:
                return made
            if widest is None:
                given = [0 if path is None else path.amount_in for path in taken]
            asked = given.copy()
        return ()

    def _settled(self, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        """The same paths, the widest at the sizes that pay most together, as the pools themselves quote.

        Only where one pool is swapped at in several ways: each of them was planned as a pool of its own.
        """
        ways = {way for path in paths for way in _ways_of(path)}
        if len({way.venue for way in ways}) == len(ways):
            return paths
        for part in SHIFTED:
            for giver, taker in permutations(range(min(len(paths), MOST_SETTLED)), 2):
                paths = max(paths, self._shifted(paths, giver, taker, part), key=_received)
        return paths

    def _shifted(self, paths: tuple[Path, ...], giver: int, taker: int, part: float) -> tuple[Path, ...]:
        """The paths with that part of one's input in another's; nothing where a pool refuses."""
        asked, desk = [path.amount_in for path in paths], Desk(self._pools)
        more = int(asked[giver] * part)
        asked[giver], asked[taker] = asked[giver] - more, asked[taker] + more
        try:
            return tuple(
                Path(tuple(swaps(desk, _ways_of(path), units))) for path, units in zip(paths, asked, strict=True)
            )
        except (PoolError, ArithmeticError):
            return ()

    def _taken(self, desk: Desk, path: Edges, amount: int) -> Path | None:
        """`amount` along the path, or as much less as its pools take; None where they take nothing like it."""
        for hair in _HAIRS:
            units = amount - int(amount * hair)
            if units <= 0:
                return None
            try:
                return Path(tuple(swaps(desk, self._ways(path), units)))
            except (PoolError, ArithmeticError):
                continue
        return None

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
        made = self._exact([(path, 1.0)], amount) if path is not None else ()
        return made[0] if made else None

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


def _received(paths: tuple[Path, ...]) -> int:
    return sum(path.amount_out for path in paths)


def _paid(paths: tuple[Path, ...]) -> int:
    return sum(path.amount_in for path in paths)
