"""Exact 256-bit arithmetic for whole batches of swaps and of logs: compiled where Numba is, the same in plain Python
elsewhere."""

from __future__ import annotations

from types import ModuleType

from chains.kernels.cache import compiled


def kernels() -> ModuleType:
    """The module with `swap_batch`, `route_batch` and `apply_logs`: `fast`, or `plain`, with equal signatures."""
    if compiled():
        from bot.market.integers import fast

        return fast
    from bot.market.integers import plain

    return plain
