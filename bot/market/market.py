"""The market: every pool and every order book in one structure, kept current block by block."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.market import books as order_books
from bot.market.graph import Edge, Graph, VenueId
from bot.market.journal import Journal
from bot.market.packing import Packing
from bot.market.readable import ReadableMarket
from bot.market.rows import Moved, Past, Rows, TakenIn
from bot.market.supposed import Supposed, rate_of
from bot.market.transfers import Transfer
from chains.assets import Assets
from chains.blocks import Block, Head, Log
from chains.codec import Logs
from chains.codec.views import LogsView
from chains.exchanges.books import Book
from chains.pools.pool import NOT_UNDERSTOOD, Pool, Refreshed, is_refreshed, is_timed
from chains.pools.upgrades import CodeChanged, followed

_Said = TypeVar("_Said", Head, Log)


class OutOfOrder(ValueError):
    """A block that does not follow the last one: events are missing, and every state would be wrong."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A pool as it was read from the chain, after block `number`."""

    number: int
    pool: Pool


class Market(ReadableMarket):
    """Pools and books as a price graph. One writer; reading never changes it.

    A change to a venue rewrites that venue's edges and no others. What cannot be understood is taken out of the
    market, with its reason in `refused`, and nothing else stops.
    """

    def __init__(self, assets: Assets) -> None:
        graph, self._rows, books = Graph(assets), Rows(), dict[VenueId, Book]()
        packing = Packing(graph, self._rows, books, self._curve_of, self._depth_of)
        super().__init__(graph, self._rows, books, {}, {}, {}, packing)
        self._timed: dict[VenueId, None] = {}
        self._refreshed: dict[VenueId, None] = {}
        self._origins: dict[VenueId, Origin] = {}
        self._held: set[VenueId] = set()
        self._lost: set[VenueId] = set()
        self._journal: Journal[VenueId, Pool | Past] = Journal()
        self._watchers: list[set[VenueId]] = []
        self._moved: tuple[VenueId, ...] = ()

    @property
    def number(self) -> int | None:
        """The last block taken in."""
        return self._journal.last

    @property
    def lapsed(self) -> tuple[Pool, ...]:
        """Pools that cannot answer until a part of their state that moves without events is read again."""
        pools = (self._pools[venue] for venue in self._refreshed)
        return tuple(pool for pool in pools if isinstance(pool, Refreshed) and pool.needs_reading)

    def prepare(self, gas_price_wei: int = 0) -> None:
        """As `ReadableMarket.prepare`; and what the first block's logs would wait for."""
        super().prepare(gas_price_wei)
        self._rows.take_in(Logs.room(0, 0), 0)

    def origin(self, venue: VenueId) -> Origin | None:
        """The pool as it was last read from the chain, where the block was said."""
        return self._origins.get(venue)

    def is_as_read(self, venue: VenueId) -> bool:
        """Whether nothing has changed the pool since it was read from the chain, where the block was said."""
        origin = self._origins.get(venue)
        return origin is not None and self._rows.is_still(venue, origin.pool)

    def orphaned(self, venue: VenueId) -> tuple[Pool, ...]:
        """What the pool was in blocks that are no longer canonical, as far as is remembered."""
        return tuple(map(_known, self._journal.orphaned(venue)))

    def take_changed(self) -> frozenset[VenueId]:
        """`changed`, and start anew."""
        taken, self._changed = frozenset(self._changed), set()
        return taken

    def watched(self) -> set[VenueId]:
        """A set to which every venue that changes from now on is added; whoever asked for it empties it."""
        self._watchers.append(set())
        return self._watchers[-1]

    def moved_from(self, venues: Sequence[VenueId], known: Mapping[VenueId, Pool]) -> Moved:
        """Pools of `venues` that are what `known` says but for some numbers, which are handed on for less."""
        return self._rows.moved_from(venues, known)

    def take_lost(self) -> frozenset[VenueId]:
        """Pools that went out since the last call, their state not being known any more, and are still out."""
        taken = frozenset(venue for venue in self._lost if venue not in self._pools)
        self._lost.clear()
        return taken

    def add_pool(self, pool: Pool, at_block: int | None = None) -> None:
        """Take in a pool, or replace its state, as it was after block `at_block` (default: the last taken in).

        Say the block whenever it was read from a chain: logs up to it are then not applied again, and a
        reorganisation below it is noticed.
        """
        number = self._journal.last if at_block is None else at_block
        if number is not None:
            self._origins[pool.venue] = Origin(number, pool)
            self._rows.read_at(pool.venue, number)
        self._refused.pop(pool.venue, None)
        self._held.discard(pool.venue)
        self._set_pool(pool)

    def renew_pool(self, pool: Pool) -> None:
        """Replace a pool's state within the last block taken in: undone with it. Raises `UnknownVenue`."""
        self._journal.remember(pool.venue, self.pool(pool.venue))
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

    def set_transfer(self, transfer: Transfer) -> None:
        """Take in a way from one place to another, or replace it. Raises `ValueError` where an asset would change."""
        assets = self._graph.assets
        if assets.of(transfer.source) != assets.of(transfer.target):
            raise ValueError(
                f"{transfer.source} and {transfer.target} stand for different assets; no transfer joins them"
            )
        self._transfers[transfer.venue] = transfer
        self._refused.pop(transfer.venue, None)

    def remove(self, venue: VenueId, reason: str, *, until_read: bool = False) -> None:
        """Take a venue out of the market. `refused` keeps the reason until it is taken in again.

        A reorganisation that undoes the block in which it went brings it back, unless it is to stay out
        `until_read` from the chain anew.
        """
        if venue in self._pools:
            self._journal.remember(venue, self._pools[venue])
        if until_read:
            self._held.add(venue)
        self._take_out(venue, reason)

    def lose(self, venues: Collection[VenueId], reason: str) -> None:
        """Take out pools whose state is not known, or not to be trusted, until they are read from the chain anew."""
        for venue in sorted(venues):  # A set's own order is another in each process, and numbers are used again in it.
            self._take_out(venue, reason)
        self._held.update(venues)
        self._lost.update(venues)

    def apply(self, block: Block) -> None:
        """Take in a block: every log to its pool, in order. The last block once more changes nothing.

        A log that cannot be understood takes its pool out of the market. Raises `OutOfOrder`.
        """
        number = block.head.number
        if (number, block.head.hash) == (self._journal.last, self._journal.last_hash):
            return
        self._require_next(block.head)
        self._journal.begin(number, block.head.hash)
        if self._moved:
            self._packing.renew_value(self._moved[number % len(self._moved)])
        after: dict[VenueId, Pool] = {}
        time, what = f"the time of block {number}", f"a log of block {number}"
        for venue in tuple(self._timed):
            if number > self._read_at(venue):
                self._take(_at, block.head, venue, after, time)
        logs = block.logs
        done = self._rows.take_in(logs.arrays, number) if isinstance(logs, LogsView) else None
        first: dict[VenueId, int] = {} if done is None else dict(zip(done.venues, done.first, strict=True))
        for place in range(len(logs)) if done is None else done.left:
            log = logs[place]
            for venue in self._rows.hearing(log):
                if number > self._read_at(venue):
                    known = venue in after
                    self._take(followed, log, venue, after, what)
                    if not known:
                        first[venue] = place
        if done is not None:
            self._moved_rows(done)
        for venue, following in after.items():
            self._journal.remember(venue, self._pools[venue])
            self._set_pool(following)
        rows = list[VenueId]() if done is None else done.venues
        self._moved = tuple(sorted((*after, *rows), key=lambda venue: first.get(venue, -1)) if after else rows)

    def undo(self, ancestor_number: int) -> tuple[VenueId, ...]:
        """Go back to the state after block `ancestor_number`; its venues count as changed.

        Returns the pools that must be loaded again, taken out of the market until then: those loaded after that
        block, and all of them where the reorganisation is deeper than what is remembered.
        """
        unread = {venue for venue, origin in self._origins.items() if origin.number > ancestor_number}
        prior = self._journal.back_to(ancestor_number, self._pools)
        lost = {venue for venue in unread if venue in self._pools or venue in (prior or ())}
        if prior is None:
            lost |= self._pools.keys()
        else:
            for venue, pool in prior.items():
                if venue not in lost and venue not in self._held:
                    self._refused.pop(venue, None)
                    self._set_pool(_known(pool))
        for venue in unread:
            del self._origins[venue]
        lost -= self._held
        self.lose(lost, f"its state before the reorganisation to block {ancestor_number} is not known")
        return tuple(sorted(lost))

    def begin_anew(self, reason: str) -> tuple[VenueId, ...]:
        """Forget every block: any may come next. All pools are lost for `reason`, and are returned."""
        lost = tuple(sorted(self._pools))
        self.lose(lost, reason)
        self._origins.clear()
        self._journal = Journal()
        return lost

    def supposing(self, logs: Iterable[Log]) -> Supposed:
        """The market as it would be after `logs`, such as those of a transaction that waits; itself left as it is.

        A pool that would not understand one of them, or whose prices could not be told then, is not in it.
        """
        after: dict[VenueId, Pool] = {}
        gone: dict[VenueId, str] = {}
        for log in logs:
            for venue in self._rows.hearing(log):
                try:
                    after[venue] = followed(after.get(venue) or self._pools[venue], log)
                except NOT_UNDERSTOOD as error:
                    gone[venue] = f"a supposed log was not understood: {error}"
        moved = {venue: pool for venue, pool in after.items() if venue not in gone and pool is not self._pools[venue]}
        return Supposed(self, moved, gone)

    def _require_next(self, head: Head) -> None:
        number, last, last_hash = head.number, self._journal.last, self._journal.last_hash
        if last is not None and number != last + 1:
            raise OutOfOrder(f"block {number} does not follow {last}; undo or load the market again")
        if last_hash is not None and head.parent_hash != last_hash:
            raise OutOfOrder(f"block {number} is built on another block {last} than was taken in; undo that first")
        if last is None:
            read = min((origin.number for origin in self._origins.values()), default=number)
            if number > read + 1:
                raise OutOfOrder(f"block {number} does not follow {read}, as of which pools were loaded")

    def _read_at(self, venue: VenueId) -> int:
        origin = self._origins.get(venue)
        return 0 if origin is None else origin.number

    def _take(
        self,
        following: Callable[[Pool, _Said], Pool],
        said: _Said,
        venue: VenueId,
        after: dict[VenueId, Pool],
        what: str,
    ) -> None:
        """What follows the venue's state, into `after`; or out of the market, if it cannot be understood."""
        before = after.get(venue) or self._pools[venue]
        try:
            pool = following(before, said)
        except CodeChanged as error:
            after.pop(venue, None)
            self.remove(venue, str(error), until_read=True)
            return
        except NOT_UNDERSTOOD as error:
            after.pop(venue, None)
            self.remove(venue, f"{what} was not understood: {error}")
            self._lost.add(venue)
            return
        if pool is not before:
            after[venue] = pool

    def _take_out(self, venue: VenueId, reason: str) -> None:
        pool = self._pools.pop(venue, None)
        if pool is not None:
            self._ignore(pool)
        self._books.pop(venue, None)
        self._transfers.pop(venue, None)
        for edge in self._graph.edges_of(venue):
            self._forget(edge)
        self._graph.close(venue)
        self._refused[venue] = reason
        self._touched(venue)

    def _moved_rows(self, done: TakenIn) -> None:
        """What a block's logs changed in rows is what all go by from now on."""
        count = len(done.venues)
        self._journal.remember_all(zip(done.venues, done.before, strict=True))
        self._graph.set_rates(done.edges, done.taken.rates[:count])
        edges = set(done.edges.ravel().tolist())
        for derived in (self._curves, self._depths):
            for number in derived.keys() & edges:
                del derived[number]
        self._packing.moved(done)
        self._note(done.venues)

    def _set_pool(self, pool: Pool) -> None:
        venue = pool.venue
        known = self._pools.get(venue)
        if known is not None and known.tokens != pool.tokens:
            self._ignore(known)
            del self._pools[venue]
            known = None
        if known is not None:
            edges = self._graph.edges_of(venue)
        else:
            directions = [(one, other) for one in pool.tokens for other in pool.tokens if one != other]
            edges = self._graph.open(venue, directions, is_book=False)
        try:
            rates = [rate_of(pool, edge) for edge in edges]
        except NOT_UNDERSTOOD as error:
            self.lose([venue], f"its prices cannot be told: {error}")
            return
        self._pools[venue] = pool
        if known is None:
            self._listen(pool)
        for edge, rate in zip(edges, rates, strict=True):
            self._forget(edge)
            self._graph.set_rate(edge, rate)
        self._touched(venue)

    def _listen(self, pool: Pool) -> None:
        venue, timed, refreshed = pool.venue, is_timed(pool), is_refreshed(pool)
        self._rows.listen(pool, self._graph.edges_of(venue), self._read_at(venue))
        if timed:
            self._timed[venue] = None
        if refreshed:
            self._refreshed[venue] = None

    def _ignore(self, pool: Pool) -> None:
        self._rows.ignore(pool)
        self._timed.pop(pool.venue, None)
        self._refreshed.pop(pool.venue, None)

    def _touched(self, venue: VenueId) -> None:
        self._packing.touch(venue)
        self._note((venue,))

    def _note(self, venues: Collection[VenueId]) -> None:
        """Whoever goes by what changes goes by these."""
        self._changed.update(venues)
        for watcher in self._watchers:
            watcher.update(venues)
        self._prices.clear()

    def _forget(self, edge: Edge) -> None:
        """Drop what was derived from the edge's venue."""
        self._curves.pop(edge.id, None)
        self._depths.pop(edge.id, None)


def _known(state: Pool | Past) -> Pool:
    return state.pool() if isinstance(state, Past) else state


def _at(pool: Pool, head: Head) -> Pool:
    """The pool at the time of `head`."""
    return pool.at(head.timestamp_s) if is_timed(pool) else pool
