"""Pools that went out because their state was not known come back as they are at a later head, with patience."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from bot.drift.chain import UNANSWERED
from bot.ledger.decisions import Level
from bot.market import Market, VenueId
from chains.blocks import Head
from chains.pools.pool import Pool

LONGEST_WAIT_BLOCKS = 256
_CALM_BLOCKS = 64
"""A pool that stayed in for so long is as patient as one that never went out."""

Reload = Callable[[Collection[VenueId], Head], Awaitable[Iterable[Pool]]]
"""Loads pools anew, as of a head. Those that cannot be loaded are not in the answer."""

Record = Callable[[Level, str, str], None]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pool that is out: how often reading it was put off, when it is due, and why it went."""

    attempts: int
    due: int
    why: str


class Resync:
    """What is out and shall come back. Counted in `counts`: `resynced` and `resync_failed`."""

    def __init__(self, market: Market, reload: Reload, record: Record, counts: Counter[str]) -> None:
        self._market = market
        self._reload = reload
        self._record = record
        self._waiting: dict[VenueId, Waiting] = {}
        self._back: dict[VenueId, tuple[int, int]] = {}
        self.counts = counts

    @property
    def waiting(self) -> frozenset[VenueId]:
        """Pools that are out and will be read again."""
        return frozenset(self._waiting)

    async def on_head(self, head: Head) -> None:
        """Read again what is due, as of `head`, which the market has taken in."""
        self._note(head.number)
        due = [venue for venue, waiting in self._waiting.items() if waiting.due <= head.number]
        if not due:
            return
        try:
            pools = list(await self._reload(due, head))
            failure = "it cannot be read now"
        except UNANSWERED as error:
            pools, failure = [], str(error)
        for pool in pools:
            self._take_back(pool, head)
        for venue in due:
            if venue in self._waiting:
                self._put_off(venue, head, failure)

    def _note(self, number: int) -> None:
        """Who went out since the last head, and who came back by an undo."""
        for venue in [venue for venue in self._waiting if venue in self._market.pools]:
            del self._waiting[venue]
        for venue in sorted(self._market.take_lost()):
            why = self._market.refused.get(venue, "")
            back_at, outs = self._back.pop(venue, (number, 0))
            attempts = outs if number - back_at < _CALM_BLOCKS else 0
            self._waiting[venue] = Waiting(attempts, number + min(2**attempts, LONGEST_WAIT_BLOCKS) - 1, why)

    def _take_back(self, pool: Pool, head: Head) -> None:
        waiting = self._waiting.pop(pool.venue)
        self._market.add_pool(pool, head.number)
        self._back[pool.venue] = (head.number, waiting.attempts + 1)
        self._back = {venue: at for venue, at in self._back.items() if head.number - at[0] < _CALM_BLOCKS}
        self.counts["resynced"] += 1
        self._record(Level.INFO, "pool_resynced", f"{pool.venue} as of block {head.number}; it was out: {waiting.why}")

    def _put_off(self, venue: VenueId, head: Head, failure: str) -> None:
        waiting = self._waiting[venue]
        attempts = waiting.attempts + 1
        self._waiting[venue] = Waiting(attempts, head.number + min(2**attempts, LONGEST_WAIT_BLOCKS), waiting.why)
        self.counts["resync_failed"] += 1
        if waiting.attempts == 0:
            self._record(Level.WARNING, "pool_not_resynced", f"{venue}: {failure}; it is read again later")
