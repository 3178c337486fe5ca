"""What is left behind and does not go by itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_left(kind: type[object]) -> Iterator[None]:
    """No other objects of `kind` are there afterwards than before, though nobody looks for garbage."""
    gc.collect()
    gc.disable()
    try:
        # Kept, so that one of these which goes meanwhile does not make up for one that stays.
        before = _all_of(kind)
        yield
        assert set(map(id, _all_of(kind))) == set(map(id, before))
    finally:
        gc.enable()


def _all_of(kind: type[object]) -> list[object]:
    return [each for each in gc.get_objects() if issubclass(type(each), kind)]
