"""The market as it would be after some logs more: a transaction that waits, then us."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bot.market.graph import Edge, VenueId
from bot.market.kernels import depth
from bot.market.opportunity import Opportunity
from bot.market.readable import DEPTH_FALL, ReadableMarket, UnknownVenue
from bot.market.search import Answer, Question
from chains.assets import ETH, Asset
from chains.pools.pool import NOT_UNDERSTOOD, Pool


class OutOfDate(RuntimeError):
    """The market has moved on since this was supposed of it: suppose it again."""


class Supposed(ReadableMarket):
    """A market with some pools as they would be, and some gone. Only what is touched is copied; the rest is shared.

    Answers until the market under it changes, and raises `OutOfDate` from then on.
    """

    def __init__(self, under: ReadableMarket, after: Mapping[VenueId, Pool], gone: Mapping[VenueId, str]) -> None:
        """`after` are pools as they would be, `gone` those whose state would not be known, and why."""
        super().__init__(
            under._graph.with_own_rates(),
            ChainMap(known := dict(after), under._pools),
            under._books,
            ChainMap({}, under._curves),
            ChainMap({}, under._depths),
            ChainMap(unknown := dict(gone), under._refused),
            under._packing,
            under._transfers,
        )
        self._under = under
        self._after, self._gone = known, unknown
        self._as_of = under._graph.updates
        self._changed = {*after, *gone}
        for venue in self._changed:
            try:
                self._redo(venue)
            except NOT_UNDERSTOOD as error:
                del known[venue]
                unknown[venue] = f"its prices could not be told: {error}"
                self._redo(venue)

    def pool(self, venue: VenueId) -> Pool:
        """As `ReadableMarket.pool`. Raises `OutOfDate` too."""
        self._require_current()
        if venue in self._gone:
            raise UnknownVenue(f"pool {venue} would not be in the market: {self._gone[venue]}")
        return super().pool(venue)

    def price(self, asset: Asset, in_: Asset = ETH) -> float:
        """As `ReadableMarket.price`. Raises `OutOfDate`."""
        self._require_current()
        return super().price(asset, in_)

    def cycles(self, through: Collection[VenueId] | None = None, **question: Any) -> Iterator[Opportunity]:
        """As `ReadableMarket.cycles`. Raises `OutOfDate` too."""
        self._require_current()
        return super().cycles(through, **question)

    def _answer(self, question: Question) -> Answer:
        with self._packing.supposing(self._after, self._gone, self._curve_of):
            return self._search.answer(question)

    def _redo(self, venue: VenueId) -> None:
        """The rates, curves and depths of the venue's edges as they would be."""
        pool = self._after.get(venue)
        for edge in self._graph.edges_of(venue):
            rate = 0.0 if pool is None else rate_of(pool, edge)
            self._graph.set_rate(edge, rate)
            curve = self._made_curve(edge) if pool is not None and rate else ()
            self._curves[edge.id] = curve
            self._depths[edge.id] = depth(curve, DEPTH_FALL)

    def _require_current(self) -> None:
        if self._under._graph.updates != self._as_of:
            raise OutOfDate("the market has moved on since this was supposed of it; suppose it again")


def rate_of(pool: Pool, edge: Edge) -> float:
    """The edge's marginal rate in whole units. Raises as the pool's `marginal_price`."""
    return pool.marginal_price(edge.token_in, edge.token_out) * 10.0 ** (
        edge.token_in.decimals - edge.token_out.decimals
    )
