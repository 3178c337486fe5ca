"""How a run is ended by a person: once, and it brings home what is in flight; twice, and it stops where it stands."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType
from typing import Protocol, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Output(Protocol):
    """Where a person is told that the signal was heard."""

    def line(self, text: str) -> None: ...


class Stopping:
    """Ctrl-C and SIGTERM, heard by the task that enters this context.

    Before `trading` is set, and from the second signal on, the task is cancelled; the first signal while trading only
    sets `asked`.
    """

    def __init__(self, out: Output) -> None:
        self.asked = asyncio.Event()
        self.trading = False
        self._out = out
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _heard(self) -> None:
        assert self._task is not None, "heard only inside the context"
        if self.trading and not self.asked.is_set():
            self.asked.set()
            self._out.line("stopping: what is in flight is brought home first; Ctrl-C again stops at once")
        else:
            self._task.cancel()
