"""Whether a head is young enough to decide on, and an order book."""

from __future__ import annotations

from dataclasses import dataclass

from bot.clock import Clock
from chains.blocks import Head
from chains.exchanges.books import Book

STALE_BOOK_S = 10.0
"""Nothing is decided on an order book that has been silent for longer, or is told so late."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """A head is too old once it arrived more than `max_age_s` ago, or was made so long ago by its own timestamp.

    Timestamps are not looked at where `by_timestamp` is False: a test chain's time is its own.
    """

    clock: Clock
    max_age_s: float
    by_timestamp: bool

    def too_old(self, head: Head) -> str | None:
        """Why nothing may be decided on `head`; None while something may."""
        age_s = (self.clock.monotonic_ns() - head.arrived_ns) / 1e9 if head.arrived_ns else 0.0
        if self.by_timestamp:
            age_s = max(age_s, self.clock.wall_s() - head.timestamp_s)
        if age_s <= self.max_age_s:
            return None
        return f"block {head.number} is {age_s:.0f} s old; nothing is decided on state older than {self.max_age_s:g} s"


class BookAges:
    """An order book is too old while its exchange says nothing, or tells what was true long before the newest head.

    An exchange's time is held against the heads', whatever this machine's clock says: not where `by_timestamp` is
    False, as a test chain's time is its own.
    """

    def __init__(self, by_timestamp: bool) -> None:
        self._by_timestamp = by_timestamp
        self._head: Head | None = None

    def at_head(self, head: Head) -> None:
        """`head` is the newest."""
        self._head = head

    def too_old(self, book: Book) -> str | None:
        """Why nothing may be decided on `book`; None while something may."""
        head, name = self._head, f"{book.symbol} at {book.exchange}"
        if head is None:
            return None
        silent_s = (head.arrived_ns - book.arrived_ns) / 1e9 if book.arrived_ns else 0.0
        if silent_s > STALE_BOOK_S:
            return f"{name} has said nothing for {silent_s:.0f} s"
        late_s = head.timestamp_s - book.at_ms / 1e3 if self._by_timestamp and book.at_ms else 0.0
        if late_s > STALE_BOOK_S:
            return f"{name} is told as it was {late_s:.0f} s before block {head.number}"
        return None
