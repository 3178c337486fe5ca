"""Time, injected: no other module of the engine reads a clock. Tests and replays bring their own."""

from __future__ import annotations

import time
from typing import Protocol


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
