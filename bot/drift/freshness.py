"""Whether a head is young enough to decide on."""

from __future__ import annotations

from dataclasses import dataclass

from bot.clock import Clock
from chains.blocks import Head


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
