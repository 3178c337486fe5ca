"""The price graph as a picture: which assets matter most, what joins them, and when it last changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bot.dashboard import source
from bot.market import Market
from bot.market.graph import Edge, VenueId
from chains.assets import ETH, Token
from chains.pools.pool import PoolError

BOOK = "book"
MOST_NODES = 150
MOST_EDGES = 800
PAINT_ANEW_BLOCKS = 64
"""The choice of nodes, and depths, are kept for so long: they move slowly and cost milliseconds."""

_CHANGE_WEIGHT = 4
"""How many neighbours one changed venue counts for, when the nodes to show are chosen."""

Swapped = tuple[str, Token, Token]
"""A venue as a leg calls it (`Hop.pool`, or a book's id), and what went in and out of it."""


class Changes:
    """When each venue last changed, and how often, by looking at the market after each head."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._changed = market.watched()
        self.last_block: dict[VenueId, int] = {}
        self.times: Counter[VenueId] = Counter()

    def look(self, block: int) -> None:
        """Note what has changed since the last look."""
        for venue in sorted(self._changed):
            if venue in self._market.pools or venue in self._market.books:
                self.last_block[venue] = block
                self.times[venue] += 1
        self._changed.clear()


class Painter:
    """Draws the market's most relevant part. `protocols` names the protocol of each pool, where it is known."""

    def __init__(self, market: Market, changes: Changes, protocols: Mapping[VenueId, str]) -> None:
        self._market = market
        self._changes = changes
        self._protocols = protocols
        self._nodes: tuple[source.Node, ...] = ()
        self._edges: list[tuple[VenueId, source.Edge]] = []
        self._ids: dict[tuple[str, frozenset[int]], str] = {}
        self._painted_at: tuple[int, frozenset[VenueId]] | None = None

    def paint(self, cycle: Sequence[Swapped]) -> source.Picture:
        """The picture now. `cycle` is what the last settled plan went through; its assets are always shown."""
        block, venues = self._market.number or 0, frozenset((*self._market.pools, *self._market.books))
        needed = {node for _, *tokens in cycle for node in map(self._node, tokens) if node is not None}
        if self._is_stale(block, venues) or not needed <= {node.id for node in self._nodes}:
            self._choose(needed)
            self._painted_at = (block, venues)
        last_block = self._changes.last_block
        return source.Picture(
            nodes=self._nodes,
            edges=[
                source.Edge(
                    edge.id,
                    edge.source,
                    edge.target,
                    edge.kind,
                    edge.fee_ppm,
                    edge.liquidity_wei,
                    last_block.get(venue),
                )
                for venue, edge in self._edges
            ],
            cycle=self._drawn(cycle),
            total_nodes=len(self._market.graph.asset_of),
            total_venues=len(venues),
        )

    def kind(self, venue: VenueId) -> str:
        """What a venue is drawn and counted as."""
        if venue in self._market.books:
            return BOOK
        return self._protocols.get(venue) or self._market.pools[venue].family

    def _is_stale(self, block: int, venues: frozenset[VenueId]) -> bool:
        if self._painted_at is None:
            return True
        painted_block, painted_venues = self._painted_at
        return venues != painted_venues or not 0 <= block - painted_block < PAINT_ANEW_BLOCKS

    def _choose(self, needed: Iterable[int]) -> None:
        graph = self._market.graph
        pairs = [(venue, edge) for venue in (*self._market.pools, *self._market.books) for edge in self._pairs(venue)]
        weight: Counter[int] = Counter()
        symbols: dict[int, str] = {}
        for venue, edge in pairs:
            changed = _CHANGE_WEIGHT if venue in self._changes.last_block else 0
            for node, token in ((edge.source, edge.token_in), (edge.target, edge.token_out)):
                weight[node] += 1 + changed
                symbols.setdefault(node, token.symbol)
        must = {node for node in (*needed, graph.find(ETH)) if node is not None and node in weight}
        chosen = [*must, *(node for node, _ in weight.most_common() if node not in must)][:MOST_NODES]
        self._nodes = tuple(source.Node(node, symbols[node], graph.degree(node)) for node in chosen)
        shown = set(chosen)
        inside = [(venue, edge) for venue, edge in pairs if {edge.source, edge.target} <= shown]
        inside.sort(key=lambda pair: -(weight[pair[1].source] + weight[pair[1].target]))
        prices: dict[int, float] = {}
        inside = inside[:MOST_EDGES]
        self._edges = [(venue, self._drawn_edge(venue, edge, prices)) for venue, edge in inside]
        self._ids = {
            (self._swapped_as(venue, edge), frozenset((edge.source, edge.target))): drawn.id
            for (venue, edge), (_, drawn) in zip(inside, self._edges, strict=True)
        }

    def _pairs(self, venue: VenueId) -> list[Edge]:
        """One of the venue's two edges per pair of assets."""
        return [edge for edge in self._market.graph.edges_of(venue) if edge.source < edge.target]

    def _drawn_edge(self, venue: VenueId, edge: Edge, prices: dict[int, float]) -> source.Edge:
        pool = self._market.pools.get(venue)
        plain = pool is None or len(pool.tokens) == 2
        return source.Edge(
            id=venue if plain else f"{venue}/{edge.source}-{edge.target}",
            source=edge.source,
            target=edge.target,
            kind=self.kind(venue),
            fee_ppm=pool.fee_ppm if pool is not None else self._market.books[venue].taker_fee_ppm,
            liquidity_wei=self._liquidity_wei(venue, edge, prices),
        )

    def _liquidity_wei(self, venue: VenueId, edge: Edge, prices: dict[int, float]) -> int | None:
        """The depth of the better connected side, in ETH: fewer prices are needed that way."""
        graph = self._market.graph
        hub = max(edge.source, edge.target, key=graph.degree)
        if hub not in prices:
            prices[hub] = self._market.price(graph.asset_of[hub])
        from_hub = next(
            one
            for one in graph.edges_of(venue)
            if one.source == hub and {one.target, hub} == {edge.source, edge.target}
        )
        worth = self._market.depth(from_hub) * prices[hub]
        return int(worth * 1e18) if math.isfinite(worth) else None

    def _drawn(self, cycle: Sequence[Swapped]) -> tuple[str, ...]:
        """The ids of the edges of `cycle`; empty unless all of them are in the picture."""
        ids = []
        for venue, token_in, token_out in cycle:
            ends = {self._node(token_in), self._node(token_out)}
            ids.append(self._ids.get((venue, frozenset(node for node in ends if node is not None))))
        return tuple(id_ for id_ in ids if id_ is not None) if all(ids) else ()

    def _node(self, token: Token) -> int | None:
        return self._market.graph.find(self._market.graph.assets.of(token))

    def _swapped_as(self, venue: VenueId, edge: Edge) -> str:
        """What a leg through the edge calls its venue."""
        pool = self._market.pools.get(venue)
        if pool is None:
            return venue
        try:
            return pool.hop(edge.token_in, edge.token_out).pool
        except PoolError:
            return venue
