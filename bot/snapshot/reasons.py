"""Why a pool of a snapshot may be traded, or may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.exactness import PROOFS, Proof, proven_pool
from bot.exactness.report import sources_of
from bot.quotes import QuoteRefused, Quotes
from chains.pools.pool import Pool, variant_of
from chains.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a pool may be traded. Every reason that speaks against it; if it may, what speaks for it."""

    venue: str
    tradable: bool
    reasons: tuple[str, ...]


def verdict(snapshot: Snapshot, venue: str, proofs: Sequence[Proof] = PROOFS) -> Verdict:
    """What is known of the pool called `venue`, by address or id, whether it is in the snapshot or not."""
    left_out = tuple(left.reason for left in snapshot.left_out if left.venue.lower() == venue.lower())
    try:
        pool = Quotes(snapshot).pool(venue)
    except QuoteRefused as refusal:
        return Verdict(venue, False, left_out or (str(refusal),))
    against = _against(pool, proofs)
    if against:
        return Verdict(pool.venue, False, against)
    block = snapshot.by_venue[pool.venue].block
    known = f"its state after block {block} is known"
    return Verdict(
        pool.venue,
        True,
        (f"{_kind(pool)} is proven exact ({sources_of(pool.family, proofs, variant_of(pool))})", known),
    )


def _kind(pool: Pool) -> str:
    """The family, and of several kinds which."""
    variant = variant_of(pool)
    return f"family {pool.family}, variant {variant!r}," if variant else f"family {pool.family}"


def _against(pool: Pool, proofs: Sequence[Proof]) -> tuple[str, ...]:
    reasons = []
    if not proven_pool(pool, proofs):
        reasons.append(f"{_kind(pool)} is unproven: nobody held it against its contracts")
    prices = [
        pool.marginal_price(token_in, token_out)
        for token_in in pool.tokens
        for token_out in pool.tokens
        if token_in != token_out
    ]
    if not any(prices):
        reasons.append("it is empty: no direction has a price")
    return tuple(reasons)
