"""From screened walks to opportunities: found and sized by the packed market's kernels, then made exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import numpy as np

from bot.market.books import two_sided
from bot.market.combined import MOST_WALKS, SPANS, Candidate, Combining, Edges, Sized, Walk, groups_of
from bot.market.dual.problem import Way
from bot.market.exact import PoolHop, best_cycle
from bot.market.graph import Edge, Graph, VenueId
from bot.market.kernels import Curve, capped, in_base_units, optimal_input, output
from bot.market.kinds import CLOSED_FORMS
from bot.market.opportunity import GAS_BASE, GAS_INVENTORY, GAS_PER_HOP, Opportunity, Step, gas_of_exchange
from bot.market.packed import Filter, Found
from bot.market.packed.shapes import CLASSES, I4
from bot.market.packing import BOOK_CLASS, Packing
from bot.market.wrapped import between_wraps, wrapped
from bot.plan import Side
from bot.transaction import MOST_GAS
from chains.assets import ETH, Asset, Token
from chains.exchanges.books import Book
from chains.pools.pool import Pool

ATTEMPTS_PER_RESULT = 4
"""How many candidates are made exact at most, per opportunity wanted: what rounding eats costs no more than this."""

MOST_ROUNDS = 64
"""How often the kernels are asked anew without the venues that are taken or not allowed."""

WEI_DECIMALS = 18
WEI_PER_ETH = 10**18
_ONE = Fraction(1)
_LOTS_AROUND = (0, -1, 1)

GAS_OF_CLASS = np.zeros(CLASSES)
for _kind, _gas in GAS_PER_HOP.items():
    GAS_OF_CLASS[_kind] = _gas
"""Gas of a hop by the packed market's classes; at an exchange it burns none."""

Allowed = Callable[[VenueId, Token], bool]
"""Whether a walk may take a token into a venue."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. `through` are the venues that changed; see `Market.cycles` for the rest."""

    through: Collection[VenueId]
    starts: tuple[Asset, ...]
    max_hops: int
    books: int
    min_rate: float
    gas_price_wei: int
    inventory: Mapping[Token, int] | None
    limit: int
    overlapping: bool
    allowed: Allowed | None
    max_routes: int = 1
    most_gas: int = MOST_GAS


@dataclass(frozen=True, slots=True)
class Answer:
    """Opportunities, best first, each exact; and how many walks more gain by the float model, or were not sized."""

    opportunities: tuple[Opportunity, ...] = ()
    rest: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """The market as the search sees it: all of it read, none of it changed."""

    graph: Graph
    pools: Mapping[VenueId, Pool]
    books: Mapping[VenueId, Book]
    curve_of: Callable[[Edge], Curve]
    price: Callable[[Asset, Asset], float]
    packing: Packing

    def answer(self, question: Question) -> Answer:
        """What is profitable; the packed market must be in step with this one.

        The kernels give the best walks of all. Those that may not be taken are forbidden, and the kernels are asked
        again before any is taken: a better one may stand behind them. So are those that share a venue with better ones,
        until nothing is left or enough was found.
        """
        starts = tuple(node for asset in question.starts for node in self.packing.starts(asset))
        through = self.packing.pools_of(question.through)
        if not len(through) or not (starts or question.books):
            return Answer()
        found: list[Sized] = []
        rivals: list[Candidate] = []
        tried: set[tuple[int, ...]] = set()
        allows = _asked_once(question)
        forbidden = set(self._without_inventory(question))
        taken: set[VenueId] = set()
        attempts, rest = question.limit * ATTEMPTS_PER_RESULT, 0
        for asked in range(MOST_ROUNDS):
            shown = self._ask(question, through, starts, forbidden)
            rest = shown.rest + shown.unsized
            fresh = [one for one in self._candidates(shown, question) if one.numbers not in tried]
            denied = {edge.id: edge for candidate in fresh for edge in candidate.walk if not allows(edge)}
            before = len(forbidden)
            forbidden.update(at for edge in denied.values() for at in self.packing.edges_of(edge))
            if len(forbidden) > before and asked < MOST_ROUNDS // 2:
                continue
            for candidate in fresh:
                tried.add(candidate.numbers)
                if not denied.keys().isdisjoint(candidate.numbers):
                    continue
                if not question.overlapping and any(edge.venue in taken for edge in candidate.walk):
                    rivals.append(candidate)
                    continue
                if len(found) == question.limit or not attempts:
                    rest += 1
                    continue
                attempts -= 1
                opportunity = (self._two_sided if question.books else self._cycle)(candidate, question)
                if opportunity is not None and opportunity.net_profit_wei(question.gas_price_wei) > 0:
                    found.append((candidate, opportunity))
                    taken |= opportunity.venues
            if not question.overlapping:
                forbidden.update(self._edges_of(taken))
            if len(forbidden) == before or len(found) == question.limit or not attempts:
                break
        opportunities = [opportunity for _, opportunity in found]
        if question.max_routes > 1 and not question.books:
            opportunities = [each for group in groups_of(found, rivals) for each in self._grouped(*group, question)]
        opportunities.sort(key=lambda each: each.net_profit_wei(question.gas_price_wei), reverse=True)
        return Answer(tuple(opportunities), rest)

    def together(self, walks: Sequence[Walk], question: Question) -> Opportunity | None:
        """The best that these walks make of the market as one opportunity; None where they gain nothing.

        Walks through venues that are not there, or not allowed, take no part.
        """
        edges = {way: edge for walk in walks for way in walk.ways if (edge := self._edge_of(way)) is not None}
        open_to = [walk for walk in walks if all(way in edges and _allows(question, edges[way]) for way in walk.ways)]
        return self._combined(open_to, edges, question) if open_to else None

    def _combined(self, walks: Sequence[Walk], edges: Mapping[Way, Edge], question: Question) -> Opportunity | None:
        """The same of walks that may all be taken, along these edges."""
        limits = question.max_routes, question.max_hops, question.most_gas
        first = edges[walks[0].ways[0]]
        start = self.graph.asset_of[first.source]
        worth = self._worth(start)
        combining = Combining(self.pools, _in_units(question.gas_price_wei, first.token_in, worth), *limits)
        best = combining.best(walks, lambda way: in_base_units(self.curve_of(edges[way]), way.token_in, way.token_out))
        made = combining.made(start, best) if best else None
        return None if made is None else self._from_wrapped(replace(made, worth=worth), question)

    def _from_wrapped(self, made: Opportunity, question: Question) -> Opportunity:
        return wrapped(made, self.packing.tokens_of(made.start), self.pools, question.allowed or _anything)

    def _edge_of(self, way: Way) -> Edge | None:
        """The edge of a pool that the way goes along."""
        edges = self.graph.edges_of(way.venue) if way.venue in self.pools else ()
        return next((it for it in edges if (it.token_in, it.token_out) == (way.token_in, way.token_out)), None)

    def _grouped(self, found: Sequence[Sized], rivals: Sequence[Candidate], question: Question) -> list[Opportunity]:
        """What was found; or one opportunity of several routes for what shares venues with it, where that nets more.

        Routes of one opportunity begin in one token.
        """
        apart = [opportunity for _, opportunity in found]
        if not rivals:
            return apart
        alike: dict[Token, list[Candidate]] = {}
        for candidate in (*(candidate for candidate, _ in found), *rivals):
            tokens = self.packing.tokens_of(self.graph.asset_of[candidate.walk[0].source])
            walk = between_wraps(candidate.walk, tokens, self.pools, self.graph, question.allowed or _anything)
            alike.setdefault(walk[0].token_in, []).append(candidate._replace(walk=walk))
        choices = [apart]
        for company in alike.values():
            made = self._company(company[:MOST_WALKS], question)
            if made is not None:
                choices.append([made, *(each for each in apart if each.venues.isdisjoint(made.venues))])
        price = question.gas_price_wei
        return max(choices, key=lambda choice: sum(each.net_profit_wei(price) for each in choice))

    def _company(self, candidates: Sequence[Candidate], question: Question) -> Opportunity | None:
        """The best that candidates from one token make together."""
        walks = [each.as_walk for each in candidates]
        edges = {
            way: edge
            for walk, each in zip(walks, candidates, strict=True)
            for way, edge in zip(walk.ways, each.walk, strict=True)
        }
        return self._combined(walks, edges, question)

    def _ask(self, question: Question, through: I4, starts: tuple[int, ...], forbidden: Collection[int]) -> Found:
        """The best walks by the kernels, which count in what the first start in the market is worth to them."""
        first = next((asset for asset in question.starts if self.packing.starts(asset)), None)
        unit = 1.0 if first is None else self.packing.value(starts[0]) / float(self._worth(first))
        allowed = Filter(
            counted=frozenset({BOOK_CLASS}),
            exactly=question.books,
            forbidden_edges=np.array(sorted(forbidden), np.int32),
            starts=() if question.books else starts,
            max_hops=question.max_hops,
            gas_price_wei=int(question.gas_price_wei * unit),
            gas_base=GAS_BASE + (GAS_INVENTORY if question.books else 0),
            gas_of_class=GAS_OF_CLASS,
        )
        return self.packing.detector(question.gas_price_wei).search(through, allowed)

    def _candidates(self, shown: Found, question: Question) -> list[Candidate]:
        """The walks as edges, with sizes in whole units, best first; those with a book end in it."""
        made = []
        for each in shown.candidates:
            walk = tuple(map(self.packing.edge, each.edges))
            if math.prod(self.graph.rate[edge.id] for edge in walk) <= question.min_rate:
                continue
            if question.books:
                sized = self._sized(walk, question)
                if sized is not None:
                    made.append(sized)
            else:
                value = self.packing.value(self.packing.source(each.edges[0]))
                made.append(Candidate(each.net, walk, each.size / value, each.gain / value))
        made.sort(key=lambda candidate: candidate.net, reverse=True)
        return made

    def _without_inventory(self, question: Question) -> Iterable[int]:
        """Edges of books whose input, or the token on the chain that their output pays for, nobody holds."""
        if not question.books or question.inventory is None:
            return
        held = question.inventory
        for venue in self.books:
            for edge in self.graph.edges_of(venue):
                for number in self.packing.edges_of(edge):
                    if not held.get(edge.token_in) or not held.get(self.packing.token_out(number)):
                        yield number

    def _edges_of(self, venues: Iterable[VenueId]) -> Iterable[int]:
        return (at for venue in venues for edge in self.graph.edges_of(venue) for at in self.packing.edges_of(edge))

    def _sized(self, walk: Edges, question: Question) -> Candidate | None:
        """A walk of one book with its best size within the inventory; None if that does not pay for its gas."""
        book = next(place for place, edge in enumerate(walk) if edge.is_book)
        walk = walk[book + 1 :] + walk[: book + 1]
        curves = [self.curve_of(edge) for edge in walk]
        if question.inventory is not None:
            curves[0] = capped(curves[0], _held(question.inventory, walk[0].token_in))
            curves[-1] = capped(curves[-1], _held(question.inventory, walk[-1].token_in))
        amount_in, gain = optimal_input(curves)
        if not gain > 0.0:
            return None
        value = gain * self.price(self.graph.asset_of[walk[0].source], question.starts[0])
        if not value > 0.0:
            return None
        value *= float(self._worth(question.starts[0]))
        gas = gas_of_exchange(self.pools[edge.venue].hop(edge.token_in, edge.token_out).kind for edge in walk[:-1])
        net = value * WEI_PER_ETH - gas * question.gas_price_wei
        return Candidate(net, walk, amount_in, gain) if net > 0.0 else None

    def _cycle(self, candidate: Candidate, question: Question) -> Opportunity | None:
        """Exact amounts of a closed cycle of pools."""
        route = [self._hop(edge) for edge in candidate.walk]
        unit = 10 ** route[0].token_in.decimals
        amounts = best_cycle(route, int(candidate.amount_in * unit), candidate.gain * unit)
        if amounts is None:
            return None
        steps = tuple(map(self._step, candidate.walk, amounts, amounts[1:]))
        start = self.graph.asset_of[candidate.walk[0].source]
        gain = amounts[-1] - amounts[0]
        made = Opportunity(start, route[0].token_in.decimals, steps, gain, worth=self._worth(start))
        return self._from_wrapped(made, question)

    def _two_sided(self, candidate: Candidate, question: Question) -> Opportunity | None:
        """Exact amounts of a route against an order, in whole lots."""
        *path, last = candidate.walk
        book = self.books[last.venue]
        side = Side.SELL if last.token_in == book.base else Side.BUY
        route = [self._hop(edge) for edge in path]
        base = candidate.amount_in
        if side is Side.SELL:
            for edge in path:
                base = output(self.curve_of(edge), base)
        least = book.least_order("sell" if side is Side.SELL else "buy")
        lots = max(round(base * 10**book.base.decimals / book.lot), least // book.lot)
        start = question.starts[0]

        @cache
        def made_of(lots: int) -> Opportunity | None:
            trade = two_sided(route, book, side, lots)
            if trade is None or not _covered(trade.deltas(route), question.inventory):
                return None
            steps = (
                *map(self._step, path, trade.amounts, trade.amounts[1:]),
                self._step(last, trade.order_in, trade.order_out),
            )
            gain = self._value(trade.deltas(route), start)
            return Opportunity(start, WEI_DECIMALS, steps, gain, trade.order, worth=self._worth(start))

        if not all(self.pools[edge.venue].family in CLOSED_FORMS for edge in path):
            lots = _settled(made_of, lots)
        around = (made for by in _LOTS_AROUND if (made := made_of(lots + by)) is not None)
        return max(around, key=_gain, default=None)

    def _worth(self, asset: Asset) -> Fraction:
        """ETH per whole unit of `asset`; where no price tells it, what it counts for in the packed market."""
        if asset == ETH:
            return _ONE
        price = self.price(asset, ETH)
        if not (price > 0.0 and math.isfinite(price)):
            price = self.packing.value(self.packing.starts(asset)[0])
        return Fraction(price)

    def _value(self, deltas: Iterable[tuple[Token, int]], start: Asset) -> int:
        """Balance changes at the market's prices, in 10^-18 of `start`, rounded down. What is in `start` is exact."""
        net: dict[Asset, Fraction] = {}
        for token, units in deltas:
            asset = self.graph.assets.of(token)
            net[asset] = net.get(asset, Fraction(0)) + Fraction(units, 10**token.decimals)
        total = sum(
            (
                amount if asset == start else amount * Fraction(self.price(asset, start))
                for asset, amount in net.items()
            ),
            Fraction(0),
        )
        return math.floor(total * WEI_PER_ETH)

    def _hop(self, edge: Edge) -> PoolHop:
        return PoolHop(self.pools[edge.venue], edge.token_in, edge.token_out)

    def _step(self, edge: Edge, amount_in: int, amount_out: int) -> Step:
        rate = self.graph.rate[edge.id]
        if edge.is_book:
            fee_ppm = self.books[edge.venue].taker_fee_ppm
            return Step(edge.venue, edge.token_in, edge.token_out, amount_in, amount_out, rate, fee_ppm)
        pool = self.pools[edge.venue]
        hop = pool.hop(edge.token_in, edge.token_out)
        return Step(edge.venue, edge.token_in, edge.token_out, amount_in, amount_out, rate, pool.fee_ppm, hop)


def _settled(made_of: Callable[[int], Opportunity | None], lots: int) -> int:
    """About the best lots, by parabolas, as the pools themselves quote: where curves are fitted the estimate is off."""
    for span in SPANS:
        step = int(lots * span)
        sizes = lots, lots - step, lots + step, lots - 1
        gains = {size: made.gain for size in sizes if (made := made_of(size)) is not None}
        if all(size in gains for size in sizes[:3]):
            middle, low, high = (gains[size] for size in sizes[:3])
            bend = 2 * middle - low - high
            move = step * (high - low) // (2 * bend) if bend > 0 else 0
            vertex = lots + min(max(move, -2 * step), 2 * step)
            if (made := made_of(vertex)) is not None:
                gains[vertex] = made.gain
        lots = max(gains, key=gains.__getitem__, default=lots)
    return lots


def _gain(opportunity: Opportunity) -> int:
    return opportunity.gain


def _anything(venue: VenueId, token: Token) -> bool:
    return True


def _allows(question: Question, edge: Edge) -> bool:
    return question.allowed is None or question.allowed(edge.venue, edge.token_in)


def _asked_once(question: Question) -> Callable[[Edge], bool]:
    """`_allows` for this question: the walks of one answer take the same edges again and again."""
    known: dict[int, bool] = {}

    def allows(edge: Edge) -> bool:
        if edge.id not in known:
            known[edge.id] = _allows(question, edge)
        return known[edge.id]

    return allows


def _in_units(wei: int, token: Token, worth: Fraction) -> int | Fraction:
    """Wei of ETH in base units of a token of which a whole unit is worth so much ETH; exact."""
    units = wei / worth * Fraction(10**token.decimals, WEI_PER_ETH)
    return units.numerator if units.denominator == 1 else units


def _held(inventory: Mapping[Token, int], token: Token) -> float:
    return float(inventory.get(token, 0) / 10**token.decimals)


def _covered(deltas: Iterable[tuple[Token, int]], inventory: Mapping[Token, int] | None) -> bool:
    """Whether `inventory` holds all that is spent."""
    return inventory is None or all(units >= 0 or inventory.get(token, 0) >= -units for token, units in deltas)
