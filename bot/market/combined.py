"""Several walks as one plan: those that share pools, at the sizes that together gain most, quoted in exact integers.

The optimum over the walks' venues (`dual/`) says how much each should carry; what does not pay for its own hops is left
out, and the sizes are then made exact in integers, each walk on what those before it leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, permutations, product
from typing import NamedTuple

from bot.market.dual.decompose import shares
from bot.market.dual.exact import step_of
from bot.market.dual.problem import Problem, Way, problem_along
from bot.market.dual.solve import Solution, solve
from bot.market.exact import PoolHop, backward
from bot.market.graph import Edge, VenueId
from bot.market.kernels import Curve, output
from bot.market.opportunity import Opportunity, Step, gas_of_parts, gas_of_path, gas_spared
from bot.transaction import MOST_GAS
from chains.assets import ZERO_ADDRESS, Asset, Token
from chains.executor import HopKind
from chains.pools.pool import Piece, Pool, PoolError

MOST_WALKS = 12
"""How many walks are worth combining, the best first; the dual then says which of them carry anything."""

ROOM = 4.0
"""A way may carry this many times what the walks along it carry when each is alone; curves are cut there."""

SMALL = 1 << 14
"""Up to so many base units sizes are tried one by one around the model's: there roundings hide the best from it."""

TRIES = 1_024
"""How many sizes are tried at once then, and in how many orders the walks are weighed as they are."""

ORDERS = 6
"""In how many of these, the best, all sizes are tried: in every order of three walks."""

SPANS = (0.3, 0.1, 0.03)
"""How far round each size of the model's all pools are asked together, relative to it."""

_NOT_TRADED = (PoolError, ArithmeticError)

Edges = tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """Ways round from a token and back to it, and how much goes in, in base units."""

    ways: tuple[Way, ...]
    amount_in: int


class Candidate(NamedTuple):
    """A walk with its float size: input in whole units of its first token, and gain in wei after gas."""

    net: float
    walk: Edges
    amount_in: float
    gain: float

    @property
    def venues(self) -> set[VenueId]:
        """As `Opportunity.venues`."""
        return {edge.venue for edge in self.walk if not edge.wraps_native}

    @property
    def numbers(self) -> tuple[int, ...]:
        """The edges' numbers, which are told from others far faster than the edges."""
        return tuple(edge.id for edge in self.walk)

    @property
    def as_walk(self) -> Walk:
        """The same in base units."""
        ways = (Way(edge.venue, edge.token_in, edge.token_out) for edge in self.walk)
        return Walk(tuple(ways), int(self.amount_in * 10 ** self.walk[0].token_in.decimals))


_Trip = tuple[tuple[int, ...], int]
"""The numbers of a walk's ways, and what goes in: told from others far faster than the walk itself."""

_Trips = tuple[_Trip, ...]

_Swap = tuple[int, int, int]
"""The identity of a pool as it is, the number of the way through it, and what goes in."""

_Traded = tuple[_Trip, list[Pool], list[int]]
"""A trip, its pools as they are then, what goes in, and what each pays."""

Sized = tuple[Candidate, Opportunity]
"""A candidate, and what it is in exact integers."""


@dataclass(frozen=True, slots=True)
class Combining:
    """What combining needs of a market; `gas_price` is in base units of the token that all its walks begin in.

    What is combined is estimated to burn no more than `most_gas`. Ways are numbered as they are met: walks are weighed
    in many companies, and numbers are quickly compared.
    """

    pools: Mapping[str, Pool]
    gas_price: int | Fraction
    max_routes: int
    max_hops: int
    most_gas: int = MOST_GAS
    _numbers: dict[Way, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _ways: list[Way] = field(default_factory=list, init=False, repr=False, compare=False)
    _wrapped: dict[Token, Token] = field(default_factory=dict, init=False, repr=False, compare=False)
    _untouched: list[Pool] = field(default_factory=list, init=False, repr=False, compare=False)
    _nets: dict[_Trips, int | Fraction] = field(default_factory=dict, init=False, repr=False, compare=False)
    _kinds: dict[int, HopKind] = field(default_factory=dict, init=False, repr=False, compare=False)
    _burnt: dict[tuple[int, ...], int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _paid: dict[_Swap, tuple[Pool, int]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _left: dict[_Swap, tuple[Pool, Pool]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def best(self, walks: Sequence[Walk], curve_of: Callable[[Way], Curve]) -> list[Walk]:
        """The walks to trade one after another, of the ways that these take, each by itself at its best size.

        `curve_of` is in base units. Empty where nothing is gained together.
        """
        problem, ways = self._posed(walks, curve_of)
        found = self._solved(problem, ways)
        choices = [found]
        while len(found) > 1:
            found = self._without_the_poorest(problem, ways, found)
            choices.append(found)
            if self._net(found) <= self._net(choices[-2]) and self._fits(choices[-2]):
                break
        few = [choice for choice in choices if choice and self._fits(choice)]
        if all(amount_in <= SMALL for choice in few for _, amount_in in choice):
            few = [self._tried(choice) for choice in few]
        best = self._trimmed(self._settled(max(few, key=self._net, default=())))
        return [Walk(tuple(self._ways[number] for number in numbers), amount_in) for numbers, amount_in in best]

    def made(self, start: Asset, walks: Sequence[Walk]) -> Opportunity | None:
        """The walks as one opportunity; None where a pool refuses, or nothing is gained."""
        trips = tuple((tuple(map(self._number, walk.ways)), walk.amount_in) for walk in walks)
        steps: list[Step] = []
        gain = 0
        try:
            for (numbers, amount_in), pools, amounts in self._traded(trips):
                ways = (self._ways[number] for number in numbers)
                steps += map(step_of, pools, ways, amounts, amounts[1:])
                gain += amounts[-1] - amount_in
        except _NOT_TRADED:
            return None
        return Opportunity(start, steps[0].token_in.decimals, tuple(steps), gain) if gain > 0 else None

    def _posed(self, walks: Sequence[Walk], curve_of: Callable[[Way], Curve]) -> tuple[Problem, tuple[int, ...]]:
        """The walks' ways, each with as much of its curve as can matter, and the numbers of those that have a price.

        A coin that is wrapped on the way counts as its wrapped token, and wrapping as nothing: `_joined` puts it back.
        """
        carried: dict[int, float] = {}
        curves: dict[int, Curve] = {}
        for walk in walks:
            amount = float(walk.amount_in)
            for way in walk.ways:
                number = self._number(way)
                if number not in curves:
                    curves[number], carried[number] = curve_of(way), 0.0
                carried[number] += amount
                amount = output(curves[number], amount)
                if way.wraps_native:
                    coin, token = sorted((way.token_in, way.token_out), key=lambda it: it.address == way.venue)
                    self._wrapped[coin] = token
        start = walks[0].ways[0].token_in
        merged = {self._merged(way): number for number, way in enumerate(self._ways) if not way.wraps_native}
        cut = {way: tuple(_cut(curves[number], ROOM * carried[number])) for way, number in merged.items()}
        problem = problem_along(cut, start)
        return problem, tuple(merged[way] for way in problem.ways)

    def _merged(self, way: Way) -> Way:
        """The way in the problem; what trades the two themselves leads from one to itself there, by two names."""
        token_in, token_out = (self._wrapped.get(token, token) for token in (way.token_in, way.token_out))
        back = token_in == token_out == way.token_in
        return Way(f"{way.venue} back" if back else way.venue, token_in, token_out)

    def _joined(self, cycle: Sequence[int], start: Token) -> tuple[int, ...]:
        """The ways round from `start`, with what wraps or unwraps between two that meet in a coin and its token."""
        made: list[int] = []
        at = start
        for number in cycle:
            way = self._ways[number]
            if way.token_in != at:
                made.append(self._number(_wrapping(at, way.token_in)))
            made.append(number)
            at = way.token_out
        return tuple(made) if at == start else (*made, self._number(_wrapping(at, start)))

    def _number(self, way: Way) -> int:
        number = self._numbers.get(way)
        if number is None:
            number = self._numbers[way] = len(self._ways)
            self._ways.append(way)
            self._untouched.append(self.pools[way.venue])
        return number

    def _net(self, trips: _Trips) -> int | Fraction:
        """What the trips gain together, after the gas of one transaction; asked again of the same, it is known."""
        net = self._nets.get(trips)
        if net is None:
            net = self._nets[trips] = self._weighed(trips)
        return net

    def _weighed(self, trips: _Trips) -> int | Fraction:
        gas = self._gas(trips) if self.gas_price and trips else 0
        return self._gain(trips) - gas * self.gas_price

    def _gas(self, trips: _Trips) -> int:
        passed = ((self._ways[number].venue, self._kind(number)) for numbers, _ in trips for number in numbers)
        return gas_of_parts([self._burns(numbers) for numbers, _ in trips]) - gas_spared(passed)

    def _burns(self, numbers: tuple[int, ...]) -> int:
        burns = self._burnt.get(numbers)
        if burns is None:
            kinds = list(map(self._kind, numbers))
            burns = self._burnt[numbers] = gas_of_path(kinds)
        return burns

    def _kind(self, number: int) -> HopKind:
        kind = self._kinds.get(number)
        if kind is None:
            way = self._ways[number]
            kind = self._kinds[number] = self.pools[way.venue].hop(way.token_in, way.token_out).kind
        return kind

    def _fits(self, trips: _Trips) -> bool:
        """Whether one transaction may hold them all."""
        return len(trips) <= self.max_routes and self._gas(trips) <= self.most_gas

    def _without_the_poorest(self, problem: Problem, ways: Sequence[int], trips: _Trips) -> _Trips:
        """The optimum without the trip that is missed least."""
        left = max((trips[:at] + trips[at + 1 :] for at in range(len(trips))), key=self._net)
        kept = {number for numbers, _ in left for number in numbers}
        places = [at for at, number in enumerate(ways) if number in kept]
        solved = self._solved(problem.restricted(places), [ways[at] for at in places])
        return max((it for it in (solved, left) if len(it) < len(trips)), key=self._net)

    def _solved(self, problem: Problem, ways: Sequence[int]) -> _Trips:
        """The optimum's trips; `ways` are the numbers of the problem's."""
        if not problem.ways:
            return ()
        taken, start = _taken(solve(problem), self.max_hops), problem.tokens[0]
        return tuple((self._joined([ways[edge] for edge in cycle], start), amount_in) for cycle, amount_in in taken)

    def _tried(self, trips: _Trips) -> _Trips:
        """The same trips, at the sizes around theirs and in the order that gain most in integers."""
        reach = (int(TRIES ** (1 / len(trips))) - 1) // 2
        best = trips
        while True:
            orders = sorted(islice(permutations(best), TRIES), key=self._net, reverse=True)
            best = orders[0]
            around = (
                tuple((numbers, amount_in + move) for (numbers, amount_in), move in zip(order, moves, strict=True))
                for order in orders[:ORDERS]
                for moves in product(range(-reach, reach + 1), repeat=len(trips))
            )
            better = max((tuple(trip for trip in tried if trip[1] > 0) for tried in around), key=self._weighed)
            if self._net(better) <= self._net(best):
                return best
            best = better

    def _settled(self, trips: _Trips) -> _Trips:
        """The same trips, the size of each in turn where all gain most: by parabolas, as the pools themselves quote.

        The model is off where curves are fitted, and where a walk has been left out to which the others had made room.
        """
        for span in SPANS:
            for at, (numbers, amount_in) in enumerate(trips):
                before, after, step = trips[:at], trips[at + 1 :], int(amount_in * span)
                if not step:
                    continue
                tried = [(*before, (numbers, amount_in + by), *after) for by in (0, -step, step)]
                middle, low, high = map(self._net, tried)
                bend = 2 * middle - low - high
                if bend > 0:
                    move = min(max(step * (high - low) // (2 * bend), -2 * step), 2 * step)
                    tried.append((*before, (numbers, amount_in + move), *after))
                trips = max(tried, key=self._net)
        return trips

    def _trimmed(self, trips: _Trips) -> _Trips:
        """The same trips, each with the least input that buys as many units of its coarsest token."""
        after: dict[str, Pool] = {}
        left = self._passes(trips)
        made: list[_Trip] = []
        try:
            for numbers, amount_in in trips:
                pools = self._standing(numbers, after)
                amounts = self._amounts(pools, numbers, amount_in)
                coarsest = min(range(len(numbers)), key=amounts.__getitem__)
                before = (self._ways[number] for number in numbers[:coarsest])
                hops = [PoolHop(pool, way.token_in, way.token_out) for pool, way in zip(pools, before, strict=False)]
                least = backward(hops, amounts[coarsest]) or amount_in
                if least < amount_in:
                    amounts = self._amounts(pools, numbers, least)
                made.append((numbers, amounts[0]))
                self._leave(pools, numbers, amounts, after, left)
        except PoolError:
            return ()
        return tuple(made)

    def _gain(self, trips: _Trips) -> int:
        """What comes out less what goes in, exact; less than nothing where a pool refuses."""
        try:
            return sum(amounts[-1] - amounts[0] for _, _, amounts in self._traded(trips))
        except _NOT_TRADED:
            return -1

    def _traded(self, trips: _Trips) -> Iterator[_Traded]:
        """Each trip on what those before it leave. Raises what pools raise."""
        after: dict[str, Pool] = {}
        left = self._passes(trips)
        for trip in trips:
            numbers, amount_in = trip
            pools = self._standing(numbers, after)
            amounts = self._amounts(pools, numbers, amount_in)
            yield trip, pools, amounts
            self._leave(pools, numbers, amounts, after, left)

    def _passes(self, trips: _Trips) -> dict[str, int]:
        """How often the trips pass each venue."""
        passes: dict[str, int] = {}
        for numbers, _ in trips:
            for number in numbers:
                venue = self._ways[number].venue
                passes[venue] = passes.get(venue, 0) + 1
        return passes

    def _standing(self, numbers: Sequence[int], after: Mapping[str, Pool]) -> list[Pool]:
        return [after.get(self._ways[number].venue) or self._untouched[number] for number in numbers]

    def _amounts(self, pools: Sequence[Pool], numbers: Sequence[int], amount_in: int) -> list[int]:
        """What goes in, and what each pool pays: most swaps of a trip are alike in many companies."""
        amounts = [amount_in]
        for pool, number in zip(pools, numbers, strict=True):
            swap = id(pool), number, amount_in
            known = self._paid.get(swap)
            if known is None:
                way = self._ways[number]
                known = self._paid[swap] = pool, pool.paid(way.token_in, amount_in, way.token_out)
            amount_in = known[1]
            amounts.append(amount_in)
        return amounts

    def _leave(
        self,
        pools: Sequence[Pool],
        numbers: Sequence[int],
        amounts: Sequence[int],
        after: dict[str, Pool],
        left: dict[str, int],
    ) -> None:
        """What the swaps make of pools that are passed again: of equal swaps the same, by which the next are known."""
        for pool, number, amount in zip(pools, numbers, amounts, strict=False):
            way = self._ways[number]
            left[way.venue] -= 1
            if left[way.venue]:
                swap = id(pool), number, amount
                known = self._left.get(swap)
                if known is None:
                    known = self._left[swap] = pool, pool.swapped(way.token_in, amount, way.token_out)
                after[way.venue] = known[1]


def _wrapping(token_in: Token, token_out: Token) -> Way:
    """The way from a coin to its wrapped token, or back."""
    return Way(token_out.address if token_in.address == ZERO_ADDRESS else token_in.address, token_in, token_out)


def walks_of(solution: Solution, max_hops: int) -> list[Walk]:
    """The optimum's walks round from the numeraire, the most valuable first.

    Without those that are too long, and those that pass a pool twice: it is locked by then.
    """
    ways = solution.problem.ways
    taken = _taken(solution, max_hops)
    return [Walk(tuple(ways[edge] for edge in cycle), amount_in) for cycle, amount_in in taken]


def _taken(solution: Solution, max_hops: int) -> Iterator[_Trip]:
    """The same by the edges of the problem."""
    ways = solution.problem.ways
    for share in shares(solution, max_hops):
        cycle = share.cycle
        once = len({ways[edge].venue for edge in cycle}) == len(cycle)
        if not share.sale and once and len(cycle) <= max_hops and share.amount_in >= 1.0:
            yield cycle, int(share.amount_in)


def groups_of(found: Sequence[Sized], rivals: Sequence[Candidate]) -> Iterator[tuple[list[Sized], list[Candidate]]]:
    """What was found with the walks passed over that share a venue with it; the rest by itself.

    A walk that shares venues with several joins them.
    """
    groups: list[tuple[set[VenueId], list[Sized], list[Candidate]]] = [(each[0].venues, [each], []) for each in found]
    for rival in rivals:
        venues = rival.venues
        touched = [group for group in groups if not group[0].isdisjoint(venues)]
        if touched:
            first, *others = touched
            for group in others:
                first[0].update(group[0])
                first[1].extend(group[1])
                first[2].extend(group[2])
                groups.remove(group)
            first[0].update(venues)
            first[2].append(rival)
    return ((together, passed_over) for _, together, passed_over in groups)


def _cut(curve: Curve, most: float) -> Iterator[Piece]:
    """The curve's pieces up to `most` of input."""
    for piece in curve:
        yield piece
        most -= piece.cap
        if most <= 0.0:
            return
