"""Several walks as one plan: those that share pools, at the sizes that together gain most, quoted in exact integers.

The optimum over the walks' venues (`dual/`) says how much each should carry; what does not pay for its own hops is left
out, and the sizes are then made exact in integers, each walk on what those before it leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import NamedTuple

from bot.market.dual.decompose import shares
from bot.market.dual.exact import step_of
from bot.market.dual.problem import Problem, Way, problem_along
from bot.market.dual.solve import Solution, solve
from bot.market.exact import PoolHop, backward
from bot.market.graph import Edge, VenueId
from bot.market.kernels import Curve, output
from bot.market.opportunity import BLOCK_GAS, Opportunity, Step, gas_of_routes
from chains.assets import Asset, Token
from chains.hops import HopKind
from chains.pools.pool import Piece, Pool, PoolError

MOST_WALKS = 12
"""How many walks are worth combining, the best first; the dual then says which of them carry anything."""

ROOM = 4.0
"""A way may carry this many times what the walks along it carry when each is alone; curves are cut there."""

SMALL = 1 << 14
"""Up to so many base units sizes are tried one by one around the model's: there roundings hide the best from it."""

TRIES = 1_024
"""How many sizes are tried at once then, in every order of the walks."""

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
        return {edge.venue for edge in self.walk}

    @property
    def as_walk(self) -> Walk:
        """The same in base units."""
        ways = (Way(edge.venue, edge.token_in, edge.token_out) for edge in self.walk)
        return Walk(tuple(ways), int(self.amount_in * 10 ** self.walk[0].token_in.decimals))


_Swap = tuple[int, Way, int]
"""The identity of a pool as it is, the way through it, and what goes in."""

Sized = tuple[Candidate, Opportunity]
"""A candidate, and what it is in exact integers."""


@dataclass(frozen=True, slots=True)
class Combining:
    """What combining needs of a market; gas is paid in the token that the walks begin in, as if that were ETH.

    What is combined is estimated to burn no more than `most_gas`.
    """

    pools: Mapping[str, Pool]
    gas_price_wei: int
    max_routes: int
    max_hops: int
    most_gas: int = BLOCK_GAS
    _nets: dict[tuple[Walk, ...], int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _kinds: dict[Way, HopKind] = field(default_factory=dict, init=False, repr=False, compare=False)
    _paid: dict[_Swap, tuple[Pool, int]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _left: dict[_Swap, tuple[Pool, Pool]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def best(self, walks: Sequence[Walk], curve_of: Callable[[Way], Curve]) -> list[Walk]:
        """The walks to trade one after another, of the ways that these take, each by itself at its best size.

        `curve_of` is in base units. Empty where nothing is gained together.
        """
        problem = _problem(walks, curve_of)
        found = self._solved(problem)
        choices = [found]
        while len(found) > 1:
            found = self._without_the_poorest(problem, found)
            choices.append(found)
            if self.net(found) <= self.net(choices[-2]) and self._fits(choices[-2]):
                break
        few = [choice for choice in choices if choice and self._fits(choice)]
        if all(walk.amount_in <= SMALL for choice in few for walk in choice):
            few = [self._tried(choice) for choice in few]
        return self._trimmed(max(few, key=self.net, default=[]))

    def net(self, walks: Sequence[Walk]) -> int:
        """What the walks gain together, after the gas of one transaction; asked again of the same, it is known."""
        asked = tuple(walks)
        if asked not in self._nets:
            self._nets[asked] = self._net(asked)
        return self._nets[asked]

    def made(self, start: Asset, walks: Sequence[Walk]) -> Opportunity | None:
        """The walks as one opportunity; None where a pool refuses, or nothing is gained."""
        steps: list[Step] = []
        gain = 0
        try:
            for walk, pools, amounts in self._traded(walks):
                steps += map(step_of, pools, walk.ways, amounts, amounts[1:])
                gain += amounts[-1] - walk.amount_in
        except _NOT_TRADED:
            return None
        return Opportunity(start, steps[0].token_in.decimals, tuple(steps), gain) if gain > 0 else None

    def _net(self, walks: Sequence[Walk]) -> int:
        gas = self._gas(walks) if self.gas_price_wei and walks else 0
        return self._gain(walks) - gas * self.gas_price_wei

    def _gas(self, walks: Sequence[Walk]) -> int:
        return gas_of_routes(map(self._kind, walk.ways) for walk in walks)

    def _fits(self, walks: Sequence[Walk]) -> bool:
        """Whether one transaction may hold them all."""
        return len(walks) <= self.max_routes and self._gas(walks) <= self.most_gas

    def _without_the_poorest(self, problem: Problem, walks: list[Walk]) -> list[Walk]:
        """The optimum without the walk that is missed least."""
        left = max(([walk for walk in walks if walk is not one] for one in walks), key=self.net)
        kept = {way for walk in left for way in walk.ways}
        solved = self._solved(problem.restricted([at for at, way in enumerate(problem.ways) if way in kept]))
        return max((it for it in (solved, left) if len(it) < len(walks)), key=self.net)

    def _kind(self, way: Way) -> HopKind:
        kind = self._kinds.get(way)
        if kind is None:
            kind = self._kinds[way] = self.pools[way.venue].hop(way.token_in, way.token_out).kind
        return kind

    def _solved(self, problem: Problem) -> list[Walk]:
        return walks_of(solve(problem), self.max_hops) if problem.ways else []

    def _tried(self, walks: Sequence[Walk]) -> list[Walk]:
        """The same walks, at the sizes around theirs and in the order that gain most in integers."""
        reach = (int(TRIES ** (1 / len(walks))) - 1) // 2
        best = max(permutations(walks), key=self.net)
        while True:
            around = (
                tuple(Walk(walk.ways, walk.amount_in + move) for walk, move in zip(order, moves, strict=True))
                for order in permutations(best)
                for moves in product(range(-reach, reach + 1), repeat=len(walks))
            )
            kept = (tuple(walk for walk in tried if walk.amount_in > 0) for tried in around)
            better = max(kept, key=self._net)
            if self.net(better) <= self.net(best):
                return list(best)
            best = better

    def _trimmed(self, walks: Sequence[Walk]) -> list[Walk]:
        """The same walks, each with the least input that buys as many units of its coarsest token."""
        after: dict[str, Pool] = {}
        left = _passes(walks)
        made = []
        try:
            for walk in walks:
                pools = self._standing(walk, after)
                amounts = self._amounts(pools, walk.ways, walk.amount_in)
                coarsest = min(range(len(walk.ways)), key=amounts.__getitem__)
                before = map(PoolHop, pools[:coarsest], *_ends(walk.ways[:coarsest]))
                least = backward(tuple(before), amounts[coarsest]) or walk.amount_in
                if least < walk.amount_in:
                    amounts = self._amounts(pools, walk.ways, least)
                made.append(Walk(walk.ways, amounts[0]))
                self._leave(pools, walk.ways, amounts, after, left)
        except PoolError:
            return []
        return made

    def _gain(self, walks: Sequence[Walk]) -> int:
        """What comes out less what goes in, exact; less than nothing where a pool refuses."""
        try:
            return sum(amounts[-1] - amounts[0] for _, _, amounts in self._traded(walks))
        except _NOT_TRADED:
            return -1

    def _traded(self, walks: Sequence[Walk]) -> Iterator[tuple[Walk, list[Pool], list[int]]]:
        """Each walk on what those before it leave: its pools as they are then, what goes in, and what each pays.

        Raises what pools raise.
        """
        after: dict[str, Pool] = {}
        left = _passes(walks)
        for walk in walks:
            pools = self._standing(walk, after)
            amounts = self._amounts(pools, walk.ways, walk.amount_in)
            yield walk, pools, amounts
            self._leave(pools, walk.ways, amounts, after, left)

    def _standing(self, walk: Walk, after: Mapping[str, Pool]) -> list[Pool]:
        return [after.get(way.venue) or self.pools[way.venue] for way in walk.ways]

    def _amounts(self, pools: Sequence[Pool], ways: Sequence[Way], amount_in: int) -> list[int]:
        """What goes in, and what each pool pays: walks are weighed in many companies, and most swaps are alike."""
        amounts = [amount_in]
        for pool, way in zip(pools, ways, strict=True):
            swap = id(pool), way, amounts[-1]
            known = self._paid.get(swap)
            if known is None:
                known = self._paid[swap] = pool, pool.paid(way.token_in, amounts[-1], way.token_out)
            amounts.append(known[1])
        return amounts

    def _leave(
        self,
        pools: Sequence[Pool],
        ways: Sequence[Way],
        amounts: Sequence[int],
        after: dict[str, Pool],
        left: Counter[str],
    ) -> None:
        """What the swaps make of pools that are passed again: of equal swaps the same, by which the next are known."""
        for pool, way, amount in zip(pools, ways, amounts, strict=False):
            left[way.venue] -= 1
            if left[way.venue]:
                swap = id(pool), way, amount
                known = self._left.get(swap)
                if known is None:
                    known = self._left[swap] = pool, pool.swapped(way.token_in, amount, way.token_out)
                after[way.venue] = known[1]


def _passes(walks: Sequence[Walk]) -> Counter[str]:
    """How often the walks pass each venue."""
    return Counter(way.venue for walk in walks for way in walk.ways)


def _ends(ways: Sequence[Way]) -> tuple[list[Token], list[Token]]:
    return [way.token_in for way in ways], [way.token_out for way in ways]


def walks_of(solution: Solution, max_hops: int) -> list[Walk]:
    """The optimum's walks round from the numeraire, the most valuable first.

    Without those that are too long, and those that pass a pool twice: it is locked by then.
    """
    ways_of, found = solution.problem.ways, []
    for share in shares(solution, max_hops):
        ways = tuple(ways_of[edge] for edge in share.cycle)
        once = len({way.venue for way in ways}) == len(ways)
        if not share.sale and once and len(ways) <= max_hops and share.amount_in >= 1.0:
            found.append(Walk(ways, int(share.amount_in)))
    return found


def groups_of(found: Sequence[Sized], rivals: Sequence[Candidate]) -> Iterator[tuple[list[Sized], list[Candidate]]]:
    """What was found with the walks passed over that share a venue and the first token with it; the rest by itself.

    A walk that shares venues with several joins them.
    """
    groups: list[tuple[set[VenueId], list[Sized], list[Candidate]]] = [(each[0].venues, [each], []) for each in found]
    for rival in rivals:
        venues = rival.venues
        touched = [
            group
            for group in groups
            if not group[0].isdisjoint(venues) and group[1][0][0].walk[0].token_in == rival.walk[0].token_in
        ]
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


def _problem(walks: Sequence[Walk], curve_of: Callable[[Way], Curve]) -> Problem:
    """The walks' ways, each with as much of its curve as can matter."""
    carried: dict[Way, float] = {}
    curves: dict[Way, Curve] = {}
    for walk in walks:
        amount = float(walk.amount_in)
        for way in walk.ways:
            curves[way] = curves.get(way) or curve_of(way)
            carried[way] = carried.get(way, 0.0) + amount
            amount = output(curves[way], amount)
    start = walks[0].ways[0].token_in
    return problem_along({way: tuple(_cut(curves[way], ROOM * most)) for way, most in carried.items()}, start)


def _cut(curve: Curve, most: float) -> Iterator[Piece]:
    """The curve's pieces up to `most` of input."""
    for piece in curve:
        yield piece
        most -= piece.cap
        if most <= 0.0:
            return
