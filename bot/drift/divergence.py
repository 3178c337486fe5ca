"""Why a pool's state was not the chain's: its logs are replayed from where both agreed, and the first block at which
that leaves the chain is looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.drift.chain import UNANSWERED, PoolReader
from bot.drift.comparison import differences
from chains.blocks import Head, Log
from chains.pools.pool import Pool


class Divergence(StrEnum):
    """The classes of divergence. The value is what the ledger and the summary show."""

    MISSED_LOG = "missed_log"
    REORG = "reorg"
    DECODER = "decoder"
    UNKNOWN = "unknown_behaviour"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Base:
    """A pool as it was when it last was the chain's, after block `number`."""

    number: int
    pool: Pool


@dataclass(frozen=True, slots=True)
class Diverged:
    """A pool that differs: our state and the chain's, both after `head`; `base` is where they last agreed."""

    ours: Pool
    chains: Pool
    head: Head
    base: Base | None
    orphaned: tuple[Pool, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    divergence: Divergence
    detail: str


async def explained(found: Diverged, chain: PoolReader) -> Explanation:
    """The class of the divergence, and a line for a person. Never raises for anything the chain does."""
    base = found.base
    if base is None:
        return _orphan(found) or Explanation(Divergence.UNEXPLAINED, "it was never before held against the chain")
    try:
        logs = await chain.logs(found.ours.sources, base.number + 1, found.head.number)
        return await _replayed(found, base, logs, chain)
    except UNANSWERED as error:
        return _orphan(found) or Explanation(Divergence.UNEXPLAINED, f"the node did not tell: {error}")


def _orphan(found: Diverged) -> Explanation | None:
    if any(not differences(orphan, found.ours) for orphan in found.orphaned):
        return Explanation(Divergence.REORG, "our state is that of a block which is no longer canonical")
    return None


async def _replayed(found: Diverged, base: Base, logs: Sequence[Log], chain: PoolReader) -> Explanation:
    """As `explained`, by what the canonical logs lead to and whether our state lies on their way."""
    since = f"{len(logs)} logs since block {base.number}"
    try:
        way = [base.pool, *_following(base.pool, logs)]
    except (ValueError, ArithmeticError, LookupError) as error:
        return Explanation(Divergence.DECODER, f"{since} cannot be replayed: {error}")
    if all(differences(state, found.ours, found.head) for state in way) and (orphan := _orphan(found)):
        return orphan
    if not differences(way[-1], found.chains, found.head):
        return Explanation(Divergence.MISSED_LOG, f"{since}, replayed, give the chain's state")
    if not logs:
        return Explanation(Divergence.UNKNOWN, f"the chain's state changed without any log since block {base.number}")
    first = await _first_apart(found, base, logs, chain)
    if first is None:
        return Explanation(Divergence.DECODER, f"{since}, replayed, do not give the chain's state")
    if any(log.block_number == first for log in logs):
        return Explanation(Divergence.DECODER, f"the logs of block {first} do not lead to what the chain has after it")
    return Explanation(Divergence.UNKNOWN, f"the chain's state changed in block {first} without any log")


async def _first_apart(found: Diverged, base: Base, logs: Sequence[Log], chain: PoolReader) -> int | None:
    """The first block after which the replay is not the chain's state, by halving; None where the node cannot tell.

    After the base they agree, and after the head they do not.
    """
    together, apart = base.number, found.head.number
    while apart - together > 1:
        middle = (together + apart) // 2
        try:
            head = await chain.block(middle)
            loaded = await chain.pools([found.ours.venue], head.hash) if head else None
        except UNANSWERED:
            return None
        if loaded is None or not loaded.pools:
            return None
        way = [base.pool, *_following(base.pool, [log for log in logs if log.block_number <= middle])]
        if differences(way[-1], loaded.pools[0], head):
            apart = middle
        else:
            together = middle
    return apart


def _following(pool: Pool, logs: Sequence[Log]) -> Iterator[Pool]:
    """The pool after each log."""
    for log in logs:
        pool = pool.applied(log)
        yield pool
