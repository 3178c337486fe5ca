"""Whether kernels are compiled, and where the machine code is kept."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from chains.tools import ROOT


def is_compiled() -> bool:
    """Whether Numba compiles the kernels: it is installed, and `ISTHMUS_NO_NUMBA` is not 1."""
    return os.environ.get("ISTHMUS_NO_NUMBA", "") != "1" and find_spec("numba") is not None


def cache_folder() -> Path:
    """Where machine code is kept: `ISTHMUS_KERNEL_CACHE`, or `var/kernels`."""
    return Path(os.environ.get("ISTHMUS_KERNEL_CACHE") or ROOT / "var" / "kernels")
