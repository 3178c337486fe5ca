"""Time, injected: no other module of the engine reads a clock. Tests and replays bring their own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

_TURNS_TO_ASK = 4
"""So many turns of the event loop pass until a question is written by a task that another began for it."""


class Clock(Protocol):
    def wall_s(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_s(self) -> float:
        return time.time()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


async def others_asked() -> None:
    """Return once the tasks that were begun have written what they ask: they are answered while the caller goes on."""
    for _ in range(_TURNS_TO_ASK):
        await asyncio.sleep(0)
