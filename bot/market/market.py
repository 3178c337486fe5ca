"""The market: every pool and every order book in one structure, kept current block by block."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from bot.market import books as order_books
from bot.market.graph import Edge, Graph, VenueId
from bot.market.journal import Journal
from bot.market.kernels import Curve, depth
from bot.market.opportunity import Opportunity
from bot.market.prices import reference_price
from bot.market.search import Allowed, Question, Search
from chains.assets import Asset, Assets, Token
from chains.blocks import Block, Head, Log
from chains.exchanges.books import Book
from chains.pools.pool import Piece, Pool, PoolError, Source, Timed

ETH = Asset("ETH")

DEPTH_FALL = 0.02
"""For reference prices, a venue is as deep as the input that lowers its marginal price by this fraction."""


class UnknownVenue(LookupError):
    """No such pool or order book in the market."""


class OutOfOrder(ValueError):
    """A block that does not follow the last one: events are missing, and every state would be wrong."""


class Market:
    """Pools and books as a price graph. One writer; reading never changes it.

    A change to a venue rewrites that venue's edges and no others. What cannot be understood is taken out of the
    market, with its reason in `refused`, and nothing else stops.
    """

    def __init__(self, assets: Assets) -> None:
        self._graph = Graph(assets)
        self._pools: dict[VenueId, Pool] = {}
        self._books: dict[VenueId, Book] = {}
        self._listeners: dict[Source, dict[VenueId, None]] = {}
        self._timed: dict[VenueId, None] = {}
        self._loaded_at: dict[VenueId, int] = {}
        self._curves: dict[int, Curve] = {}
        self._depths: dict[int, float] = {}
        self._prices: dict[tuple[Asset, Asset], float] = {}
        self._changed: set[VenueId] = set()
        self._refused: dict[VenueId, str] = {}
        self._journal: Journal[VenueId, Pool] = Journal()
        self._search = Search(self._graph, self._pools, self._books, self._curve_of, self._price)

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

    @property
    def refused(self) -> Mapping[VenueId, str]:
        """Venues taken out of the market, and why."""
        return MappingProxyType(self._refused)

    @property
    def number(self) -> int | None:
        """The last block taken in."""
        return self._journal.last

    @property
    def changed(self) -> frozenset[VenueId]:
        """Venues that changed since `take_changed`."""
        return frozenset(self._changed)

    def take_changed(self) -> frozenset[VenueId]:
        """`changed`, and start anew."""
        taken, self._changed = frozenset(self._changed), set()
        return taken

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

    def add_pool(self, pool: Pool, at_block: int | None = None) -> None:
        """Take in a pool, or replace its state, as it was after block `at_block` (default: the last taken in).

        Say the block whenever it was read from a chain: logs up to it are then not applied again, and a
        reorganisation below it is noticed.
        """
        loaded_at = self._journal.last if at_block is None else at_block
        if loaded_at is not None:
            self._loaded_at[pool.venue] = loaded_at
        self._refused.pop(pool.venue, None)
        self._set_pool(pool)

    def set_book(self, book: Book) -> None:
        """Take in an order book. An empty or crossed one stays known, with both directions closed."""
        venue = order_books.book_id(book.exchange, book.symbol)
        self._books[venue] = book
        self._refused.pop(venue, None)
        selling, buying = self._graph.open(venue, order_books.directions(book), is_book=True)
        curves = (order_books.selling(book), order_books.buying(book)) if order_books.usable(book) else ((), ())
        for edge, curve in zip((selling, buying), curves, strict=True):
            self._forget(edge)
            self._curves[edge.id] = curve
            self._graph.set_rate(edge, curve[0].rate if curve else 0.0)
        self._touched(venue)

    def close_book(self, exchange: str, symbol: str) -> None:
        """Close both directions of a book whose present state is not known; the next `set_book` opens them."""
        book = self._books.get(order_books.book_id(exchange, symbol))
        if book is not None:
            self.set_book(replace(book, bids=(), asks=()))

    def remove(self, venue: VenueId, reason: str) -> None:
        """Take a venue out of the market. `refused` keeps the reason until it is taken in again."""
        pool = self._pools.pop(venue, None)
        if pool is not None:
            self._ignore(pool)
        self._books.pop(venue, None)
        for edge in self._graph.edges_of(venue):
            self._forget(edge)
        self._graph.close(venue)
        self._refused[venue] = reason
        self._touched(venue)

    def apply(self, block: Block) -> None:
        """Take in a block: every log to its pool, in order. Raises `OutOfOrder`.

        A log that cannot be understood takes its pool out of the market.
        """
        number = block.head.number
        self._require_next(number)
        self._journal.begin(number)
        after: dict[VenueId, Pool] = {}
        for venue in self._timed:
            if number > self._loaded_at.get(venue, 0):
                self._take_time(block.head, venue, after)
        for log in block.logs:
            for venue in self._hearing(log):
                if number > self._loaded_at.get(venue, 0):
                    self._take_log(log, venue, after, number)
        for venue, following in after.items():
            self._journal.remember(venue, self._pools[venue])
            self._set_pool(following)

    def undo(self, ancestor_number: int) -> tuple[VenueId, ...]:
        """Go back to the state after block `ancestor_number`; its venues count as changed.

        Returns the pools that must be loaded again, taken out of the market until then: those loaded after that
        block, and all of them where the reorganisation is deeper than what is remembered.
        """
        lost = {venue for venue, number in self._loaded_at.items() if number > ancestor_number and venue in self._pools}
        prior = self._journal.back_to(ancestor_number)
        if prior is None:
            lost = set(self._pools)
        else:
            for venue, pool in prior.items():
                if venue not in lost:
                    self._refused.pop(venue, None)
                    self._set_pool(pool)
        for venue in lost:
            self._loaded_at.pop(venue, None)
            self.remove(venue, f"its state before the reorganisation to block {ancestor_number} is not known")
        return tuple(sorted(lost))

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
        start: Asset = ETH,
        max_hops: int = 3,
        books: int = 0,
        min_rate: float = 1.0,
        gas_price_wei: int = 0,
        inventory: Mapping[Token, int] | None = None,
        limit: int = 32,
        overlapping: bool = False,
        allowed: Allowed | None = None,
    ) -> Iterator[Opportunity]:
        """The profitable closed walks of two to `max_hops` hops through the venues `through`, best first.

        `through` defaults to the whole market. With `books` = 0 the walks are pools only and begin and end in the
        token of `start`; with 1, a route of pools on one chain is traded against one order book, in whole lots and
        within `inventory` (base units per token that may be spent; None: unbounded), and valued in `start`. Only
        walks whose product of rates is above `min_rate`, and whose gain pays for the gas at `gas_price_wei`, are
        given; at most `limit`. No venue appears in two of them unless `overlapping` is asked for, because two
        trades through one pool cannot both have its quote. `allowed` says of each hop's venue and token in whether
        the walk may go there. All amounts are exact.

        >>> for opportunity in market.cycles(through=market.take_changed(), max_hops=3):  # doctest: +SKIP
        ...     print(opportunity.explain())
        """
        if max_hops not in (2, 3) or books not in (0, 1):
            raise ValueError(f"cycles have 2 or 3 hops, and 0 or 1 order books; not {max_hops} and {books}")
        venues = [*self._pools, *self._books] if through is None else through
        question = Question(
            venues, start, max_hops, books, min_rate, gas_price_wei, inventory, limit, overlapping, allowed
        )
        return iter(self._search.answer(question))

    def _require_next(self, number: int) -> None:
        last = self._journal.last
        if last is not None and number != last + 1:
            raise OutOfOrder(f"block {number} does not follow {last}; undo or load the market again")
        if last is None and number > (loaded := min(self._loaded_at.values(), default=number)) + 1:
            raise OutOfOrder(f"block {number} does not follow {loaded}, as of which pools were loaded")

    def _hearing(self, log: Log) -> tuple[VenueId, ...]:
        """The venues that `log` may change."""
        heard = self._listeners.get(Source(log.address), {})
        if len(log.topics) > 1:
            heard = heard | self._listeners.get(Source(log.address, log.topics[1]), {})
        return tuple(heard)

    def _take_log(self, log: Log, venue: VenueId, after: dict[VenueId, Pool], number: int) -> None:
        """The venue's state after `log`, into `after`; or out of the market, if the log cannot be understood."""
        pool = after.get(venue) or self._pools[venue]
        try:
            following = pool.applied(log)
        except PoolError as error:
            after.pop(venue, None)
            self._journal.remember(venue, self._pools[venue])
            self.remove(venue, f"a log of block {number} was not understood: {error}")
            return
        if following is not pool:
            after[venue] = following

    def _take_time(self, head: Head, venue: VenueId, after: dict[VenueId, Pool]) -> None:
        """The venue's state at the time of `head`, into `after`, where time alone changes it."""
        pool = after.get(venue) or self._pools[venue]
        if isinstance(pool, Timed):
            following = pool.at(head.timestamp_s)
            if following is not pool:
                after[venue] = following

    def _set_pool(self, pool: Pool) -> None:
        if pool.venue not in self._pools:
            self._listen(pool)
        self._pools[pool.venue] = pool
        directions = [(one, other) for one in pool.tokens for other in pool.tokens if one != other]
        for edge in self._graph.open(pool.venue, directions, is_book=False):
            self._forget(edge)
            scale = 10.0 ** (edge.token_in.decimals - edge.token_out.decimals)
            self._graph.set_rate(edge, pool.marginal_price(edge.token_in, edge.token_out) * scale)
        self._touched(pool.venue)

    def _listen(self, pool: Pool) -> None:
        for source in pool.sources:
            self._listeners.setdefault(source, {})[pool.venue] = None
        if isinstance(pool, Timed):
            self._timed[pool.venue] = None

    def _ignore(self, pool: Pool) -> None:
        for source in pool.sources:
            self._listeners.get(source, {}).pop(pool.venue, None)
        self._timed.pop(pool.venue, None)

    def _touched(self, venue: VenueId) -> None:
        self._changed.add(venue)
        self._prices.clear()

    def _curve_of(self, edge: Edge) -> Curve:
        """The edge's curve in whole units, made when it is first needed."""
        curve = self._curves.get(edge.id)
        if curve is None:
            unit_in, unit_out = 10.0**edge.token_in.decimals, 10.0**edge.token_out.decimals
            curve = tuple(
                Piece(rate * unit_in / unit_out, curvature * unit_in, cap / unit_in)
                for rate, curvature, cap in self._pools[edge.venue].pieces(edge.token_in, edge.token_out)
            )
            self._curves[edge.id] = curve
        return curve

    def _depth_of(self, edge: Edge) -> float:
        if edge.id not in self._depths:
            self._depths[edge.id] = depth(self._curve_of(edge), DEPTH_FALL)
        return self._depths[edge.id]

    def _forget(self, edge: Edge) -> None:
        """Drop what was derived from the edge's venue."""
        self._curves.pop(edge.id, None)
        self._depths.pop(edge.id, None)

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
