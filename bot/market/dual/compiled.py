"""The kernels, compiled by Numba where it is installed, and plain Python where it is not. Nothing is imported early."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bot.market.dual import kernels as plain
from chains.kernels.cache import compiled

NAMES = (
    "fill",
    "evaluate",
    "eliminate",
    "iterate",
    "direction",
    "residual",
    "move",
    "newton",
    "flows",
    "gains",
    "widen",
)
"""Every kernel, callees before their callers."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of `kernels.py`, all compiled or all plain."""

    compiled: bool
    newton: Callable[..., tuple[float, float, int]]
    flows: Callable[..., None]
    gains: Callable[..., None]
    evaluate: Callable[..., float]
    widen: Callable[..., tuple[int, float]]


@lru_cache(maxsize=1)
def kernels() -> Kernels:
    """The compiled kernels if Numba can be imported, else the plain ones."""
    return _gathered(_compiled(), compiled=True) if compiled() else plain_kernels()


def plain_kernels() -> Kernels:
    """The kernels as they are written."""
    return _gathered(vars(plain), compiled=False)


def warm() -> None:
    """Compile every kernel now, into Numba's cache on the disk."""
    import numpy as np

    found = kernels()
    ends, stretches = np.array([[0, 1], [1, 0]]), np.array([[0, 1], [1, 2]])
    pieces = np.array([[1.0, 1e-3, 1e9, 0.0, 0.0], [1.1, 1e-3, 1e9, 0.0, 0.0]])
    prices, amounts = np.ones(2), np.zeros((2, 2))
    found.newton(prices, ends, stretches, pieces, 1e-9, 0.0, 20, 0.0)
    found.flows(prices, ends, stretches, pieces, amounts)
    found.gains(prices, ends, stretches, pieces, np.arange(2), np.zeros(2))
    found.evaluate(prices, ends, stretches, pieces, np.zeros((2, 3)), np.zeros(2))
    nodes, first, whole = np.arange(2), np.array([0, 2, 4]), np.zeros(2, dtype=np.int64)
    ordered = np.array([0, 1, 0, 1])
    found.widen(
        nodes, prices, prices, first, ordered, prices, ends, stretches, pieces, prices, whole, 0.0, whole.copy()
    )


def _compiled() -> dict[str, Any]:
    """Each kernel compiled in a namespace where the names of the others mean their compiled forms."""
    from chains.kernels.jit import allocating

    namespace: dict[str, Any] = dict(vars(plain))
    for name in NAMES:
        function = types.FunctionType(getattr(plain, name).__code__, namespace, name)
        function.__qualname__, function.__module__ = name, plain.__name__
        namespace[name] = allocating(function)
    return namespace


def _gathered(functions: dict[str, Any], *, compiled: bool) -> Kernels:
    chosen = (functions[name] for name in ("newton", "flows", "gains", "evaluate", "widen"))
    return Kernels(compiled, *chosen)
