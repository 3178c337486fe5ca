"""Which slots are worth reading at the next block: all that are known, and those that rings of observations move on to.

No I/O. To read too many costs a word each; what is read too few is a miss, as everything that is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from chains.assets import Address
from chains.pools.observations import observations_of

MOST_STALE = 256
_MOST_OFFSETS = 64
# By what is already sent for the block that a plan is tried in; and before that, in the block that is read next.
_WRITES_BEFORE = 1
_WRITES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class _Standing:
    """Of an account as it said `words`: what may be touched next, and which observations nothing asks for any more."""

    words: Mapping[int, int]
    wanted: Collection[int]
    stale: Collection[int]


class Ahead:
    """Remembers of each ring what runs touched, as seen from its newest observation."""

    def __init__(self) -> None:
        self._offsets: dict[Address, dict[int, None]] = {}
        self._searched: dict[Address, set[int]] = {}
        self._standing: dict[Address, _Standing] = {}

    def note(self, account: Address, touched: Collection[int], words: Mapping[int, int]) -> None:
        """A run touched these slots of an account that held `words`."""
        ring = observations_of(words)
        if ring is None:
            return
        known = self._offsets.setdefault(account, {})
        offsets = [ring.offset(slot) for slot in touched if ring.holds(slot)]
        for offset in offsets:
            known.pop(offset, None)
            known[offset] = None
        for offset in list(known)[:-_MOST_OFFSETS]:
            del known[offset]
        # A swap searches nothing.
        self._searched[account] = ring.searched(offsets) or self._searched.get(account, set())
        self._standing.pop(account, None)

    def keys(
        self, accounts: Collection[Address], slots: Mapping[Address, Mapping[int, int]]
    ) -> dict[Address, Sequence[int]]:
        """The slots to read, by account; past `MOST_STALE` observations that nothing asks for, those are left out."""
        keys: dict[Address, Sequence[int]] = {account: tuple(slots.get(account, ())) for account in accounts}
        rings = {account: self._stands(account, slots[account]) for account in self._offsets if account in keys}
        leaves = sum(len(ring.stale) for ring in rings.values()) > MOST_STALE
        for account, ring in rings.items():
            kept = [slot for slot in keys[account] if slot not in ring.stale] if leaves else keys[account]
            keys[account] = (*kept, *(slot for slot in ring.wanted if slot not in ring.words))
        return keys

    def lacks(self, slots: Mapping[Address, Mapping[int, int]]) -> bool:
        """Whether a run on top of these may touch what is not among them, as far as rings tell."""
        rings = ((observations_of(slots[account]), account) for account in self._offsets if account in slots)
        return any(ring and ring.ahead(self._wanted(at), _WRITES_BEFORE) - slots[at].keys() for ring, at in rings)

    def _stands(self, account: Address, words: Mapping[int, int]) -> _Standing:
        standing = self._standing.get(account)
        if standing is None or standing.words is not words:
            ring = observations_of(words)
            wanted = ring.ahead(self._wanted(account), _WRITES_AHEAD) if ring else set()
            stale = {slot for slot in words if ring and ring.holds(slot) and slot not in wanted}
            standing = self._standing[account] = _Standing(words, wanted, stale)
        return standing

    def _wanted(self, account: Address) -> Collection[int]:
        """Offsets that were touched, and those that searches for the same age come to as time goes on."""
        return self._offsets[account].keys() | self._searched[account]

    def forget(self, account: Address) -> None:
        self._offsets.pop(account, None)
        self._searched.pop(account, None)
        self._standing.pop(account, None)
