"""Which exchanges ccxt streams from, told without importing it, which takes a second."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path


@cache
def ccxt_ids() -> frozenset[str]:
    """The ids of all that `ccxt.pro` has: each has a module of its name."""
    found = importlib.util.find_spec("ccxt")
    if found is None or found.origin is None:
        return frozenset()
    return frozenset(file.stem for file in (Path(found.origin).parent / "pro").glob("[a-z]*.py"))
