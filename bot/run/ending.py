"""How a run is ended by a person: once, and it brings home what is in flight; twice, and it stops where it stands."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Protocol, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The last one comes where a terminal is closed; a run under `nohup` does not hear it."""

HALT_SIGNAL = signal.SIGUSR1

STOPPED = 130
"""The exit code of what a person stopped at once."""


class Output(Protocol):
    """Where a person is told that the signal was heard."""

    def line(self, text: str) -> None: ...


class Stopping:
    """Ctrl-C, SIGTERM and a closed terminal, heard by the task that enters this context.

    Before `trading` is set, and from the second signal on, the task is cancelled; the first signal while trading only
    sets `asked`. Where the loop has not come to hear the first one, the second raises `KeyboardInterrupt`.
    """

    def __init__(self, out: Output, *, listens: bool = True) -> None:
        """One that does not listen by itself is told by `heard`."""
        self.asked = asyncio.Event()
        self.trading = False
        self.on_halt: Callable[[], None] = self.heard
        """What SIGUSR1 does; before there is anything to halt, the same as Ctrl-C."""
        self._out = out
        self._listens = listens
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        if self._listens:
            _listen(self.heard, self.halted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task = None
        if self._listens:
            _listen(None)

    def heard(self, insisting: bool = True) -> None:
        """A person wants it to end; one who is not `insisting` says so once, however often it is heard.

        Nothing happens before the context is entered, or after it is left.
        """
        if self._task is None or (self.asked.is_set() and not insisting):
            return
        if self.trading and not self.asked.is_set():
            self.asked.set()
            self._out.line("stopping: what is in flight is brought home first; Ctrl-C again stops at once")
        else:
            self._task.cancel()

    def halted(self) -> None:
        """A person halts what trades; a run that is over is not meant, which another process may have begun again."""
        if self._task is not None:
            self.on_halt()


class StoppingTogether:
    """Ctrl-C, SIGTERM and a closed terminal for several runs in one process: each of them hears every signal."""

    def __init__(self) -> None:
        self._runs: list[Stopping] = []

    def run(self, out: Output) -> Stopping:
        """The ending of one more run."""
        self._runs.append(Stopping(out, listens=False))
        return self._runs[-1]

    def __enter__(self) -> Self:
        _listen(self._heard, self._halted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _listen(None)

    def _heard(self, insisting: bool) -> None:
        for stopping in self._runs:
            stopping.heard(insisting)

    def _halted(self) -> None:
        for stopping in self._runs:
            stopping.halted()


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Every signal meanwhile ends the process where it stands: no loop hears what its thread is too busy for.

    Nothing may be open that has to be closed. An exception would be lost where machine code is made.
    """
    before = {number: signal.getsignal(number) for number in (*SIGNALS, HALT_SIGNAL)}
    heard = {number for number, handler in before.items() if not _kept_from_us(number, handler)}
    for number in heard:
        signal.signal(number, _stop_at_once)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
            # As a loop sets it: no call outside Python ends early because of a signal.
            signal.siginterrupt(number, False)


def _stop_at_once(number: int, frame: object) -> None:
    with suppress(OSError):
        os.write(2, b"error: stopped\n")
    os._exit(STOPPED)


def _kept_from_us(number: signal.Signals, handler: object) -> bool:
    """Whether it is a closed terminal's, and whoever started this wants it to go on without one."""
    return number is signal.SIGHUP and handler is signal.SIG_IGN


def _listen(heard: Callable[[bool], None] | None, halted: Callable[[], None] | None = None) -> None:
    """Call `heard`, or `halted`, on each signal from now on; None: leave the signals alone again."""
    loop = asyncio.get_running_loop()
    unheard: list[int] = []

    def hear(insisting: bool) -> None:
        unheard.clear()
        if heard is not None:
            heard(insisting)

    def arrived(number: int, frame: object) -> None:
        """A strategy that never returns keeps the loop from hearing anything: the second signal interrupts it."""
        unheard.append(number)
        if len(unheard) > 1:
            raise KeyboardInterrupt

    for number in (*SIGNALS, HALT_SIGNAL):
        if _kept_from_us(number, signal.getsignal(number)):
            continue
        if heard is None or halted is None:
            loop.remove_signal_handler(number)
        elif number is HALT_SIGNAL:
            loop.add_signal_handler(number, halted)
        elif number is signal.SIGHUP:
            # A shell and the system may both say that the terminal is closed.
            loop.add_signal_handler(number, hear, False)
        else:
            loop.add_signal_handler(number, hear, True)
            # The loop is woken all the same. As it sets it: no call outside Python ends early because of a signal.
            signal.signal(number, arrived)
            signal.siginterrupt(number, False)
