"""What can be asked of a market, as it is or as it would be: venues, prices, depths, cycles. Asking changes nothing."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from types import MappingProxyType

from bot.market import books as order_books
from bot.market.combined import Walk
from bot.market.dual.solve import ready
from bot.market.dual.venues import BookVenue, Venue
from bot.market.graph import Edge, Graph, VenueId
from bot.market.journeys import Journey, Traveller
from bot.market.kernels import Curve, depth
from bot.market.opportunity import Opportunity
from bot.market.packed.shapes import MAX_HOPS
from bot.market.packing import UNMET, Packing
from bot.market.prices import reference_price
from bot.market.routing import Routed, route
from bot.market.search import Allowed, Answer, Question, Search
from bot.market.transfers import Transfer
from bot.market.why import Explanation, why
from bot.transaction import MOST_GAS
from chains.assets import ETH, Asset, Token
from chains.exchanges.books import Book
from chains.pools.pool import NOT_UNDERSTOOD, Piece, Pool

DEPTH_FALL = 0.02
"""For reference prices, a venue is as deep as the input that lowers its marginal price by this fraction."""


class UnknownVenue(LookupError):
    """No such pool or order book in the market."""


class ReadableMarket:
    """Pools and books as a price graph, to be read."""

    def __init__(
        self,
        graph: Graph,
        pools: MutableMapping[VenueId, Pool],
        books: MutableMapping[VenueId, Book],
        curves: MutableMapping[int, Curve],
        depths: MutableMapping[int, float],
        refused: MutableMapping[VenueId, str],
        packing: Packing,
        transfers: MutableMapping[VenueId, Transfer] | None = None,
    ) -> None:
        """`curves` and `depths` are by edge number, filled as they are needed; `packing` is one's own, or lent."""
        self._graph = graph
        self._pools = pools
        self._books = books
        self._curves = curves
        self._depths = depths
        self._refused = refused
        self._transfers = {} if transfers is None else transfers
        self._prices: dict[tuple[Asset, Asset], float] = {}
        self._changed: set[VenueId] = set()
        self._rest = 0
        self._packing = packing
        self._search = Search(graph, pools, books, self._curve_of, self._price, self._packing)

    @property
    def graph(self) -> Graph:
        """Nodes, edges and rates, to be read."""
        return self._graph

    @property
    def pools(self) -> Mapping[VenueId, Pool]:
        return MappingProxyType(self._pools)

    @property
    def books(self) -> Mapping[VenueId, Book]:
        return MappingProxyType(self._books)

    def asset(self, token: Token) -> Asset:
        """What `token` stands for."""
        return self._graph.assets.of(token)

    @property
    def transfers(self) -> Mapping[VenueId, Transfer]:
        """Ways from one place to another, each with its cost and time. No cycle and no route goes through them."""
        return MappingProxyType(self._transfers)

    @property
    def refused(self) -> Mapping[VenueId, str]:
        """Venues taken out of the market, and why."""
        return MappingProxyType(self._refused)

    @property
    def left_out(self) -> Mapping[VenueId, str]:
        """Venues in the market that no walk can use as they are, and why; as of the last question."""
        traded = self._graph.pools.out
        ends = ((name, [edge.source for edge in self._graph.edges_of(name)]) for name in self._books)
        unmet = [name for name, sources in ends if not all(map(traded.get, sources))]
        return MappingProxyType({**dict.fromkeys(unmet, UNMET), **self._packing.left_out})

    @property
    def changed(self) -> frozenset[VenueId]:
        """Venues that changed: since `take_changed`, or by what is supposed.

        >>> found = list(market.cycles(through=market.changed))  # doctest: +SKIP
        """
        return frozenset(self._changed)

    @property
    def rest(self) -> int:
        """How many walks the last `cycles` passed over although they gain by the float model, or were not sized.

        They are worth less than what was given, share a venue with it, or are lost to rounding.
        """
        return self._rest

    def pool(self, venue: VenueId) -> Pool:
        """The pool as it is now. Raises `UnknownVenue`."""
        if venue not in self._pools:
            raise UnknownVenue(f"pool {venue} is not in the market{self._why(venue)}")
        return self._pools[venue]

    def book(self, exchange: str, symbol: str) -> Book:
        """The order book as it is now. Raises `UnknownVenue`."""
        venue = order_books.book_id(exchange, symbol)
        if venue not in self._books:
            raise UnknownVenue(f"book {symbol} of {exchange} is not in the market{self._why(venue)}")
        return self._books[venue]

    def tied(self, venue: VenueId) -> BookVenue | None:
        """An order book as if it traded the tokens on a chain that it is tied to; None where there are none.

        Raises `UnknownVenue`.
        """
        if venue not in self._books:
            raise UnknownVenue(f"book {venue} is not in the market{self._why(venue)}")
        self._packing.sync()
        book = self._books[venue]
        ends = next(self._packing.ties(book), None)
        return None if ends is None else BookVenue(book, ends)

    def price(self, asset: Asset, in_: Asset = ETH) -> float:
        """Whole units of `in_` that one whole unit of `asset` is worth, through the deepest venues; NaN if unknown.

        A float, for screening and for showing; never what is paid.

        >>> market.price(Asset("USDC"), in_=Asset("ETH"))  # doctest: +SKIP
        0.000532
        """
        return self._price(asset, in_)

    def depth(self, edge: Edge) -> float:
        """How much input, in whole units, lowers the edge's marginal price by `DEPTH_FALL`.

        A float, for ranking and for showing.
        """
        return self._depth_of(edge)

    def cycles(
        self,
        through: Collection[VenueId] | None = None,
        *,
        start: Asset | Sequence[Asset] = ETH,
        max_hops: int = 4,
        books: int = 0,
        min_rate: float = 1.0,
        gas_price_wei: int = 0,
        inventory: Mapping[Token, int] | None = None,
        limit: int = 32,
        overlapping: bool = False,
        allowed: Allowed | None = None,
        max_routes: int = 1,
        most_gas: int = MOST_GAS,
    ) -> Iterator[Opportunity]:
        """The profitable closed walks of two to `max_hops` hops through the venues `through`, best first.

        `through` defaults to the whole market. With `books` = 0 the walks are pools only and begin and end in the
        token of `start`, or of the first of several that they pass; with 1, a route of pools on one chain is traded
        against one order book, in whole lots and within `inventory` (base units per token that may be spent; None:
        unbounded), and valued in the first `start`. Only walks whose product of rates is above `min_rate`, and whose
        gain pays for the gas at `gas_price_wei` (wei of ETH), are given; at most `limit`. No venue appears in two of
        them unless `overlapping` is asked for, because two trades through one pool cannot both have its quote.
        `allowed` says of each hop's venue and token in whether the walk may go there. Up to `max_routes` walks that
        share pools become one, where that nets more and is estimated to burn no more than `most_gas`. All amounts are
        exact.

        >>> for opportunity in market.cycles(through=market.take_changed()):  # doctest: +SKIP
        ...     print(opportunity.explain())
        """
        if not 2 <= max_hops <= MAX_HOPS or books not in (0, 1):
            raise ValueError(f"cycles have 2 to {MAX_HOPS} hops, and 0 or 1 order books; not {max_hops} and {books}")
        venues = [*self._pools, *self._books] if through is None else through
        starts = (start,) if isinstance(start, Asset) else tuple(start)
        if not starts:
            raise ValueError("cycles begin somewhere; name an asset to start from")
        which = venues, starts, max_hops, books, min_rate, gas_price_wei, inventory, limit, overlapping, allowed
        question = Question(*which, max_routes, most_gas)
        answer = self._answer(question)
        self._rest = answer.rest
        return iter(answer.opportunities)

    def together(
        self,
        walks: Sequence[Walk],
        *,
        start: Asset = ETH,
        max_hops: int = 3,
        max_routes: int = 4,
        gas_price_wei: int = 0,
        allowed: Allowed | None = None,
        most_gas: int = MOST_GAS,
    ) -> Opportunity | None:
        """The best that one transaction makes of these walks from a token of `start`: at the sizes that gain most
        together, without those that earn less than their gas, estimated to burn at most `most_gas`. None where
        nothing is gained. All amounts are exact.
        """
        which = (), (start,), max_hops, 0, 1.0, gas_price_wei, None, 1, False, allowed
        question = Question(*which, max_routes, most_gas)
        return self._search.together(walks, question)

    def prepare(self, gas_price_wei: int = 0) -> None:
        """Do now what the first question at about that gas price would wait for."""
        ready()
        list(self.cycles((), gas_price_wei=gas_price_wei))
        self.settle(gas_price_wei)

    def settle(self, gas_price_wei: int) -> None:
        """Have the kernels take in now what has changed, so that the next question at about that gas price need not."""
        self._packing.sync()
        self._packing.detector(gas_price_wei).take_in()

    def pack(self) -> None:
        """As `settle`, as far as that is the same at any gas price: half of the work, and more of an order book's."""
        self._packing.sync()

    def _answer(self, question: Question) -> Answer:
        self._packing.sync()
        return self._search.answer(question)

    def explain(self, cycle: Sequence[VenueId], *, start: Asset = ETH, gas_price_wei: int = 0) -> list[Explanation]:
        """Why the closed walk through these venues, in this order, is not an opportunity; or that it is one.

        One answer for every way of walking it, both ways round, with the figures. A book counts as if it traded the
        tokens that it is tied to.

        >>> for answer in market.explain([one.venue, other.venue]):  # doctest: +SKIP
        ...     print(answer.answer, answer.detail)
        """
        self._packing.sync()
        tied = ((name, self.tied(name)) for name in self._books)
        venues: dict[str, Venue] = {**self._pools, **{name: venue for name, venue in tied if venue is not None}}
        return why(venues, cycle, self._packing.tokens_of(start), gas_price_wei, {**self._refused, **self.left_out})

    def route(self, token_in: Token, token_out: Token, amount: int, *, exact_out: bool = False) -> Routed:
        """The best execution of an order over all pools, splits included, exact; see `bot.market.routing.route`.

        >>> routed = market.route(weth, usdc, weth.units(1_000))  # doctest: +SKIP
        >>> print(routed.amount_out, "instead of", routed.single.amount_out)  # doctest: +SKIP
        """
        return route(self._pools.values(), token_in, token_out, amount, exact_out=exact_out)

    def journeys(
        self,
        token_in: Token,
        token_out: Token,
        amount: int,
        *,
        within_s: float = math.inf,
        allowed: Allowed | None = None,
    ) -> list[Journey]:
        """What an order between two places would bring by transfers that take at most `within_s`, the most out first.

        Exact at present prices; what comes after a transfer is traded when it has arrived, at the prices of then.
        `allowed` says of each venue and token in whether a journey may go there. Empty where no transfer leads.

        >>> for journey in market.journeys(eth_at_binance, usdc, 10**8, within_s=900):  # doctest: +SKIP
        ...     print(journey.amount_out, journey.delay_s, journey.gas)
        """
        permits = allowed or (lambda venue, token: True)
        pools = [pool for pool in self._pools.values() if all(permits(pool.venue, token) for token in pool.tokens)]
        books = {
            name: book for name, book in self._books.items() if permits(name, book.base) and permits(name, book.quote)
        }
        transfers = [each for name, each in self._transfers.items() if permits(name, each.source)]
        return Traveller(books, partial(route, pools), transfers).journeys(token_in, token_out, amount, within_s)

    def _curve_of(self, edge: Edge) -> Curve:
        """The edge's curve in whole units, made when it is first needed."""
        curve = self._curves.get(edge.id)
        if curve is None:
            curve = self._curves[edge.id] = self._made_curve(edge)
        return curve

    def _made_curve(self, edge: Edge) -> Curve:
        unit_in, unit_out = 10.0**edge.token_in.decimals, 10.0**edge.token_out.decimals
        return tuple(
            Piece(rate * unit_in / unit_out, curvature * unit_in, cap / unit_in)
            for rate, curvature, cap in self._pools[edge.venue].pieces(edge.token_in, edge.token_out)
        )

    def _depth_of(self, edge: Edge) -> float:
        if edge.id not in self._depths:
            try:
                found = depth(self._curve_of(edge), DEPTH_FALL)
            except NOT_UNDERSTOOD:
                found = 0.0
            self._depths[edge.id] = found if found > 0.0 else 0.0
        return self._depths[edge.id]

    def _price(self, asset: Asset, in_: Asset) -> float:
        if (asset, in_) not in self._prices:
            node, in_node = self._graph.find(asset), self._graph.find(in_)
            self._prices[asset, in_] = (
                math.nan
                if node is None or in_node is None
                else reference_price(self._graph, self._depth_of, node, in_node)
            )
        return self._prices[asset, in_]

    def _why(self, venue: VenueId) -> str:
        return f": {self._refused[venue]}" if venue in self._refused else ""
