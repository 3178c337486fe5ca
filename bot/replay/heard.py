"""What a run heard, told to an engine again: events, books, and what went wrong with either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.engine import Engine
from bot.replay.codec import decode
from bot.replay.levels import BookReader
from bot.replay.recorder import Kind
from chains.blocks import Block, ChainEvent, Head

Join = Callable[[Any, str, Any], None]
"""Takes in a pool that was made during the run: its facts, its protocol and its state, as on the tape."""

_STEPS = 48
"""How often the loop turns until nothing moves any more that does not wait for an answer."""


class PlayedClock:
    """The time of the event that is being taken."""

    def __init__(self, wall_s: float, monotonic_ns: int) -> None:
        self.wall, self.monotonic = wall_s, monotonic_ns

    def wall_s(self) -> float:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic


@dataclass(slots=True)
class Heard:
    """`clock` shows the time on the tape, `join` takes in pools; `played` counts events, `head` is the last block's."""

    clock: PlayedClock
    join: Join
    played: int = 0
    head: Head | None = None
    _events: asyncio.Queue[ChainEvent | None] = field(default_factory=asyncio.Queue)
    _books: BookReader = field(default_factory=BookReader)

    async def events(self) -> AsyncGenerator[ChainEvent]:
        """The chain events, each when its turn comes."""
        while (event := await self._events.get()) is not None:
            yield event

    def over(self) -> None:
        """No event comes any more."""
        self._events.put_nowait(None)

    def tell(self, record: Sequence[Any], engine: Engine) -> bool:
        """Deliver a record, if it is of what was heard."""
        match record[0]:
            case Kind.EVENT:
                self._take(decode(record[1]), record[2])
            case Kind.JOINED:
                self.join(*record[1:])
            case Kind.READY:
                engine.prepare(decode(record[1]))
            case Kind.BOOK:
                engine.on_book(self._books.book(record[1]))
            case Kind.TROUBLE:
                engine.on_trouble(decode(record[1]))
            case Kind.NODE:
                engine.on_node(decode(record[1]))
            case Kind.SILENCE:
                engine.on_silence(record[1])
            case Kind.RESUMED:
                engine.on_resumed(*record[1:])
            case Kind.ENDING:
                engine.ending = True
            case _:
                return False
        return True

    def _take(self, event: ChainEvent, wall_s: float) -> None:
        self.clock.wall = wall_s
        if isinstance(event, Block):
            self.head = event.head
            self.clock.monotonic = event.head.arrived_ns
        self.played += 1
        self._events.put_nowait(event)


async def settle(running: asyncio.Task[Any]) -> None:
    """Let everything happen that waits for nobody. Raises what `running` ended with."""
    for _ in range(_STEPS):
        await asyncio.sleep(0)
    if running.done() and not running.cancelled():
        running.result()
