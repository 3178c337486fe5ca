"""What a start does before all else, and how long it takes, step by step, until a run is ready to decide."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Timer

from bot.clock import Clock
from bot.market import Market
from bot.run.ending import stopping_at_once
from chains import codec
from chains.assets import Assets

_TOLD_AFTER_S = 5.0
_LONG = "kernels: being loaded; where this version never ran they are compiled first, once, which may take minutes"


def load_kernels(assets: Assets, tell: Callable[[str], None]) -> None:
    """Load what the first block and the first search would wait for, compiled first where it is not kept yet.

    The calling thread does nothing else meanwhile: nothing may be open that has to be kept alive. A person is told once
    where it takes long.
    """
    telling = Timer(_TOLD_AFTER_S, tell, [_LONG])
    telling.daemon = True
    telling.start()
    try:
        with stopping_at_once():
            Market(assets).prepare()
            codec.warm()
    finally:
        telling.cancel()


class Starting:
    """The steps of one start, each from the end of the one before it.

    `steps` has for each the seconds on the wall and those the processor worked for this process.
    """

    def __init__(self, clock: Clock) -> None:
        """What the process did before this counts as its first step, `programs`, by the processor alone."""
        self._clock = clock
        self._wall_ns = clock.monotonic_ns()
        self._processor_s = time.process_time()
        self.steps: dict[str, tuple[float, float]] = {"programs": (self._processor_s, self._processor_s)}

    def reached(self, step: str) -> None:
        """The end of `step`, which began at the end of the last one."""
        wall_ns, processor_s = self._clock.monotonic_ns(), time.process_time()
        self.steps[step] = (wall_ns - self._wall_ns) / 1e9, processor_s - self._processor_s
        self._wall_ns, self._processor_s = wall_ns, processor_s

    def __str__(self) -> str:
        wall, processor = (sum(parts) for parts in zip(*self.steps.values(), strict=True))
        steps = ", ".join(f"{step} {wall:.2f}/{processor:.2f}" for step, (wall, processor) in self.steps.items())
        return f"ready after {wall:.1f} s, of which the processor worked {processor:.1f} s ({steps})"
