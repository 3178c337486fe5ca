"""How long a start takes, step by step, until a run is ready to decide."""

from __future__ import annotations

import time

from bot.clock import Clock


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
