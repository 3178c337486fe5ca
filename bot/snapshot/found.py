"""What a recording holds, before it is a snapshot: pools, events that change them, and what cannot be taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.pools.pool import Pool, PoolError
from chains.pools.upgrades import followed
from chains.printing import one_line
from chains.snapshot import LeftOut, Recorded, Snapshot
from chains.snapshot.codec import decode, encode, reference, tokens_in
from chains.twin.layout import safe_symbol

Found = Recorded | LeftOut | Log

Layout = Callable[[Any], Iterator[Found] | None]
"""Reads a document of one layout; None where it is another's."""

NETWORKS: Mapping[int, str] = {1: "ethereum", 10: "optimism", 56: "bsc", 8453: "base", 42161: "arbitrum"}
"""What networks are called here, by chain id."""


def place_of(chain_id: int) -> str:
    """The network's name; its chain id where it has none here."""
    return NETWORKS.get(chain_id, f"chain-{chain_id}")


def token_of(place: str, at: str, symbol: str, decimals: float) -> Token:
    """A recorded token, its symbol safe to print. Raises `ValueError` for what is no token."""
    if decimals != int(decimals) or not 0 <= decimals <= 255:
        raise ValueError(f"token {at} has {decimals} decimals")
    return Token(place, address(at), safe_symbol(str(symbol)), int(decimals))


def taken(venue: str, block: int, make: Callable[[], Pool]) -> Recorded | LeftOut:
    """The pool that `make` builds; left out, with the reason, where its recording cannot be one."""
    try:
        pool = make()
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        return LeftOut(venue, " ".join(said.split()) or type(error).__name__)
    return Recorded(pool, block)


def gathered(found: Iterable[Found]) -> Snapshot:
    """One snapshot of everything: of two states of a pool the later, brought forward by the events that follow it.

    A token recorded twice is one token; where its decimals differ, the later pool is left out.
    """
    pools: dict[str, Recorded] = {}
    left_out: dict[LeftOut, None] = {}
    events: list[Log] = []
    for item in found:
        if isinstance(item, Log):
            events.append(item)
        elif isinstance(item, LeftOut):
            left_out[item] = None
        else:
            venue = item.pool.venue
            known = pools.get(venue)
            earlier, later = (item, known) if known is not None and known.block >= item.block else (known, item)
            if earlier is not None and earlier != later:
                left_out[LeftOut(venue, f"its state in block {earlier.block}: block {later.block} is later")] = None
            pools[venue] = later
    left_out |= dict.fromkeys(_brought_forward(pools, events))
    left_out |= dict.fromkeys(_with_one_token_each(pools))
    kept = (left for left in left_out if left.venue not in pools or left.reason.startswith("its state in"))
    shown = dict.fromkeys(LeftOut(one_line(str(left.venue)), one_line(left.reason)) for left in kept)
    return Snapshot(tuple(pools[venue] for venue in sorted(pools)), tuple(shown))


def _brought_forward(pools: dict[str, Recorded], events: list[Log]) -> Iterator[LeftOut]:
    """Apply the events that follow each pool's state, in order; a pool that cannot take one is left out."""
    emitters: dict[Address, str] = {recorded.pool.address: venue for venue, recorded in pools.items()}
    for log in sorted(events, key=lambda log: (log.block_number, log.log_index)):
        venue = emitters.get(log.address)
        if venue is None:
            yield LeftOut(log.address, "only its events were recorded, not its state")
        elif venue in pools and log.block_number > pools[venue].block:
            try:
                pools[venue] = Recorded(followed(pools[venue].pool, log), pools[venue].block)
            except PoolError as error:
                del pools[venue]
                yield LeftOut(venue, f"an event of block {log.block_number} does not fit: {error}")
    last = {log.address: log.block_number for log in sorted(events, key=lambda log: log.block_number)}
    for emitter, block in last.items():
        venue = emitters.get(emitter)
        if venue in pools and block > pools[venue].block:
            pools[venue] = replace(pools[venue], block=block)


def _with_one_token_each(pools: dict[str, Recorded]) -> Iterator[LeftOut]:
    """Have every pool name a token by the same symbol, the first recorded."""
    known: dict[str, Token] = {}
    for venue, recorded in list(pools.items()):
        tokens = sorted(tokens_in(recorded.pool), key=reference)
        named = [known.setdefault(reference(token), token) for token in tokens]
        if any(one.decimals != other.decimals for one, other in zip(tokens, named, strict=True)):
            del pools[venue]
            yield LeftOut(venue, "another pool records its tokens with other decimals")
        elif named != tokens:
            pools[venue] = Recorded(decode(encode(recorded.pool), type(recorded.pool), known, venue), recorded.block)
