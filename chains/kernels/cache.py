"""Whether kernels are compiled, and where the machine code is kept."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from chains.tools import ROOT

SOURCES = {
    "chains/kernels": ("instructions", "jit", "lanes", "text"),
    "chains/codec": ("frames", "scan"),
    "bot/market/packed": ("curves", "detect", "fetching", "search", "shapes", "sizing", "tables"),
    "bot/market/integers": ("directory", "events", "layout", "swaps", "topics", "wide"),
    "bot/market/dual": ("compiled", "kernels"),
}
"""The files that machine code is made from, by folder: those that compile, and those whose constants go into it."""


def compiled() -> bool:
    """Whether Numba compiles the kernels: it is installed, and `ISTHMUS_NO_NUMBA` is not 1."""
    return os.environ.get("ISTHMUS_NO_NUMBA", "") != "1" and find_spec("numba") is not None


@lru_cache(maxsize=1)
def _digest() -> str:
    digest = hashlib.sha256()
    for folder, names in SOURCES.items():
        for name in names:
            digest.update((ROOT / folder / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where machine code is kept, by the kernels' sources: in `ISTHMUS_KERNEL_CACHE`, or in `var/kernels`.

    Numba itself would only notice a change in the file of the outermost kernel.
    """
    return Path(os.environ.get("ISTHMUS_KERNEL_CACHE") or ROOT / "var" / "kernels") / _digest()
