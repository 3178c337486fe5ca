"""The sampled comparison with the chain, all the time: a pool that differs goes out at once, and why is found out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot.drift.chain import UNANSWERED, PoolReader
from bot.drift.comparison import differences, reaches_further, told
from bot.drift.divergence import Base, Diverged, explained
from bot.drift.policy import AuditPolicy
from bot.drift.sampling import Sampler
from bot.ledger.decisions import Level
from bot.market import Market, VenueId
from bot.market.loader import Loaded
from chains.assets import Address
from chains.blocks import Head
from chains.pools.pool import Pool

STRIKES = 3
"""A pool that differed so often stays out."""

FORGIVEN_AFTER = 8
"""So many equal comparisons in a row make up for its having differed."""

_MINUTE_S = 60

Record = Callable[[Level, str, str], None]
"""Writes an event with a name and a line into the ledger."""


class Allowance:
    """Questions that may be asked, earned by the chain's time. What was overspent is saved up again first."""

    def __init__(self, calls_per_minute: int) -> None:
        self._most = calls_per_minute * _MINUTE_S
        self._earned_per_s = calls_per_minute
        self._left = self._most
        self._at_s: int | None = None

    def earn(self, timestamp_s: int) -> None:
        """Time has come to `timestamp_s`."""
        passed_s = 0 if self._at_s is None else max(timestamp_s - self._at_s, 0)
        self._at_s = timestamp_s
        self._left = min(self._left + passed_s * self._earned_per_s, self._most)

    def spend(self, calls: int) -> None:
        self._left -= calls * _MINUTE_S

    @property
    def left(self) -> bool:
        return self._left >= _MINUTE_S


@dataclass(frozen=True, slots=True)
class _Different:
    """A pool whose chain's state is another, or cannot be read any more; and which is it, for a person."""

    chains: Pool | None
    why: str


class Audit:
    """Holds some of the market's pools against the chain at the same block hash, beside everything else.

    Counted in `counts`: `compared`, `differed`, `unconfirmed`, `kept_out`, `unanswered`, each class as `diverged_…`.
    """

    def __init__(
        self, market: Market, chain: PoolReader, policy: AuditPolicy, record: Record, counts: Counter[str]
    ) -> None:
        self._market = market
        self._chain = chain
        self._policy = policy
        self._record = record
        self._sampler = Sampler()
        self._sampler.meet(market.pools)
        self._allowance = Allowance(policy.calls_per_minute)
        self._bases: dict[VenueId, Base] = {}
        self._strikes: Counter[VenueId] = Counter()
        self._calm: Counter[VenueId] = Counter()
        self._compared_at: int | None = None
        self._reorganisations = 0
        self._running: asyncio.Task[None] | None = None
        self.counts = counts
        self._suspected: frozenset[Address] = frozenset()
        self._gone: frozenset[Address] = frozenset()

    @property
    def distrusted(self) -> frozenset[Address]:
        """What plans call the pools that may differ, or went out since the last head: no plan may go through them."""
        return self._suspected | self._gone

    def before(self, changed: Collection[VenueId]) -> None:
        """A head is about to be decided on; `changed` are the venues that moved since the last one."""
        self._gone = frozenset()
        present = [venue for venue in sorted(changed) if venue in self._market.pools]
        self._sampler.meet(present)
        self._sampler.note(venue for venue in present if not self._market.is_as_read(venue))

    def after(self, head: Head) -> None:
        """A head was decided on: begin a comparison with it if one is due, and return at once.

        Raises what a mistake in the one before raised.
        """
        self._allowance.earn(head.timestamp_s)
        if not self._due(head):
            return
        pools = self._market.pools
        picked = self._sampler.pick({venue for venue in pools if self._chain.knows(venue)}, self._policy.pools)
        if picked:
            self._compared_at = head.number
            ours = {venue: pools[venue] for venue in picked}
            self._running = asyncio.create_task(self._compare(ours, head, self._reorganisations))

    def undone(self, ancestor_number: int) -> None:
        """The chain was reorganised: what was proven above `ancestor_number` no longer is."""
        self._reorganisations += 1
        self._compared_at = None
        self._bases = {venue: base for venue, base in self._bases.items() if base.number <= ancestor_number}

    async def finished(self) -> None:
        """Wait for the comparison that runs. Raises what a mistake in it raised."""
        running = self._running
        if running is not None:
            await asyncio.wait({running})
            if not running.cancelled():
                running.result()

    async def close(self) -> None:
        """Give up the comparison that runs."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    def _due(self, head: Head) -> bool:
        if self._running is not None:
            if not self._running.done():
                return False
            self._running.result()
            self._running = None
        waited = self._compared_at is None or head.number - self._compared_at >= self._policy.every_blocks
        return waited and self._allowance.left

    async def _compare(self, ours: Mapping[VenueId, Pool], head: Head, reorganisations: int) -> None:
        """`ours` are the pools after `head`; a reorganisation since, by their count then, leaves nothing proven."""
        asked = self._chain.calls_made
        try:
            different = self._different(ours, await self._chain.pools(list(ours), head.hash), head)
            self._suspected = frozenset(_called(ours[venue]) for venue in different)
            confirmed = await self._confirmed(different, ours, head) if different else {}
        except UNANSWERED:
            self.counts["unanswered"] += 1
            self._sampler.note(ours)
            return
        finally:
            self._allowance.spend(self._chain.calls_made - asked)
            self._suspected = frozenset()
        if self._reorganisations != reorganisations:
            self._sampler.note(ours)
            return
        self.counts["compared"] += len(ours)
        self.counts["unconfirmed"] += len(different) - len(confirmed)
        self._sampler.note(different.keys() - confirmed.keys())
        for venue in sorted(ours.keys() - different.keys()):
            self._bases[venue] = Base(head.number, ours[venue])
            self._forgive(venue)
        await self._quarantine(confirmed, ours, head)

    def _different(self, ours: Mapping[VenueId, Pool], loaded: Loaded, head: Head) -> dict[VenueId, _Different]:
        """Where the two differ. A pool of which the chain's ticks reach further gets those."""
        found = {venue: _Different(None, f"cannot be read any more: {why}") for venue, why in loaded.refused.items()}
        for chains in loaded.pools:
            pool = ours[chains.venue]
            apart = differences(pool, chains, head)
            if apart:
                found[pool.venue] = _Different(chains, f"differs from the chain at block {head.number}: {told(apart)}")
            elif self._market.pools.get(pool.venue) is pool and reaches_further(chains, pool):
                self._market.renew_pool(chains)
        return found

    async def _confirmed(
        self, different: Mapping[VenueId, _Different], ours: Mapping[VenueId, Pool], head: Head
    ) -> dict[VenueId, _Different]:
        """Those that a second reading finds different in the same way, the block being canonical still.

        A node that moves on while it is asked may answer of another block than it was asked for.
        """
        await asyncio.sleep(self._policy.second_look_s)
        again = self._different(ours, await self._chain.pools(list(different), head.hash), head)
        canonical = await self._chain.block(head.number)
        if canonical is None or canonical.hash != head.hash:
            return {}
        return {venue: found for venue, found in again.items() if found.chains == different[venue].chains}

    async def _quarantine(
        self, different: Mapping[VenueId, _Different], ours: Mapping[VenueId, Pool], head: Head
    ) -> None:
        """All of them out of the market, then why."""
        diverged = [
            Diverged(ours[venue], found.chains, head, self._base(venue, head), self._market.orphaned(venue))
            for venue, found in different.items()
            if found.chains is not None
        ]
        for venue, found in different.items():
            self._distrust(ours[venue], found.why)
        for one in diverged:
            await self._explain(one)

    def _distrust(self, ours: Pool, why: str) -> None:
        """Out of the market, now; for good the third time."""
        venue = ours.venue
        self.counts["differed"] += 1
        self._bases.pop(venue, None)
        self._strikes[venue] += 1
        self._calm.pop(venue, None)
        self._gone |= {_called(ours)}
        if self._strikes[venue] < STRIKES:
            self._market.lose([venue], why)
            self._record(Level.WARNING, "pool_differs", f"{venue} {why}")
            return
        self.counts["kept_out"] += 1
        self._market.remove(venue, f"{why}; it differed {STRIKES} times and stays out", until_read=True)
        self._record(Level.ERROR, "pool_kept_out", f"{venue} {why}; it differed {STRIKES} times and stays out")

    def _forgive(self, venue: VenueId) -> None:
        """Once more it was the chain's; often enough in a row, and that it once differed is forgotten."""
        if venue in self._strikes:
            self._calm[venue] += 1
            if self._calm[venue] >= FORGIVEN_AFTER:
                del self._strikes[venue], self._calm[venue]

    async def _explain(self, found: Diverged) -> None:
        asked = self._chain.calls_made
        explanation = await explained(found, self._chain)
        self._allowance.spend(self._chain.calls_made - asked)
        self.counts[f"diverged_{explanation.divergence}"] += 1
        self._record(Level.WARNING, f"divergence_{explanation.divergence}", f"{found.ours.venue}: {explanation.detail}")

    def _base(self, venue: VenueId, head: Head) -> Base | None:
        """Where the pool was last known to be the chain's: read from it, or compared with it."""
        proven, origin = self._bases.get(venue), self._market.origin(venue)
        if origin is None or origin.number >= head.number or (proven and proven.number >= origin.number):
            return proven
        return Base(origin.number, origin.pool)


def _called(pool: Pool) -> Address:
    """What plans call the pool."""
    return pool.hop(*pool.tokens[:2]).pool
