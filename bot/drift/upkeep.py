"""Everything that keeps the market's state true beside the logs: what lapsed is read again, what went out comes back,
and samples are held against the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.drift.audit import Audit, Record
from bot.drift.chain import UNANSWERED, PoolReader
from bot.drift.denials import Denials
from bot.drift.policy import AuditPolicy
from bot.drift.resync import Resync
from bot.ledger.decisions import Level
from bot.market import Market
from chains.assets import Address
from chains.blocks import Head
from chains.pools.pool import Pool


@dataclass(frozen=True, slots=True)
class Upkeeping:
    """With what a market is kept: where its pools are read, and how much of it is compared."""

    reader: PoolReader
    policy: AuditPolicy


class Upkeep:
    """Told of every head and every reorganisation; counts what it did in `counts`."""

    def __init__(self, market: Market, using: Upkeeping, record: Record, counts: Counter[str]) -> None:
        self._market = market
        self._reader = using.reader
        self._record = record
        self._counts = counts
        self._resync = Resync(market, using.reader.reload, record, counts)
        self._audit = Audit(market, using.reader, using.policy, record, counts)
        self.denials = Denials(market, record, counts)

    async def on_head(self, head: Head) -> None:
        """The market has taken in `head`: read again what lapsed and what is out and due."""
        lapsed = self._market.lapsed
        if lapsed:
            await self._read_lapsed(lapsed, head)
        await self._resync.on_head(head)

    def before(self, head_changed: Collection[str]) -> None:
        """A head is about to be decided on; those venues moved."""
        self._audit.before(head_changed)

    def after(self, head: Head) -> None:
        """A head was decided on. Raises what a mistake in the last comparison raised."""
        self._audit.after(head)

    def undone(self, ancestor_number: int) -> None:
        """The chain was reorganised above `ancestor_number`."""
        self._audit.undone(ancestor_number)

    def distrusted(self, pools: Collection[Address]) -> frozenset[Address]:
        """Which of a plan's pools were found to differ from the chain since the plan was decided."""
        return self._audit.distrusted & set(pools)

    async def finished(self) -> None:
        """Wait for what runs beside."""
        await self._audit.finished()

    async def close(self) -> None:
        """Give up what runs beside."""
        await self._audit.close()

    async def _read_lapsed(self, lapsed: Iterable[Pool], head: Head) -> None:
        """A pool that cannot be read stays as it is, which refuses to answer."""
        try:
            loaded = await self._reader.refresh(lapsed, head)
        except UNANSWERED as error:
            if not self._counts["refresh_failed"]:
                self._record(Level.WARNING, "pools_not_refreshed", f"{error}; they answer nothing until they are read")
            self._counts["refresh_failed"] += 1
            return
        # A comparison that runs beside may have taken some of them out meanwhile.
        present = [pool for pool in loaded.pools if pool.venue in self._market.pools]
        for pool in present:
            self._market.renew_pool(pool)
        self._counts["refreshed"] += len(present)
        for venue, why in loaded.refused.items():
            if venue in self._market.pools:
                self._market.lose([venue], f"what lapsed of it cannot be read: {why}")
