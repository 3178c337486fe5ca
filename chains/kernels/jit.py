"""How kernels are compiled. Importing this imports Numba; only kernel modules do, and only when one is first needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba import config

from chains.kernels.cache import cache_folder

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

PLAIN: dict[str, Any] = {"error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
"""Without Numba's run time (`_nrt`) a kernel allocates nothing and counts no references to its arrays, which its caller
holds anyway. Counting them took more than half of a block step."""

INSIDE: dict[str, Any] = {**PLAIN, "no_cpython_wrapper": True}
"""What only kernels call needs no way in from outside: taking dozens of arrays apart there is longer than most of them
are."""

ALLOCATING: dict[str, Any] = {"no_cfunc_wrapper": True}

if "NUMBA_CACHE_DIR" not in os.environ:
    config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]


def jit(kernel: Kernel) -> Kernel:
    """Compile `kernel` on its first call, and keep the machine code in the cache folder."""
    return cast(Kernel, numba.njit(cache=True, nogil=True, **PLAIN)(kernel))


def called(kernel: Kernel) -> Kernel:
    """As `jit`, for what only kernels call, each time in the same place of the machine code."""
    return cast(Kernel, numba.njit(cache=True, nogil=True, **INSIDE)(kernel))


def inlined(kernel: Kernel) -> Kernel:
    """As `called`, and always inlined, so that arrays are not passed again."""
    return cast(Kernel, numba.njit(cache=True, nogil=True, forceinline=True, **INSIDE)(kernel))


def merged(kernel: Kernel) -> Kernel:
    """As `inlined`, for what is called from one place: its body becomes the caller's before anything is compiled."""
    return cast(Kernel, numba.njit(inline="always", **PLAIN)(kernel))


def allocating(kernel: Kernel) -> Kernel:
    """As `jit`, for what makes arrays of its own."""
    return cast(Kernel, numba.njit(cache=True, nogil=True, **ALLOCATING)(kernel))
