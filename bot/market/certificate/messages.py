"""What the engine's process and the certifying one say to each other: pickles, each behind its length, over a pipe."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from bot.market.combined import Walk
from bot.market.dual.capture import Cause, Terms
from bot.market.dual.venues import BookVenue
from bot.market.rows import Moved
from chains.assets import Token
from chains.pools.pool import Pool

PREFIX = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Update:
    """A block: what its market has anew of pools and books, what is gone from it, and what trades must keep to.

    `moved` are pools that were told before and differ by their rows' words alone. With `propose` the optimum's walks
    are told as soon as they are found.
    """

    number: int
    numeraire: Token
    pools: tuple[Pool, ...]
    moved: Moved
    books: tuple[BookVenue, ...]
    gone: tuple[str, ...]
    terms: Terms
    propose: bool = False


@dataclass(frozen=True, slots=True)
class Proposed:
    """The walks of a block's optimum that an executor can take, the most valuable first, at the optimum's sizes."""

    number: int
    walks: tuple[Walk, ...]


@dataclass(frozen=True, slots=True)
class Certified:
    """A block's certificate, in base units of the numeraire.

    No trades in the pools and books known could have gained more than `bound`. Of that an executor that keeps to the
    terms, and is alone, gains `within_reach` before gas. `missed` is the difference by cause; both are None where the
    next block was there before they were found. `took_s` is how long it took.
    """

    number: int
    bound: int
    within_reach: int | None
    missed: Mapping[Cause, int] | None
    took_s: float


def framed(message: Update | Proposed | Certified) -> bytes:
    """The message as it goes over the pipe."""
    body = pickle.dumps(message)
    return PREFIX.pack(len(body)) + body
