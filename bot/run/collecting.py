"""Garbage is collected between decisions and not during them, and what is there when a run is open hardly ever.

Next to nothing becomes a cycle, since what the market is made of is freed when its last reference goes; but the
interpreter looks for cycles whenever enough has been made, which is in the middle of a block as often as not. Here what
a head has made is taken for what stays, which takes no time: what deciding made once its bytes have left, the rest once
the head is booked. Of every few such halves one is looked at before, and where that finds garbage, as after a strategy
that leaves cycles, so is each of the next. What becomes a cycle later, such as a connection that is lost, is looked for
once much of it has come together.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.engine import Engine
    from chains.blocks import Head

_FIRST = 3
"""So many decisions make what stays, such as compiled statements: they are looked at only with all there is."""

_WEIGHED = 32
"""So many heads pass until memory is weighed again, which takes a quarter of a millisecond."""

_LOOKED = 15
"""One of so many halves of heads is looked at where nothing was found before; an odd number, so that both are."""

_LARGE = 400
"""A half that made more would be looked at for up to a millisecond: one of the next is in its place, unless as
many again as are passed over anyway were as large.
"""

_GROWN = 1.02
_APART_S = 600.0
"""Where memory is that many times what it was, all there is is looked at, which takes a quarter of a second: at most
once in ten minutes, right after a head. Each connection that ends leaves a cycle, and a fork makes two for each head.
"""

_AT_MOST = (200_000, 10, 10)
"""Where no heads come, the interpreter collects by itself once this much was made."""


@dataclass(slots=True)
class Collecting:
    """`longest_ms` is the longest that a collection took since the run was open, in processor time."""

    longest_ms: float = 0.0
    _heads: int = 0
    _passed: int = 0
    _lost: int = 0
    _blocks: int = 0
    _looked_s: float = field(default_factory=time.monotonic)
    _began_ns: int = 0

    def settle(self) -> None:
        """What was made since the last time is taken for what stays, in some of these halves of heads after a look."""
        self._passed += 1
        if self._heads > _FIRST and (self._lost or self._is_due()):
            # Of all generations, it would give back lists of spare objects too, which takes a millisecond by itself.
            self._lost, self._passed = gc.collect(0), 0
        gc.freeze()

    def on_decided(self, head: Head) -> None:
        """Settle what booking this head made, and now and then look at all there is."""
        self.settle()
        self._heads += 1
        if self._heads <= _FIRST:
            self._blocks = sys.getallocatedblocks()
        elif self._heads % _WEIGHED == 0:
            self._weigh(sys.getallocatedblocks())

    def _weigh(self, blocks: int) -> None:
        if not self._blocks:
            self._blocks = blocks
        elif blocks > self._blocks * _GROWN and time.monotonic() - self._looked_s > _APART_S:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            _give_back()
            # The interpreter's spare objects went too, and come back: what there is of all is told the next time.
            self._blocks, self._looked_s = 0, time.monotonic()

    def _is_due(self) -> bool:
        made, *_ = gc.get_count()
        return self._passed >= _LOOKED and (made <= _LARGE or self._passed >= 2 * _LOOKED)

    def noted(self, phase: str, info: dict[str, int]) -> None:
        """Called by the interpreter before and after each collection."""
        if phase == "start":
            self._began_ns = time.thread_time_ns()
        elif self._began_ns:
            self.longest_ms = max(self.longest_ms, (time.thread_time_ns() - self._began_ns) / 1e6)


def _give_back() -> None:
    """What the C library keeps of the largest that was ever needed at once, to the system; glibc alone can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


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


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Meanwhile the interpreter collects by itself only what heads would have collected long before.

    It may be entered by each of several runs that end in any order, where all of them lie within one that was entered.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_AT_MOST)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def collect_between_decisions(engine: Engine, stack: AsyncExitStack) -> Collecting:
    """From now on, until `stack` closes."""
    collecting = Collecting()
    told_before = engine.on_decided
    # Of what opening a run makes, one object in fifty is garbage: to look for it would take longer than any block.
    gc.freeze()
    stack.enter_context(collecting_rarely())
    gc.callbacks.append(collecting.noted)

    def decided(head: Head) -> None:
        told_before(head)
        collecting.on_decided(head)

    def as_before() -> None:
        gc.callbacks.remove(collecting.noted)
        gc.unfreeze()

    engine.on_decided, engine.on_left = decided, collecting.settle
    stack.callback(as_before)
    return collecting
