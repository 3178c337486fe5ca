"""Exact 256-bit arithmetic for whole batches of swaps: compiled where Numba is, the same in plain Python elsewhere."""

from __future__ import annotations

from types import ModuleType

from chains.kernels.cache import compiled


def kernels() -> ModuleType:
    """The module with `swap_batch` and `route_batch`: `swaps` compiled, or `plain`, with equal signatures."""
    if compiled():
        from bot.market.integers import swaps

        return swaps
    from bot.market.integers import plain

    return plain
