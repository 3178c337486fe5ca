"""How a run is ended by a person: once, and it brings home what is in flight; twice, and it stops where it stands."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The last one comes where a terminal is closed; a run under `nohup` does not hear it."""

HALT_SIGNAL = signal.SIGUSR1


class Output(Protocol):
    """Where a person is told that the signal was heard."""

    def line(self, text: str) -> None: ...


class Stopping:
    """Ctrl-C, SIGTERM and a closed terminal, heard by the task that enters this context.

    Before `trading` is set, and from the second signal on, the task is cancelled; the first signal while trading only
    sets `asked`.
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
            _listen(self.heard, lambda: self.on_halt())
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
            stopping.on_halt()


def _listen(heard: Callable[[bool], None] | None, halted: Callable[[], None] | None = None) -> None:
    """Call `heard`, or `halted`, on each signal from now on; None: leave the signals alone again."""
    loop = asyncio.get_running_loop()
    for number in (*SIGNALS, HALT_SIGNAL):
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        if heard is None or halted is None:
            loop.remove_signal_handler(number)
        elif number is HALT_SIGNAL:
            loop.add_signal_handler(number, halted)
        else:
            # A shell and the system may both say that the terminal is closed.
            loop.add_signal_handler(number, heard, number is not signal.SIGHUP)
