"""What a journal that was put back from a copy does not know, counted as if all that was allowed had been lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bot.signer.policy import UNLIMITED_WEI, StrategyLimits
from bot.signer.protocol import StrategyUsage

RESTORED = "restored"
"""In a journal's audit: it was put back, and is silent from the time that stands there until the line's own."""

LACKING = "lacking"
"""In a journal's audit, behind a line of when it was silent: the newest transaction of the ledger that it lacks."""

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Gap:
    """From when until when, in seconds since the epoch, signatures may have been given that the journal lacks."""

    since_s: float
    until_s: float

    def filled(self, usage: StrategyUsage, limits: StrategyLimits, now_s: float) -> StrategyUsage:
        """`usage` at its worst: a window that reaches into the gap is full, and each day of it cost a day's limit."""
        known = usage
        if self.until_s > now_s - HOUR_S:
            usage = replace(usage, hour_loss_wei=_full(known.hour_loss_wei, limits.hour_loss_wei))
        if self.until_s > now_s - DAY_S:
            usage = replace(
                usage,
                day_loss_wei=_full(known.day_loss_wei, limits.day_loss_wei),
                day_gas_wei=_full(known.day_gas_wei, limits.day_gas_wei),
            )
        if UNLIMITED_WEI in (limits.day_loss_wei, limits.lifetime_loss_wei):
            return replace(usage, lifetime_loss_wei=_full(known.lifetime_loss_wei, limits.lifetime_loss_wei))
        days = int((self.until_s - self.since_s) // DAY_S) + 1
        worst = min(known.lifetime_loss_wei + days * limits.day_loss_wei, limits.lifetime_loss_wei)
        return replace(usage, lifetime_loss_wei=max(known.lifetime_loss_wei, worst))


def gaps(audit: Iterable[tuple[float, str, str]]) -> tuple[Gap, ...]:
    """Those that a journal's audit tells of."""
    return tuple(Gap(float(detail), at_s) for at_s, what, detail in audit if what == RESTORED)


def _full(used: int, most: int) -> int:
    return used if most == UNLIMITED_WEI else max(used, most)
