"""Walks traded one after another in exact integers: each hop is quoted on the state that the hops before it left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from bot.market.dual.decompose import Edges
from bot.market.dual.problem import Problem, Way
from bot.market.dual.venues import Venue, hop_of
from bot.market.kernels import Curve, optimal_input
from bot.market.opportunity import Step, gas_of
from chains.assets import Token
from chains.pools.pool import PoolError

_HAIRS = (0.0, 1e-9, 1e-6, 1e-3, 1e-2)
"""How much less is tried where a venue refuses: rounding can ask for a unit more than its curve holds."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Ways to be traded in order: a closed cycle, then the sale of its gain where it did not close in the numeraire."""

    cycle: tuple[Way, ...]
    sale: tuple[Way, ...] = ()

    @property
    def ways(self) -> tuple[Way, ...]:
        return self.cycle + self.sale

    def __str__(self) -> str:
        return " -> ".join([self.cycle[0].token_in.symbol, *(way.token_out.symbol for way in self.ways)])


@dataclass(frozen=True, slots=True)
class Trade:
    """A walk at exact amounts. `gain` is base units of the numeraire before gas; `gas` an estimate.

    The first `len(walk.cycle)` steps close the cycle; its gain goes into the others.
    """

    walk: Walk
    steps: tuple[Step, ...]
    gain: int
    gas: int

    def net(self, gas_price_wei: int) -> int:
        """`gain` less gas; meaningful where the numeraire is the wrapped gas coin."""
        return self.gain - self.gas * gas_price_wei

    @property
    def amount_in(self) -> int:
        return self.steps[0].amount_in


@dataclass(frozen=True)
class Swapped:
    """A venue that is swapped at. What that leaves is found out where it matters: some pools cannot tell."""

    venue: Venue
    way: Way
    amount_in: int

    @cached_property
    def after(self) -> Venue:
        """Raises `PoolError`."""
        return self.venue.swapped(self.way.token_in, self.amount_in, self.way.token_out)


class Desk:
    """The venues as trades leave them. Nothing outside is changed."""

    def __init__(self, venues: Mapping[str, Venue]) -> None:
        self._first = venues
        self._last: dict[str, Swapped] = {}

    def venue(self, name: str) -> Venue:
        """The venue after all trades so far. Raises `PoolError` where it cannot tell what they leave."""
        return self._last[name].after if name in self._last else self._first[name]

    def curve(self, way: Way) -> Curve:
        """The way's price curve now; none if it cannot be had."""
        try:
            return self.venue(way.venue).pieces(way.token_in, way.token_out)
        except (PoolError, ArithmeticError):
            return ()

    def best_input(self, walk: Walk, most: float) -> tuple[float, float]:
        """The cycle's optimal input now, and its gain, by the model; base units of its first token."""
        return optimal_input([self.curve(way) for way in walk.cycle], most)

    def trade(self, walk: Walk, amount_in: float, gas_price_wei: int = 0) -> Trade | None:
        """Trade about `amount_in` along `walk`, and keep what it does to the venues; None if it does not pay."""
        for hair in _HAIRS:
            swapped: dict[str, Swapped] = {}
            units = max(1, int(amount_in * (1.0 - hair)))
            try:
                steps = tuple(_along(self, walk.cycle, units, swapped))
                gain = steps[-1].amount_out - units
                if gain <= 0:
                    return None
                if walk.sale:
                    steps += tuple(_along(self, walk.sale, gain, swapped))
                    gain = steps[-1].amount_out
            except (PoolError, ArithmeticError):
                continue
            made = Trade(walk, steps, gain, _gas(walk, steps))
            if made.net(gas_price_wei) <= 0:
                return None
            self.keep(swapped)
            return made
        return None

    def keep(self, swapped: Mapping[str, Swapped]) -> None:
        """Take over what was swapped."""
        self._last.update(swapped)


def swaps(desk: Desk, ways: tuple[Way, ...], amount_in: int) -> tuple[Step, ...]:
    """Swap exactly `amount_in` along `ways`, and keep what that does to the venues.

    Raises `PoolError`, and keeps nothing then.
    """
    steps, swapped = quoted(desk, ways, amount_in)
    desk.keep(swapped)
    return steps


def quoted(desk: Desk, ways: tuple[Way, ...], amount_in: int) -> tuple[tuple[Step, ...], dict[str, Swapped]]:
    """Exactly `amount_in` along `ways`: the steps, and what the desk is to keep of them. Raises `PoolError`."""
    swapped: dict[str, Swapped] = {}
    return tuple(_along(desk, ways, amount_in, swapped)), swapped


def _along(desk: Desk, ways: tuple[Way, ...], amount_in: int, swapped: dict[str, Swapped]) -> Iterator[Step]:
    """One exact step per way; `swapped` takes what is swapped at. Raises `PoolError`."""
    for way in ways:
        before = swapped.get(way.venue)
        venue = desk.venue(way.venue) if before is None else before.after
        paid = venue.paid(way.token_in, amount_in, way.token_out)
        made = step_of(venue, way, amount_in, paid)
        swapped[way.venue] = Swapped(venue, way, amount_in)
        yield made
        amount_in = paid


def step_of(venue: Venue, way: Way, amount_in: int, amount_out: int) -> Step:
    """One hop at exact amounts through the venue as it is before the trade."""
    whole = venue.marginal_price(way.token_in, way.token_out) * 10.0 ** (way.token_in.decimals - way.token_out.decimals)
    hop = hop_of(venue, way.token_in, way.token_out)
    return Step(way.venue, way.token_in, way.token_out, amount_in, amount_out, whole, venue.fee_ppm, hop)


def walk_of(problem: Problem, cycle: Edges, sale: Edges = ()) -> Walk:
    """The walk along edges of `problem`."""
    return Walk(tuple(problem.ways[edge] for edge in cycle), tuple(problem.ways[edge] for edge in sale))


def starts_at(walk: Walk) -> Token:
    """The token in which the cycle closes."""
    return walk.cycle[0].token_in


def _gas(walk: Walk, steps: tuple[Step, ...]) -> int:
    """The cycle's transaction, and that of the sale; hops at an exchange burn none."""
    parts = steps[: len(walk.cycle)], steps[len(walk.cycle) :]
    kinds = ([step.hop.kind for step in part if step.hop is not None] for part in parts)
    return sum(gas_of(part) for part in kinds if part)
