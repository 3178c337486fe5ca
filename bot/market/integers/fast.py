"""The compiled kernels, with the names that `plain` has."""

from bot.market.integers.events import apply_logs
from bot.market.integers.swaps import route_batch, swap_batch

__all__ = ["apply_logs", "route_batch", "swap_batch"]
