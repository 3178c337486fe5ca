"""The recorded streams as an endless tape of events in the exchange's own time and ids."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from chains.exchanges.local.book import Level
from chains.exchanges.local.rules import units

ID_GAP = 1_000
"""How far ids jump when the recording starts over: clients must notice that they missed something."""


class CorruptRecording(RuntimeError):
    """A recorded stream that cannot be read; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The recorded REST depth snapshot: prices not yet re-anchored."""

    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class DepthEvent:
    """One `depthUpdate`: quantities that now hold at recorded prices, 0 meaning gone. `at_ms` is since the start.

    `restarts` marks the first event after the recording started over: the book begins again before it.
    """

    at_ms: int
    first_id: int
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    restarts: bool = False


@dataclass(frozen=True, slots=True)
class TradeEvent:
    """One `trade` between others, at a recorded price."""

    at_ms: int
    trade_id: int
    price: int
    quantity: int
    buyer_is_maker: bool


TapeEvent = DepthEvent | TradeEvent


def _levels(rows: list[list[str]]) -> tuple[Level, ...]:
    return tuple((units(price), units(quantity)) for price, quantity in rows)


@cache
def recorded_lines(symbol: str) -> tuple[bytes, ...]:
    """The recording of a symbol that comes with the project. Raises `CorruptRecording`."""
    file = files("chains.exchanges").joinpath("data", f"{symbol.lower()}.jsonl.gz")
    try:
        return tuple(gzip.decompress(file.read_bytes()).splitlines())
    except (OSError, EOFError, zlib.error) as error:
        raise CorruptRecording(f"{file} cannot be read ({error}); restore it with git checkout") from error


class Recording:
    """One symbol's recorded lines, kept as bytes and read when their time comes. Raises `CorruptRecording`."""

    def __init__(self, lines: tuple[bytes, ...]) -> None:
        self._lines = lines
        try:
            head = orjson.loads(lines[0])
            self.snapshot = Snapshot(head["lastUpdateId"], _levels(head["bids"]), _levels(head["asks"]))
            self.first_ms = int(orjson.loads(lines[1])["E"])
            self.last_ms = int(orjson.loads(lines[-1])["E"])
        except (LookupError, ValueError) as error:
            what = f"a recorded exchange stream is not one ({error!r})"
            raise CorruptRecording(f"{what}; restore chains/exchanges/data with git checkout") from error

    def events(self) -> Iterator[dict[str, Any]]:
        """Every recorded event, as Binance sent it."""
        return map(orjson.loads, self._lines[1:])


class Tape:
    """One symbol's events for ever: the recording again and again, each time with ids that go on rising.

    Times are milliseconds since `start_ms`, a moment of the recording; `loop_ms` is the length of one round. What
    lies at or before the start is part of the first snapshot of each round.
    """

    def __init__(self, recording: Recording, start_ms: int, loop_ms: int) -> None:
        self._recording = recording
        self._start_ms = start_ms
        self._loop_ms = loop_ms
        self.snapshot = recording.snapshot
        """What the book is before anything of the first round has happened."""
        self.before = self._before_start()
        """Depth events at or before the start, to be applied to each snapshot at once."""
        self._events = self._endless()
        self._next = next(self._events)

    @property
    def next_ms(self) -> int:
        """When the next event happens."""
        return self._next.at_ms

    def pop(self) -> TapeEvent:
        """The next event, which thereby has happened."""
        event, self._next = self._next, next(self._events)
        return event

    def _before_start(self) -> tuple[DepthEvent, ...]:
        early = []
        for row in self._recording.events():
            if row["E"] > self._start_ms:
                break
            if row["e"] == "depthUpdate":
                early.append(self._depth(row, 0, 0))
        return tuple(early)

    def _endless(self) -> Iterator[TapeEvent]:
        elapsed_ms = update_ids = trade_ids = 0
        while True:
            first_trade = last_trade = None
            last_update = self.snapshot.last_id
            restarts = elapsed_ms > 0
            for row in self._recording.events():
                at_ms = row["E"] - self._start_ms
                if at_ms <= 0:
                    continue
                if at_ms > self._loop_ms:
                    break
                if row["e"] == "trade":
                    first_trade, last_trade = first_trade or row["t"], row["t"]
                    yield self._trade(row, elapsed_ms, trade_ids)
                else:
                    last_update = row["u"]
                    yield self._depth(row, elapsed_ms, update_ids, restarts)
                    restarts = False
            elapsed_ms += self._loop_ms
            update_ids += last_update - self.snapshot.last_id + ID_GAP
            trade_ids += (last_trade or 0) - (first_trade or 0) + ID_GAP

    def _depth(self, row: dict[str, Any], elapsed_ms: int, ids: int, restarts: bool = False) -> DepthEvent:
        at_ms = elapsed_ms + row["E"] - self._start_ms
        return DepthEvent(at_ms, row["U"] + ids, row["u"] + ids, _levels(row["b"]), _levels(row["a"]), restarts)

    def _trade(self, row: dict[str, Any], elapsed_ms: int, ids: int) -> TradeEvent:
        at_ms = elapsed_ms + row["E"] - self._start_ms
        return TradeEvent(at_ms, row["t"] + ids, units(row["p"]), units(row["q"]), row["m"])


def tapes(symbols: Iterable[str]) -> tuple[int, int, dict[str, Tape]]:
    """Load recordings onto one clock. Returns the start (ms since the epoch), a round's length in ms, and the tapes."""
    recordings = {symbol: Recording(recorded_lines(symbol)) for symbol in symbols}
    start_ms = max(recording.first_ms for recording in recordings.values())
    loop_ms = min(recording.last_ms for recording in recordings.values()) - start_ms
    return start_ms, loop_ms, {symbol: Tape(rec, start_ms, loop_ms) for symbol, rec in recordings.items()}
