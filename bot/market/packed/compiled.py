"""The compiled kernels under one name; importing this imports Numba."""

from bot.market.packed.detect import block_step
from bot.market.packed.sizing import size_all

__all__ = ["block_step", "size_all"]
