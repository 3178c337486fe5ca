"""The market as numbers: which node each token is, which packed pools each venue is, and their state kept up to date.

Whatever changes is only noted; it is taken in by `sync`, at the latest when somebody asks next. An order book stands
between the tokens on a chain that its currencies' assets tie it to: once for each two of them in one place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from bot.market.graph import Edge, Graph, VenueId
from bot.market.integers.layout import PRODUCT, RANGES
from bot.market.kernels import Curve
from bot.market.ladder import Ladder
from bot.market.packed import Detector, PackedMarket
from bot.market.packed.shapes import F8, I4
from bot.market.prices import leaving, opposite
from bot.market.ranges import Anchor, Ranged, anchor, is_ranged, kept, ranges, root_price
from bot.market.rows import NOWHERE, Rows, TakenIn
from bot.market.values import middle, values_from
from chains.assets import ETH, ZERO_ADDRESS, Asset, Token
from chains.exchanges.books import Book
from chains.hops import HopKind
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import NOT_UNDERSTOOD, PPM, Pool

BOOK_CLASS = max(HopKind) + 1
"""The class of order books; a pool's is the kind of its hops."""

GROWTH = 1.5
"""Tokens are valued anew once there are this many times as many."""

STRAY = 4.0
"""A token is valued anew once it is traded for so many times its value, or for so small a part of it."""

NOTHING: F8 = np.zeros((0, 3))
"""The pieces of a direction that is closed."""

UNMET = "no pool trades what its currencies stand for"


@dataclass(slots=True)
class Packed:
    """What one venue is: `edges` are the graph's, whose numbers in the packed market are those of each pool in turn."""

    edges: tuple[Edge, ...]
    pools: list[int]
    made_of: object
    anchor: Anchor | None = None
    ends: list[tuple[Token, Token]] = field(default_factory=list)


class Packing:
    """The packed market behind a market's venues, and the way from its numbers to edges and back."""

    def __init__(
        self,
        graph: Graph,
        pools: Rows,
        books: Mapping[VenueId, Book],
        curve_of: Callable[[Edge], Curve],
        depth_of: Callable[[Edge], float],
    ) -> None:
        self._graph, self._pools, self._books = graph, pools, books
        self._curve_of, self._depth_of = curve_of, depth_of
        self.market = PackedMarket()
        self._nodes: dict[Token, int] = {}
        self._tokens: list[Token] = []
        self._of_asset: dict[Asset, list[Token]] = {}
        self._venues: dict[VenueId, Packed] = {}
        self._edges: dict[int, Edge] = {}
        self._numbers: dict[int, list[int]] = {}
        self._stale: dict[VenueId, None] = {}
        self._moved: dict[int, float] = {}
        self._refilled: dict[int, Sequence[float]] = {}
        self._valued = 0
        self._widths: dict[int, float] = {}
        self._ladder = Ladder(self.market)
        self.left_out: dict[VenueId, str] = {}
        """Venues in the market that no walk can use, and why."""

    def touch(self, venue: VenueId) -> None:
        """Note that something about the venue has changed."""
        self._stale[venue] = None

    def moved(self, done: TakenIn) -> None:
        """Note what a block's logs changed in rows: mere numbers, where the ranges stay as they are."""
        count = len(done.venues)
        values, stands = done.taken.values[:count], (done.taken.holds[:count] != 0) & (done.packed != NOWHERE)
        products, ranged = stands & (done.kinds == PRODUCT), stands & (done.kinds == RANGES)
        self._refilled.update(zip(done.packed[products].tolist(), values[products].tolist(), strict=True))
        self._moved.update(zip(done.packed[ranged].tolist(), values[ranged, 0].tolist(), strict=True))
        for at in np.flatnonzero(~stands).tolist():
            self.touch(done.venues[at])

    def detector(self, gas_price_wei: int) -> Detector:
        """What searches, at trade sizes that suit the gas price."""
        return self._ladder.detector(gas_price_wei)

    def pools_of(self, venues: Iterable[VenueId]) -> I4:
        """The packed pools of venues, in order."""
        found = (self._venues[venue].pools for venue in venues if venue in self._venues)
        return np.array(sorted(number for pools in found for number in pools), np.int32)

    def edges_of(self, edge: Edge) -> list[int]:
        """The numbers of an edge."""
        return self._numbers.get(edge.id, [])

    def edge(self, number: int) -> Edge:
        """The edge of a number."""
        return self._edges[number]

    def starts(self, asset: Asset) -> tuple[int, ...]:
        """The nodes of an asset's tokens on chains, the native coin last."""
        return tuple(self._nodes[token] for token in self.tokens_of(asset))

    def tokens_of(self, asset: Asset) -> tuple[Token, ...]:
        """An asset's tokens on chains, the native coin last."""
        return tuple(sorted(self._of_asset.get(asset, ()), key=lambda token: token.address == ZERO_ADDRESS))

    def value(self, node: int) -> float:
        """What a whole unit of a node counts for, in ETH or what stands for it: a scale, not a price that decides."""
        return float(self.market.values()[node])

    def source(self, number: int) -> int:
        """The node an edge leaves."""
        return self.market.ends_of(number)[0]

    def token_out(self, number: int) -> Token:
        """The token that an edge leads to on its chain, also where the edge is a book's."""
        return self._tokens[self.market.ends_of(number)[1]]

    def ties(self, book: Book) -> Iterator[tuple[Token, Token]]:
        """Two tokens of one place that the book's base and quote stand for; of the native coin rather the wrapped."""
        of = self._graph.assets.of
        for base in self._held(of(book.base)):
            for quote in self._held(of(book.quote)):
                if base.place == quote.place and base != quote:
                    yield base, quote

    def _held(self, asset: Asset) -> list[Token]:
        tokens = self._of_asset.get(asset, [])
        wrapped = {token.place for token in tokens if token.address != ZERO_ADDRESS}
        return [token for token in tokens if token.address != ZERO_ADDRESS or token.place not in wrapped]

    def sync(self) -> None:
        """Take in whatever has changed."""
        if not (self._stale or self._moved or self._refilled):
            return
        stale, self._stale = self._stale, {}
        fresh: list[tuple[VenueId, Pool]] = []
        # In an order of their own: numbers are then the same however it came about that they are wanted.
        for venue in sorted(stale):
            pool = self._pools.get(venue)
            self.left_out.pop(venue, None)
            if pool is None:
                self._drop_unless_standing(venue)
            elif self._renewed(venue, pool, self._curve_of):
                self._pools.anchored(pool)
            else:
                self._drop(venue)
                fresh.append((venue, pool))
        self._move()
        self._add(fresh)
        tied = {venue: None for venue in (*stale, *self._stale) if venue in self._books}
        self._stale = {}
        for venue in tied:
            self._put_book(venue)
        if len(self._nodes) > GROWTH * self._valued:
            self.revalue()

    def revalue(self) -> None:
        """Value every token anew at the market's prices."""
        self._valued = len(self._nodes)
        graph, values = self._graph, self.market.values().copy()
        unit = graph.find(ETH)
        if unit is None:
            unit = max(range(len(graph.asset_of)), key=graph.degree, default=None)
        if unit is None:
            return
        widths, prices = values_from(graph, self._depth_of, unit)
        for token, node in self._nodes.items():
            known = graph.node(graph.assets.of(token))
            price, self._widths[node] = prices.get(known, math.nan), widths.get(known, 0.0)
            if 0.0 < price < math.inf:
                values[node] = price
        self.market.rebase(values)

    def renew_value(self, venue: VenueId) -> None:
        """Value the rarer token of a venue anew, if its price has strayed there and for most of what trades it."""
        graph, values = self._graph, self.market.values()
        edges = (edge for edge in graph.edges_of(venue) if graph.asset_of[edge.source] != ETH)
        edge = min(edges, key=lambda each: graph.degree(each.source), default=None)
        if edge is None:
            return
        node, other = (self._nodes.get(token, len(values)) for token in (edge.token_in, edge.token_out))
        if max(node, other) >= len(values) or not _strayed(values[other] * graph.rate[edge.id], values[node]):
            return
        told = self._told(edge.token_in)
        if told and _strayed(price := middle(told), values[node]):
            self._widths[node] = max(width for width, _ in told)
            values = values.copy()
            values[node] = price
            self.market.rebase(values)

    @contextmanager
    def supposing(
        self, after: Mapping[VenueId, Pool], gone: Collection[VenueId], curve_of: Callable[[Edge], Curve]
    ) -> Iterator[None]:
        """With some pools as they would be, and some closed; afterwards everything is as it was."""
        self.sync()
        closed = [number for venue in gone if venue in self._venues for number in self._venues[venue].pools]
        try:
            for venue, pool in after.items():
                if venue in self._venues:
                    self._renewed(venue, pool, curve_of)
            self._move()
            self.market.close(closed)
            yield
        finally:
            self.market.reopen(closed)
            for venue in after:
                if venue in self._venues:
                    self._renewed(venue, self._pools[venue], self._curve_of)
            self._move()

    def _renewed(self, venue: VenueId, pool: Pool, curve_of: Callable[[Edge], Curve]) -> bool:
        """Whether the pool's new state goes into the room that its former one had; mere numbers do with `_move`."""
        known, edges = self._venues.get(venue), self._graph.edges_of(venue)
        if known is None or known.edges is not edges or known.made_of != _made_of(pool):
            return False
        number = known.pools[0]
        if isinstance(pool, ConstantProductPool):
            self._refilled[number] = _reserves(pool)
        elif is_ranged(pool):
            if known.anchor is not None and known.anchor.holds(pool):
                self._moved[number] = root_price(pool)
            else:
                self._moved.pop(number, None)
                self.market.set_ranges(number, *ranges(pool), root_price(pool))
                known.anchor = anchor(pool)
        else:
            for edge, at in zip(edges, self.market.edges_of(number), strict=True):
                self.market.set_pieces(at, self._pieces(venue, edge, curve_of))
        return True

    def _move(self) -> None:
        """Write the root prices and the reserves that were noted, all at once."""
        moved, self._moved = self._moved, {}
        refilled, self._refilled = self._refilled, {}
        if moved:
            self.market.set_roots(tuple(moved), tuple(moved.values()))
        if refilled:
            self.market.set_reserves(tuple(refilled), tuple(refilled.values()))

    def _add(self, fresh: list[tuple[VenueId, Pool]]) -> None:
        """Take in pools that have no numbers yet, those of a kind together."""
        for _, pool in fresh:
            for token in pool.tokens:
                self._node(token)
        self._value_new()
        products = [(venue, pool) for venue, pool in fresh if isinstance(pool, ConstantProductPool)]
        ranged = [(venue, pool) for venue, pool in fresh if is_ranged(pool)]
        if products:
            made = self.market.add_products(
                self._ends(pool for _, pool in products),
                np.array([_reserves(pool) for _, pool in products]),
                np.array([[1.0 - pool.fee_ppm / PPM] * 2 for _, pool in products]),
                np.array([_class_of(pool) for _, pool in products], np.int32),
            )
            self._know(zip(products, made, strict=True))
        if ranged:
            self._know(zip(ranged, self._add_ranges([pool for _, pool in ranged]), strict=True))
        for venue, pool in fresh:
            if not isinstance(pool, ConstantProductPool) and not is_ranged(pool):
                nodes = np.array([self._nodes[token] for token in pool.tokens], np.int32)
                pieces = [self._pieces(venue, edge, self._curve_of) for edge in self._graph.edges_of(venue)]
                self._know([((venue, pool), self.market.add_pieces(nodes, _class_of(pool), pieces))])

    def _add_ranges(self, pools: list[Ranged]) -> I4:
        made = [ranges(pool) for pool in pools]
        return self.market.add_ranges(
            self._ends(pools),
            np.array([len(bounds) - 1 for bounds, _ in made], np.int32),
            np.concatenate([bounds for bounds, _ in made]),
            np.concatenate([liquidity for _, liquidity in made]),
            np.array([root_price(pool) for pool in pools]),
            np.array([kept(pool) for pool in pools]),
            np.array([_class_of(pool) for pool in pools], np.int32),
        )

    def _know(self, made: Iterable[tuple[tuple[VenueId, Pool], int]]) -> None:
        for (venue, pool), number in made:
            edges = self._graph.edges_of(venue)
            anchored = anchor(pool) if is_ranged(pool) else None
            self._venues[venue] = Packed(edges, [int(number)], _made_of(pool), anchored)
            self._number(edges, int(number))
            self._pools.numbered(venue, int(number))
            self._pools.anchored(pool)

    def _put_book(self, venue: VenueId) -> None:
        """The book's present state, between all tokens that it is tied to."""
        book, edges = self._books[venue], self._graph.edges_of(venue)
        known = self._venues.setdefault(venue, Packed(edges, [], book.symbol))
        self.left_out.pop(venue, None)
        tied = list(self.ties(book))
        for ends in tied:
            if ends not in known.ends:
                nodes = np.array([self._nodes[token] for token in ends], np.int32)
                number = self.market.add_pieces(nodes, BOOK_CLASS, [NOTHING] * 2)
                known.pools.append(number)
                known.ends.append(ends)
                self._number(edges, number)
        if not known.pools:
            self.left_out[venue] = UNMET
        for number, ends in zip(known.pools, known.ends, strict=True):
            for edge, at in zip(edges, self.market.edges_of(number), strict=True):
                self.market.set_pieces(at, self._pieces(venue, edge, self._curve_of) if ends in tied else NOTHING)

    def _pieces(self, venue: VenueId, edge: Edge, curve_of: Callable[[Edge], Curve]) -> F8:
        try:
            rows = _rows(curve_of(edge))
        except NOT_UNDERSTOOD as error:
            self.left_out[venue] = f"its price curve cannot be told: {error}"
            return NOTHING
        if not (np.isfinite(rows[:, :2]).all() and (rows >= 0.0).all()):
            self.left_out[venue] = "its price curve is not of numbers"
            return NOTHING
        return rows[(rows[:, 0] > 0.0) & (rows[:, 2] > 0.0)]

    def _number(self, edges: Iterable[Edge], pool: int) -> None:
        for edge, at in zip(edges, self.market.edges_of(pool), strict=True):
            self._edges[at] = edge
            self._numbers.setdefault(edge.id, []).append(at)

    def _drop_unless_standing(self, venue: VenueId) -> None:
        """Drop the venue if it has gone, also where it has come back since: others may have its edges' numbers."""
        known = self._venues.get(venue)
        if known is not None and known.edges is not self._graph.edges_of(venue):
            self._drop(venue)

    def _drop(self, venue: VenueId) -> None:
        known = self._venues.pop(venue, None)
        if known is None:
            return
        for number in known.pools:
            self._moved.pop(number, None)
            self._refilled.pop(number, None)
            for at in self.market.edges_of(number):
                del self._edges[at]
        for edge in known.edges:
            self._numbers.pop(edge.id, None)
        self.market.remove(known.pools)

    def _node(self, token: Token) -> None:
        """Give the token a number, and tie the books of its asset to it."""
        if token in self._nodes:
            return
        self._nodes[token] = len(self._nodes)
        self._tokens.append(token)
        asset = self._graph.assets.of(token)
        self._of_asset.setdefault(asset, []).append(token)
        for venue, book in self._books.items():
            if asset in (self._graph.assets.of(book.base), self._graph.assets.of(book.quote)):
                self._stale[venue] = None

    def _value_new(self) -> None:
        """Nodes for the tokens that have none yet, each at what its asset is worth, as far as its neighbours tell."""
        new = self._tokens[self.market.nodes :]
        if new:
            told = [self._told(token) for token in new]
            values = np.array([middle(prices) for prices in told])
            nodes = self.market.add_nodes(values, np.array([token.decimals for token in new], np.int32))
            for node, prices in zip(nodes.tolist(), told, strict=True):
                self._widths[node] = max((width for width, _ in prices), default=0.0)

    def _told(self, token: Token) -> list[tuple[float, float]]:
        """How wide the way by what the token is traded for is, and what its value says of the token's; of all with one.

        Never wider than what leads to the other: who makes a token of his own can put any amount of it beside dust.
        """
        graph, values = self._graph, self.market.values()
        told = []
        for edge in leaving(graph, graph.node(graph.assets.of(token))):
            at = self._nodes.get(edge.token_out, len(values))
            back = graph.rate[opposite(graph, edge).id]
            if edge.token_in == token and at < len(values) and back:
                price = float(values[at]) * math.sqrt(graph.rate[edge.id] / back)
                if 0.0 < price < math.inf:
                    told.append((min(self._widths.get(at, 0.0), self._depth_of(edge) * price), price))
        return told

    def _ends(self, pools: Iterable[Pool]) -> I4:
        return np.array([[self._nodes[token] for token in pool.tokens] for pool in pools], np.int32).reshape(-1, 2)


def _strayed(price: float, value: float) -> bool:
    return 0.0 < price < math.inf and not 1.0 / STRAY < price / value < STRAY


def _made_of(pool: Pool) -> object:
    """What, when it changes, takes another record."""
    if isinstance(pool, ConstantProductPool):
        return pool.fee_ppm
    return kept(pool) if is_ranged(pool) else type(pool)


def _class_of(pool: Pool) -> int:
    """The kind of the pool's hops: what it burns in gas goes by that."""
    return int(pool.hop(pool.tokens[0], pool.tokens[1]).kind)


def _reserves(pool: ConstantProductPool) -> tuple[float, float]:
    one, other = pool.tokens
    return float(pool.reserves[0]) / float(10**one.decimals), float(pool.reserves[1]) / float(10**other.decimals)


def _rows(curve: Curve) -> F8:
    return np.array(curve, np.float64).reshape(-1, 3)
