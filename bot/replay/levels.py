"""Order books on a tape: the first of a symbol whole, then only the levels that are not as before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bot.replay.codec import Unreadable, decode, encode
from chains.exchanges.books import Book, Level

_Key = tuple[str, str]


class BookWriter:
    """Remembers the last book of each symbol."""

    def __init__(self) -> None:
        self._last: dict[_Key, Book] = {}

    def document(self, book: Book) -> Any:
        """The book whole, or what is different from the last; whole, too, where its levels are in no order."""
        key = book.exchange, book.symbol
        last, self._last[key] = self._last.get(key), book
        if last is None or _terms(last) != _terms(book):
            return encode(book)
        bids, asks = _changes(last.bids, book.bids), _changes(last.asks, book.asks)
        if _changed(last.bids, bids, best_first=True) != book.bids:
            return encode(book)
        if _changed(last.asks, asks, best_first=False) != book.asks:
            return encode(book)
        return [book.exchange, book.symbol, bids, asks, book.nonce, book.at_ms, book.arrived_ns]


class BookReader:
    """The inverse of `BookWriter`, over the same sequence."""

    def __init__(self) -> None:
        self._last: dict[_Key, Book] = {}

    def book(self, document: Any) -> Book:
        """The next book. Raises `Unreadable`."""
        if isinstance(document, dict):
            book: Book = decode(document)
        else:
            try:
                exchange, symbol, bids, asks, nonce, at_ms, arrived_ns = document
                last = self._last[exchange, symbol]
            except (KeyError, TypeError, ValueError):
                raise Unreadable("a book of which the tape holds no beginning") from None
            book = replace(
                last,
                bids=_changed(last.bids, bids, best_first=True),
                asks=_changed(last.asks, asks, best_first=False),
                nonce=nonce,
                at_ms=at_ms,
                arrived_ns=arrived_ns,
            )
        self._last[book.exchange, book.symbol] = book
        return book


def _terms(book: Book) -> Book:
    """The book without what moves."""
    return replace(book, bids=(), asks=(), nonce=0, at_ms=0, arrived_ns=0)


def _changes(before: Iterable[Level], after: Iterable[Level]) -> list[list[int]]:
    """Levels that are new or hold another amount, and those that are gone (as holding 0)."""
    old, new = dict(before), dict(after)
    gone = [[ticks, 0] for ticks in old if ticks not in new]
    return gone + [[ticks, lots] for ticks, lots in new.items() if old.get(ticks) != lots]


def _changed(before: Iterable[Level], changes: Iterable[list[int]], *, best_first: bool) -> tuple[Level, ...]:
    levels = dict(before)
    for ticks, lots in changes:
        if lots:
            levels[ticks] = lots
        else:
            levels.pop(ticks, None)
    return tuple(sorted(levels.items(), reverse=best_first))
