"""Compiling every kernel once, so that no later start has to."""

from __future__ import annotations

import time
from pathlib import Path

from bot.market.dual.compiled import warm as warm_dual
from bot.market.integers.warmup import warm as warm_integers
from bot.market.packed.warmup import warm as warm_packed
from chains.codec import decoded
from chains.kernels.cache import cache_folder, compiled

NO_LOGS = b'{"jsonrpc":"2.0","id":1,"result":[]}'


def warm_up() -> tuple[bool, float, Path]:
    """Whether kernels are compiled at all, how many seconds it took now, and where they are kept."""
    began = time.perf_counter()
    warm_packed()
    warm_dual()
    warm_integers()
    decoded(NO_LOGS)
    return compiled(), time.perf_counter() - began, cache_folder()
