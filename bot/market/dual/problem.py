"""The market as the optimum sees it: nodes, directed edges and pieces in arrays, built from pools and books."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.market.dual.kernels import CAP, CURVATURE, RATE, Floats, Ints
from bot.market.dual.venues import Venue
from chains.assets import ZERO_ADDRESS, Token
from chains.pools.pool import NOT_UNDERSTOOD, Piece

STRAIGHT = 1e-7
"""How much of its rate a straight piece is made to lose over its length, so that every flow has its own price."""

ENDLESS = 1e6
"""A straight piece longer than this many whole tokens is bent as if it were this long."""

UNTRADABLE = "no liquidity, or no room for any more"


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of one venue."""

    venue: str
    token_in: Token
    token_out: Token

    def __hash__(self) -> int:
        # Of texts, which keep their hashes: ways are looked up far more often than made.
        return hash((self.venue, self.token_in.address, self.token_out.address))

    @property
    def wraps_native(self) -> bool:
        """Whether it wraps or unwraps the native coin, which any amount may at any time."""
        return {self.token_in.address, self.token_out.address} == {ZERO_ADDRESS, self.venue}


Curves = dict[Way, tuple[Piece, ...]]
"""What ways cost, by pieces whose rates only fall."""


@dataclass(frozen=True, slots=True)
class Problem:
    """maximise what comes out in `tokens[0]` over all `ways` at once, every other token conserved.

    `ends` are the nodes of each way, in and out; `stretches` its rows of `pieces`, which are laid out as
    `kernels.py` says. `refused` are venues that take no part, and why. Tokens that no cycle can pass, and venues that
    only lead to them, are left out silently: they cannot gain.
    """

    tokens: tuple[Token, ...]
    ways: tuple[Way, ...]
    venues: Mapping[str, Venue]
    ends: Ints
    stretches: Ints
    pieces: Floats
    refused: Mapping[str, str]

    def restricted(self, kept: Sequence[int]) -> Problem:
        """Only the ways `kept`, over the same tokens and pieces."""
        chosen = np.asarray(kept, dtype=np.int64)
        return Problem(
            self.tokens,
            tuple(self.ways[edge] for edge in kept),
            self.venues,
            self.ends[chosen].reshape(-1, 2).copy(),
            self.stretches[chosen].reshape(-1, 2).copy(),
            self.pieces,
            self.refused,
        )


def problem_of(venues: Iterable[Venue], numeraire: Token, also: Iterable[Token] = ()) -> Problem:
    """The problem that the venues pose. A venue whose curve cannot be had is refused by name; nothing else stops.

    Tokens that no cycle passes are left out, but for the numeraire and those in `also`, where walks may end.
    """
    known = {venue.venue: venue for venue in venues}
    refused: dict[str, str] = {}
    curves: dict[str, Curves] = {}
    for name, venue in known.items():
        try:
            curves[name] = curves_of(venue)
        except NOT_UNDERSTOOD as error:
            refused[name] = f"no price curve: {error}"
            continue
        if not curves[name]:
            refused[name] = UNTRADABLE
    return posed_by(curves, known, numeraire, refused, also)


def posed_by(
    curves: Mapping[str, Curves],
    venues: Mapping[str, Venue],
    numeraire: Token,
    refused: Mapping[str, str],
    also: Iterable[Token] = (),
) -> Problem:
    """The same by the venues' curves, where those are known already."""
    every = {way: curve for found in curves.values() for way, curve in found.items()}
    ways = _passable(every, numeraire, {numeraire, *also})
    posing = {name: venue for name, venue in venues.items() if name not in refused}
    return _laid_out({way: every[way] for way in ways}, numeraire, posing, dict(refused))


def curves_of(venue: Venue) -> Curves:
    """The venue's ways that have a price. Raises what is in `NOT_UNDERSTOOD`."""
    return dict(_curves(venue))


def problem_along(curves: Mapping[Way, Iterable[Piece]], numeraire: Token) -> Problem:
    """The problem of these ways alone, by their curves in base units. Its venues are not told.

    Raises `ValueError` for what is no number.
    """
    kept = {way: tuple(falling(curve, way.token_in)) for way, curve in curves.items()}
    return _laid_out({way: curve for way, curve in kept.items() if curve}, numeraire, {}, {})


def _laid_out(
    curves: Mapping[Way, Iterable[Piece]], numeraire: Token, venues: Mapping[str, Venue], refused: Mapping[str, str]
) -> Problem:
    """The problem of `curves`, which all take part, in arrays."""
    ways = tuple(curves)
    tokens = _ordered(ways, numeraire)
    node = {token: number for number, token in enumerate(tokens)}
    rows: list[tuple[float, float, float, float, float]] = []
    stretches = []
    for way in ways:
        first = len(rows)
        rows.extend(summed(curves[way]))
        stretches.append((first, len(rows)))
    return Problem(
        tokens,
        ways,
        venues,
        np.array([(node[way.token_in], node[way.token_out]) for way in ways], dtype=np.int64).reshape(-1, 2),
        np.array(stretches, dtype=np.int64).reshape(-1, 2),
        np.array(rows, dtype=np.float64).reshape(-1, 5),
        refused,
    )


def opening_prices(problem: Problem) -> Floats:
    """A first guess: the price of each token in the numeraire along its widest path. 1.0 where no path leads there."""
    prices = [1.0] * len(problem.tokens)
    into: dict[int, list[int]] = {}
    ends, first = problem.ends.tolist(), problem.pieces[problem.stretches[:, 0]][:, [RATE, CURVATURE, CAP]].tolist()
    for edge, (_, target) in enumerate(ends):
        into.setdefault(target, []).append(edge)
    best, settled = {0: math.inf}, set()
    queue = [(-math.inf, 0)]
    while queue:
        width, node = heapq.heappop(queue)
        if node in settled:
            continue
        settled.add(node)
        for edge in into.get(node, ()):
            source = ends[edge][0]
            if source in settled:
                continue
            rate, curvature, cap = first[edge]
            depth = min(-width, min(1.0 / curvature, cap) * rate * prices[node])
            if depth > best.get(source, 0.0):
                best[source], prices[source] = depth, rate * prices[node]
                heapq.heappush(queue, (-depth, source))
    return np.array(prices)


def _curves(venue: Venue) -> Iterator[tuple[Way, tuple[Piece, ...]]]:
    """The venue's ways that have a price."""
    for token_in in venue.tokens:
        for token_out in venue.tokens:
            if token_in != token_out:
                curve = tuple(falling(venue.pieces(token_in, token_out), token_in))
                if curve:
                    yield Way(venue.venue, token_in, token_out), curve


def falling(curve: Iterable[Piece], token_in: Token) -> Iterator[Piece]:
    """The curve with rates that only fall, and no piece quite straight. Raises `ValueError` for what is no number."""
    least, endless = math.inf, ENDLESS * 10.0**token_in.decimals
    for rate, curvature, cap in curve:
        if not (0.0 <= rate < math.inf and 0.0 <= curvature < math.inf and cap == cap):
            raise ValueError(f"a piece of rate {rate}, curvature {curvature} and cap {cap}")
        if rate <= 0.0 or cap <= 0.0:
            continue
        bent = curvature or STRAIGHT / min(cap, endless)
        least = min(rate, least)
        yield Piece(least, bent, cap)
        least /= (1.0 + bent * cap) ** 2


def summed(curve: Iterable[Piece]) -> Iterator[tuple[float, float, float, float, float]]:
    """A curve's rows of `pieces`."""
    before_in = before_out = 0.0
    for rate, curvature, cap in curve:
        yield rate, curvature, cap, before_in, before_out
        before_in += cap
        before_out += rate * cap / (1.0 + curvature * cap)


def _passable(curves: Mapping[Way, object], numeraire: Token, kept: Collection[Token]) -> list[Way]:
    """The ways that a closed walk through two venues or more can take, and that hang together with the numeraire."""
    at: dict[Token, dict[str, None]] = {}
    between: dict[tuple[str, Token], set[Token]] = {}
    for way in curves:
        for one, other in ((way.token_in, way.token_out), (way.token_out, way.token_in)):
            at.setdefault(one, {})[way.venue] = None
            between.setdefault((way.venue, one), set()).add(other)
    ends = [token for token, venues in at.items() if len(venues) < 2 and token not in kept]
    while ends:
        token = ends.pop()
        for venue in at.pop(token, ()):
            for other in between.pop((venue, token), ()):
                joined = between.get((venue, other), set())
                joined.discard(token)
                if not joined and other in at:
                    at[other].pop(venue, None)
                    between.pop((venue, other), None)
                    if len(at[other]) < 2 and other not in kept:
                        ends.append(other)
    reached, frontier = {numeraire}, [numeraire]
    while frontier:
        token = frontier.pop()
        for venue in at.get(token, ()):
            for other in between.get((venue, token), ()):
                if other not in reached:
                    reached.add(other)
                    frontier.append(other)
    inside = reached & (at.keys() | {numeraire})
    return [way for way in curves if way.token_in in inside and way.token_out in inside]


def _ordered(ways: Iterable[Way], numeraire: Token) -> tuple[Token, ...]:
    """The numeraire, then tokens with few ways before hubs: so elimination leaves its matrix sparse."""
    degree: dict[Token, int] = {}
    for way in ways:
        degree[way.token_in] = degree.get(way.token_in, 0) + 1
        degree.setdefault(way.token_out, 0)
    degree.pop(numeraire, None)
    return (numeraire, *sorted(degree, key=lambda token: (degree[token], token.address)))
