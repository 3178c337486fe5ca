"""What was, block by block: only the prior values of what changed, so that a reorganisation can be undone."""

from __future__ import annotations

from typing import Generic, TypeVar

KEEP_BLOCKS = 96

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Journal(Generic[_Key, _Value]):
    """Prior values by block number, for the last `KEEP_BLOCKS` blocks."""

    def __init__(self) -> None:
        self._prior: dict[int, dict[_Key, _Value]] = {}
        self.last: int | None = None

    def begin(self, number: int) -> None:
        """Start block `number`; what is remembered from now on belongs to it."""
        self._prior[number] = {}
        self.last = number
        while len(self._prior) > KEEP_BLOCKS:
            del self._prior[next(iter(self._prior))]

    def remember(self, key: _Key, value: _Value) -> None:
        """What `key` was before the current block. Only the first value of a block counts."""
        assert self.last is not None, "begin() comes first"
        self._prior[self.last].setdefault(key, value)

    def back_to(self, ancestor: int) -> dict[_Key, _Value] | None:
        """Forget the blocks above `ancestor`; the values after it. None where it is too far back to know.

        The journal then continues after `ancestor`.
        """
        deep = bool(self._prior) and ancestor < next(iter(self._prior)) - 1
        restored: dict[_Key, _Value] = {}
        for number in sorted((number for number in self._prior if number > ancestor), reverse=True):
            restored.update(self._prior.pop(number))
        if self.last is not None:
            self.last = min(self.last, ancestor)
        return None if deep else restored
