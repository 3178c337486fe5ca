"""Whether kernels are compiled, and where the machine code is kept."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

from chains.tools import ROOT

SOURCES = ("curves", "detect", "jit", "search", "shapes", "sizing", "tables")
"""The files that machine code is made from."""


def is_compiled() -> bool:
    """Whether Numba compiles the kernels: it is installed, and `ISTHMUS_NO_NUMBA` is not 1."""
    return os.environ.get("ISTHMUS_NO_NUMBA", "") != "1" and find_spec("numba") is not None


def cache_folder() -> Path:
    """Where machine code is kept, by the kernels' sources: in `ISTHMUS_KERNEL_CACHE`, or in `var/kernels`.

    Numba itself would only notice a change in the file of the outermost kernel.
    """
    digest = hashlib.sha256()
    for source in SOURCES:
        digest.update(Path(__file__).with_name(f"{source}.py").read_bytes())
    return Path(os.environ.get("ISTHMUS_KERNEL_CACHE") or ROOT / "var" / "kernels") / digest.hexdigest()[:16]
