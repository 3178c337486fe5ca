"""Running every exact kernel once."""

from __future__ import annotations

import numpy as np

from bot.market.integers import kernels
from bot.market.integers.directory import Heard, directory
from bot.market.integers.layout import Filled, States, Taken, packed
from bot.market.integers.topics import KNOWN
from chains.codec.frames import Logs


def warm() -> None:
    """A swap, a route and a log through no pools."""
    made, pools = kernels(), packed([])
    rows, flags, amounts = np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros((0, 4), np.uint64)
    made.swap_batch(pools, rows, flags, flags, amounts, Filled.room(0))
    made.route_batch(pools, np.zeros(1, np.int32), rows, flags, amounts, amounts, flags)
    made.apply_logs(Logs.room(0, 0), Heard(directory([]), directory([])), KNOWN, 1, States.of(pools), Taken.room(0))
