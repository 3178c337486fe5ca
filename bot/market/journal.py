"""What was, block by block: only the prior values of what changed, so that a reorganisation can be undone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

KEEP_BLOCKS = 96
KEEP_ORPHANS = 1_024
"""How many values of blocks that are no longer canonical are remembered."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Page(Generic[_Key, _Value]):
    """One block: its hash, and what was before it of what it changed."""

    block_hash: str
    prior: dict[_Key, _Value] = field(default_factory=dict)


class Journal(Generic[_Key, _Value]):
    """Prior values by block number, for the last `KEEP_BLOCKS` blocks."""

    def __init__(self) -> None:
        self._pages: dict[int, _Page[_Key, _Value]] = {}
        self._orphans: deque[tuple[_Key, _Value]] = deque(maxlen=KEEP_ORPHANS)
        self.last: int | None = None

    @property
    def last_hash(self) -> str | None:
        """The hash of block `last`, if that block was begun here."""
        page = None if self.last is None else self._pages.get(self.last)
        return None if page is None else page.block_hash

    def begin(self, number: int, block_hash: str) -> None:
        """Start block `number`; what is remembered from now on belongs to it."""
        self._pages[number] = _Page(block_hash)
        self.last = number
        while len(self._pages) > KEEP_BLOCKS:
            del self._pages[next(iter(self._pages))]

    def remember(self, key: _Key, value: _Value) -> None:
        """What `key` was before the current block. Only the first value of a block counts; none before any block."""
        self.remember_all([(key, value)])

    def remember_all(self, values: Iterable[tuple[_Key, _Value]]) -> None:
        """`remember` of each."""
        page = None if self.last is None else self._pages.get(self.last)
        if page is not None:
            for key, value in values:
                page.prior.setdefault(key, value)

    def back_to(self, ancestor: int, now: Mapping[_Key, _Value]) -> dict[_Key, _Value] | None:
        """Forget the blocks above `ancestor`; the values after it. None where it is too far back to know.

        `now` are the present values: what the forgotten blocks left behind is kept as orphaned. The journal then
        continues after `ancestor`.
        """
        deep = bool(self._pages) and ancestor < next(iter(self._pages)) - 1
        restored: dict[_Key, _Value] = {}
        for number in sorted((number for number in self._pages if number > ancestor), reverse=True):
            for key, value in self._pages.pop(number).prior.items():
                left = restored.get(key, now.get(key))
                if left is not None:
                    self._orphans.append((key, left))
                restored[key] = value
        if self.last is not None:
            self.last = min(self.last, ancestor)
        return None if deep else restored

    def orphaned(self, key: _Key) -> tuple[_Value, ...]:
        """What `key` was in blocks that are no longer canonical, as far as is remembered."""
        return tuple(value for other, value in self._orphans if other == key)
