"""Garbage is collected between decisions and not during them, and what is there when a run is open never looked at.

Cycles are few, since what the market is made of is freed when its last reference goes; but the interpreter looks for
them whenever enough has been made, which is in the middle of a block as often as not. After a head, what that head has
made is looked at, as each reference to something old is a miss of the processor's caches: once when its last bytes
have left, and once when it is booked. What becomes a cycle later, such as a connection that is lost, is looked for once
much of it has come together.

Where next to nothing becomes a cycle later, what outlives a few heads is taken for what stays and never looked at
again, so that no collection ever has much to look at. A fork that moves to each head loses its connections with the one
before; there, all of it is looked at where memory has grown.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.engine import Engine
    from chains.blocks import Head

_FIRST = 3
"""So many decisions make what stays, such as compiled statements: what they leave behind is never looked at."""

_WEIGHED = 32
"""So many heads pass until memory is weighed again, which takes a quarter of a millisecond."""

_SETTLED = 2
"""So many heads pass until what outlived them is taken for what stays."""

_GROWN = {False: 1.05, True: 1.25}
"""By whether what outlives a few heads is taken for what stays: where memory is that many times what it was, all is
looked at that was made since the run was open.
"""

_AT_MOST = (200_000, 10, 10)
"""Where no heads come, the interpreter collects by itself once this much was made."""


@dataclass(slots=True)
class Collecting:
    """`longest_ms` is the longest that a collection took since the run was open, in processor time.

    With `settling`, what outlives a few heads is not looked at again.
    """

    settling: bool = False
    longest_ms: float = 0.0
    _heads: int = 0
    _blocks: int = 0
    _began_ns: int = 0

    def on_left(self) -> None:
        """Collect what deciding left behind."""
        if self._heads >= _FIRST:
            gc.collect(0)

    def on_decided(self, head: Head) -> None:
        """Collect what this head left behind since."""
        self._heads += 1
        if self._heads <= _FIRST:
            gc.freeze()
            self._blocks = sys.getallocatedblocks()
            return
        settled = self.settling and self._heads % _SETTLED == 0
        # Of all generations, it would give back lists of spare objects too, which takes a millisecond by itself.
        gc.collect(1 if settled else 0)
        if self._heads % _WEIGHED == 0 and sys.getallocatedblocks() > self._blocks * _GROWN[self.settling]:
            if self.settling:
                gc.unfreeze()
            gc.collect()
            self._blocks = sys.getallocatedblocks()
        if settled:
            gc.freeze()

    def noted(self, phase: str, info: dict[str, int]) -> None:
        """Called by the interpreter before and after each collection."""
        if phase == "start":
            self._began_ns = time.thread_time_ns()
        elif self._began_ns:
            self.longest_ms = max(self.longest_ms, (time.thread_time_ns() - self._began_ns) / 1e6)


@contextmanager
def keeping_all() -> Iterator[None]:
    """What is made meanwhile is there to stay, such as programs: it is not looked at now, and not later either."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def collect_between_decisions(engine: Engine, stack: AsyncExitStack, *, settling: bool = False) -> Collecting:
    """From now on, until `stack` closes; `settling` as in `Collecting`."""
    collecting = Collecting(settling)
    before, told_before = gc.get_threshold(), engine.on_decided
    # Of what opening a run makes, one object in fifty is garbage: to look for it would take longer than any block.
    gc.freeze()
    gc.set_threshold(*_AT_MOST)
    gc.callbacks.append(collecting.noted)

    def decided(head: Head) -> None:
        told_before(head)
        collecting.on_decided(head)

    def as_before() -> None:
        gc.callbacks.remove(collecting.noted)
        gc.set_threshold(*before)
        gc.unfreeze()

    engine.on_decided, engine.on_left = decided, collecting.on_left
    stack.callback(as_before)
    return collecting
