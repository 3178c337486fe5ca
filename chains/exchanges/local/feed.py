"""One symbol's market data: its tape moves its book, and each event becomes the messages Binance would send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chains.exchanges.local.book import Level, ReplayedBook
from chains.exchanges.local.replay import DepthEvent, Tape, TradeEvent
from chains.exchanges.local.rules import text

Message = tuple[str, Callable[[], dict[str, Any]]]
"""A stream's name, and what makes the event it carries, at once or never."""

SECOND_MS = 1_000


@dataclass(slots=True)
class _Depth:
    """Depth updates gathered for one message: what `depth` sends each second, and `depth@100ms` each event."""

    symbol: str
    first_id: int
    last_id: int = 0
    time_ms: int = 0
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)

    def add(self, last_id: int, time_ms: int, bids: list[Level], asks: list[Level]) -> None:
        self.last_id, self.time_ms = last_id, time_ms
        self.bids.update(bids)
        self.asks.update(asks)

    def json(self) -> dict[str, Any]:
        return {
            "e": "depthUpdate",
            "E": self.time_ms,
            "s": self.symbol,
            "U": self.first_id,
            "u": self.last_id,
            "b": _rows(self.bids.items()),
            "a": _rows(self.asks.items()),
        }


class Feed:
    """A book that follows its tape. `start_ms` is the tape's start in milliseconds since the epoch."""

    def __init__(self, symbol: str, tape: Tape, book: ReplayedBook, start_ms: int) -> None:
        self.symbol = symbol
        self.book = book
        self.last_update_id = tape.snapshot.last_id
        self._tape = tape
        self._start_ms = start_ms
        self._second: _Depth | None = None
        self._begin()

    @property
    def next_ms(self) -> int:
        """When the next event happens, in milliseconds since the start."""
        return self._tape.next_ms

    def advance(self) -> Iterator[Message]:
        """Let the next event happen; what its subscribers hear. Must be read to the end."""
        event = self._tape.pop()
        time_ms = self._start_ms + event.at_ms
        if isinstance(event, TradeEvent):
            yield f"{self.symbol.lower()}@trade", lambda: self._trade_json(event, time_ms)
        else:
            yield from self._depth_moved(event, time_ms)

    def snapshot_json(self, limit: int) -> dict[str, Any]:
        """The answer to `/api/v3/depth`."""
        return {
            "lastUpdateId": self.last_update_id,
            "bids": _rows(self.book.bids.levels(limit)),
            "asks": _rows(self.book.asks.levels(limit)),
        }

    def ticker_json(self) -> dict[str, Any]:
        """The answer to `/api/v3/ticker/bookTicker`."""
        (bid, bid_quantity), (ask, ask_quantity) = self.book.bids.best() or (0, 0), self.book.asks.best() or (0, 0)
        return {
            "symbol": self.symbol,
            "bidPrice": text(bid),
            "bidQty": text(bid_quantity),
            "askPrice": text(ask),
            "askQty": text(ask_quantity),
        }

    def _begin(self) -> None:
        self.book.replace(self._tape.snapshot.bids, self._tape.snapshot.asks)
        for event in self._tape.before:
            self.book.update(event.bids, event.asks)
            self.last_update_id = max(self.last_update_id, event.last_id)

    def _depth_moved(self, event: DepthEvent, time_ms: int) -> Iterator[Message]:
        name = self.symbol.lower()
        if self._second and (event.restarts or time_ms // SECOND_MS > self._second.time_ms // SECOND_MS):
            yield f"{name}@depth", self._second.json
            self._second = None
        if event.restarts:
            self._begin()
        bids, asks = self.book.update(event.bids, event.asks)
        self.last_update_id = event.last_id
        now = _Depth(self.symbol, event.first_id)
        self._second = self._second or _Depth(self.symbol, event.first_id)
        for depth in (now, self._second):
            depth.add(event.last_id, time_ms, bids, asks)
        yield f"{name}@depth@100ms", now.json
        yield f"{name}@bookTicker", self._best_json

    def _best_json(self) -> dict[str, Any]:
        best = self.ticker_json()
        return {
            "u": self.last_update_id,
            "s": self.symbol,
            "b": best["bidPrice"],
            "B": best["bidQty"],
            "a": best["askPrice"],
            "A": best["askQty"],
        }

    def _trade_json(self, trade: TradeEvent, time_ms: int) -> dict[str, Any]:
        side = self.book.bids if trade.buyer_is_maker else self.book.asks
        return {
            "e": "trade",
            "E": time_ms,
            "s": self.symbol,
            "t": trade.trade_id,
            "p": text(side.served_price(trade.price)),
            "q": text(trade.quantity),
            "T": time_ms,
            "m": trade.buyer_is_maker,
            "M": True,
        }


def _rows(levels: Iterable[Level]) -> list[list[str]]:
    return [[text(price), text(quantity)] for price, quantity in levels]
