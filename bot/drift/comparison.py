"""Two states of one pool, held against each other field by field, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from chains.blocks import Head
from chains.pools.concentrated import REACH_TICKS
from chains.pools.pool import Pool, Refreshed, Timed
from chains.pools.tick_math import Ticks, word_of

_SHOWN = 48


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not the same: what we have, and what the chain has."""

    field: str
    ours: object
    chains: object

    def __str__(self) -> str:
        return f"{self.field} is {_shown(self.ours)}, the chain's is {_shown(self.chains)}"


def differences(ours: Pool, chains: Pool, head: Head | None = None) -> tuple[Difference, ...]:
    """Every field in which the two differ, as of `head`'s time where time matters.

    Ticks are compared where both know them. What we do not claim to know does not differ: a field that is None, and a
    pool that says it must be read again.
    """
    if isinstance(ours, Refreshed) and ours.needs_reading:
        return ()
    if type(ours) is not type(chains):
        return (Difference("family", ours.family, chains.family),)
    if head is not None:
        ours, chains = _at(ours, head), _at(chains, head)
    return tuple(_within("", ours, chains))


def reaches_further(chains: Pool, ours: Pool) -> bool:
    """Whether the price has come so near the end of the ticks we know that those of `chains` serve better."""
    known, other = getattr(ours, "ticks", None), getattr(chains, "ticks", None)
    if not isinstance(known, Ticks) or not isinstance(other, Ticks):
        return False
    tick: int = getattr(ours, "tick", 0)
    return _margin(known, tick) < min(REACH_TICKS // 2, _margin(other, tick))


def _margin(ticks: Ticks, tick: int) -> int:
    return min(tick - ticks.lowest, ticks.highest - tick)


def _at(pool: Pool, head: Head) -> Pool:
    return pool.at(head.timestamp_s) if isinstance(pool, Timed) else pool


def _within(path: str, ours: Any, chains: Any) -> Iterator[Difference]:
    for field in fields(ours):
        if not field.compare:
            continue
        name = f"{path}{field.name}"
        one, other = getattr(ours, field.name), getattr(chains, field.name)
        if one is None or one == other:
            continue
        if isinstance(one, Ticks) and isinstance(other, Ticks):
            yield from _ticks(name, one, other)
        elif is_dataclass(one) and type(one) is type(other):
            yield from _within(f"{name}.", one, other)
        else:
            yield Difference(name, one, other)


def _ticks(name: str, ours: Ticks, chains: Ticks) -> Iterator[Difference]:
    """Ticks in the bitmap words that both know, and the spacing."""
    if ours.spacing != chains.spacing:
        yield Difference(f"{name}.spacing", ours.spacing, chains.spacing)
        return
    if ours.edges is not None or chains.edges is not None:
        return
    first, last = max(ours.first_word, chains.first_word), min(ours.last_word, chains.last_word)
    for kind, one, other in (("gross", ours.gross, chains.gross), ("net", ours.net, chains.net)):
        for tick in sorted({*one, *other}):
            if first <= word_of(tick, ours.spacing) <= last and one.get(tick, 0) != other.get(tick, 0):
                yield Difference(f"{name}.{kind}[{tick}]", one.get(tick, 0), other.get(tick, 0))


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def told(found: tuple[Difference, ...], most: int = 3) -> str:
    """The first differences in one line."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(map(str, found[:most])) + more
