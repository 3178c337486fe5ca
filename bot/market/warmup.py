"""Compiling every kernel once, so that no later start has to.

Run as `python -m bot.market.warmup packed dual` it compiles those groups of kernels, in this process.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.market.dual.compiled import warm as warm_dual
from bot.market.integers.warmup import warm as warm_integers
from bot.market.packed.warmup import warm as warm_packed
from chains.codec import warm as warm_codec
from chains.kernels.cache import cache_folder, compiled
from chains.tools import ROOT


class WarmupFailed(RuntimeError):
    """A kernel that cannot be compiled here; the message is the compiler's last line."""


GROUPS: Mapping[str, Callable[[], None]] = {
    "packed": warm_packed,
    "dual": warm_dual,
    "integers": warm_integers,
    "codec": warm_codec,
}
SIDE_BY_SIDE = (("packed",), ("dual", "integers", "codec"))
"""What one process compiles, and the other: about as long each."""


def warm_up() -> tuple[bool, float, Path]:
    """Whether kernels are compiled at all, how many seconds it took now, and where they are kept.

    A process compiles one kernel at a time, so there are two. Raises `WarmupFailed`.
    """
    began = time.perf_counter()
    if compiled():
        command = [sys.executable, "-m", "bot.market.warmup"]
        started = [
            subprocess.Popen([*command, *groups], cwd=ROOT, stderr=subprocess.PIPE, text=True)
            for groups in SIDE_BY_SIDE
        ]
        said = [process.communicate()[1] for process in started]
        for process, lines in zip(started, said, strict=True):
            if process.returncode:
                last = (lines.strip().splitlines() or [f"it ended with code {process.returncode}"])[-1]
                raise WarmupFailed(
                    f"the kernels cannot be compiled: {last}; ISTHMUS_NO_NUMBA=1 runs without a compiler"
                )
    return compiled(), time.perf_counter() - began, cache_folder()


if __name__ == "__main__":
    # What a compiler makes lives as long as it runs: to look through all of it takes a sixth of the time.
    gc.disable()
    for group in sys.argv[1:]:
        GROUPS[group]()
