"""From screened walks to opportunities: sized by the float walk, then made exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from bot.market.books import two_sided
from bot.market.exact import PoolHop, best_cycle
from bot.market.graph import Edge, Graph, VenueId
from bot.market.kernels import Curve, capped, optimal_input, output
from bot.market.opportunity import Opportunity, Step, gas_of
from bot.market.walks import Walk, on_chain_walks, one_book_walks
from bot.plan import Side
from chains.assets import Asset, Token
from chains.exchanges.books import Book
from chains.pools.pool import Pool

ATTEMPTS_PER_RESULT = 4
"""How many candidates are made exact at most, per opportunity wanted: what rounding eats costs no more than this."""

WEI_DECIMALS = 18
WEI_PER_ETH = 10**18
_LOTS_AROUND = (0, -1, 1)


Allowed = Callable[[VenueId, Token], bool]
"""Whether a walk may take a token into a venue."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. `through` are the venues that changed; see `Market.cycles` for the rest."""

    through: Collection[VenueId]
    start: Asset
    max_hops: int
    books: int
    min_rate: float
    gas_price_wei: int
    inventory: Mapping[Token, int] | None
    limit: int
    overlapping: bool
    allowed: Allowed | None


class Candidate(NamedTuple):
    """A walk with its float size: input in whole units of its first token, and gain in wei after gas."""

    net: float
    walk: Walk
    amount_in: float
    gain: float


@dataclass(frozen=True, slots=True)
class Search:
    """The market as the search sees it: all of it read, none of it changed."""

    graph: Graph
    pools: Mapping[VenueId, Pool]
    books: Mapping[VenueId, Book]
    curve_of: Callable[[Edge], Curve]
    price: Callable[[Asset, Asset], float]

    def answer(self, question: Question) -> list[Opportunity]:
        """Opportunities, best first, each exact."""
        start = self.graph.find(question.start)
        if start is None:
            return []
        changed = [edge for venue in question.through for edge in self.graph.edges_of(venue)]
        if question.books:
            walks = one_book_walks(self.graph, changed, question.max_hops, question.min_rate)
        else:
            walks = on_chain_walks(self.graph, changed, start, question.max_hops, question.min_rate)
        if question.allowed is not None:
            walks = _permitted(walks, question.allowed)
        candidates = [candidate for walk in walks if (candidate := self._sized(walk, question)) is not None]
        candidates.sort(key=lambda candidate: candidate.net, reverse=True)
        return self._made_exact(candidates, question)

    def _made_exact(self, candidates: Iterable[Candidate], question: Question) -> list[Opportunity]:
        found: list[Opportunity] = []
        taken: set[VenueId] = set()
        attempts = question.limit * ATTEMPTS_PER_RESULT
        for candidate in candidates:
            if len(found) == question.limit or not attempts:
                break
            if not question.overlapping and any(edge.venue in taken for edge in candidate.walk):
                continue
            attempts -= 1
            make = self._two_sided if question.books else self._cycle
            opportunity = make(candidate, question)
            if opportunity is not None and opportunity.net_profit_wei(question.gas_price_wei) > 0:
                found.append(opportunity)
                taken |= opportunity.venues
        found.sort(key=lambda found: found.net_profit_wei(question.gas_price_wei), reverse=True)
        return found

    def _sized(self, walk: Walk, question: Question) -> Candidate | None:
        """The walk's best size by the float model; None if that does not pay for its gas."""
        curves = [self.curve_of(edge) for edge in walk]
        if question.books and question.inventory is not None:
            curves[0] = capped(curves[0], _held(question.inventory, walk[0].token_in))
            curves[-1] = capped(curves[-1], _held(question.inventory, walk[-1].token_in))
        amount_in, gain = optimal_input(curves)
        if not gain > 0.0:
            return None
        value = gain * self.price(self.graph.asset_of[walk[0].source], question.start)
        gas = gas_of(
            self.pools[edge.venue].hop(edge.token_in, edge.token_out).kind for edge in walk if not edge.is_book
        )
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
        return Opportunity(question.start, route[0].token_in.decimals, steps, amounts[-1] - amounts[0])

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
        lots = round(base * 10**book.base.decimals / book.lot)
        best: Opportunity | None = None
        for around in _LOTS_AROUND:
            trade = two_sided(route, book, side, lots + around)
            if trade is None or not _covered(trade.deltas(route), question.inventory):
                continue
            gain = self._value(trade.deltas(route), question.start)
            if best is None or gain > best.gain:
                steps = (
                    *map(self._step, path, trade.amounts, trade.amounts[1:]),
                    self._step(last, trade.order_in, trade.order_out),
                )
                best = Opportunity(question.start, WEI_DECIMALS, steps, gain, trade.order)
        return best

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


def _permitted(walks: Iterable[Walk], allowed: Allowed) -> Iterator[Walk]:
    return (walk for walk in walks if all(allowed(edge.venue, edge.token_in) for edge in walk))


def _held(inventory: Mapping[Token, int], token: Token) -> float:
    return float(inventory.get(token, 0) / 10**token.decimals)


def _covered(deltas: Iterable[tuple[Token, int]], inventory: Mapping[Token, int] | None) -> bool:
    """Whether `inventory` holds all that is spent."""
    return inventory is None or all(units >= 0 or inventory.get(token, 0) >= -units for token, units in deltas)
