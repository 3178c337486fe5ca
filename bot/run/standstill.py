"""A node that answers and has stopped following its chain: no block comes, so nothing else would ever say so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerUnwritable
from chains.blocks import Head

_BLOCKS = 4
"""So many blocks may be missing from a chain that goes on."""


@dataclass(slots=True)
class Standstill:
    """Tells of a block, once, after which none came for `longest_s`."""

    now_ns: Callable[[], int]
    longest_s: float
    note: Callable[[Level, str, str], None]
    tell: Callable[[str], None]
    _told_of: str = ""

    @classmethod
    def of(
        cls,
        block_time_s: float,
        max_age_s: float,
        now_ns: Callable[[], int],
        note: Callable[[Level, str, str], None],
        tell: Callable[[str], None],
    ) -> Standstill:
        """Of a chain that makes a block every `block_time_s`, and on whose blocks is decided for `max_age_s`."""
        return cls(now_ns, max(_BLOCKS * block_time_s, max_age_s), note, tell)

    def look(self, newest: Head) -> None:
        """`newest` is the newest block there is."""
        still_s = (self.now_ns() - newest.arrived_ns) / 1e9
        if still_s <= self.longest_s or newest.hash == self._told_of:
            return
        self._told_of = newest.hash
        detail = f"block {newest.number} came {still_s:.0f} s ago, and none since; nothing is decided until one comes"
        with suppress(LedgerUnwritable):
            self.note(Level.WARNING, "chain_still", detail)
        self.tell(f"chain still: {detail}")
