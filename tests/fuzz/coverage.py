"""Which lines of the project follow which, while a target runs; and an end to runs that take too long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WATCHED = tuple(str(ROOT / folder) for folder in ("chains/pools", "chains/snapshot", "bot/snapshot", "bot/quotes.py"))

Step = tuple[CodeType, int, int]
"""A function, the line before and the line after."""

_LINES_BETWEEN_LOOKS = 4096


class TooSlow(Exception):
    """A target that did not come to an end in time."""


def steps_of(run: Callable[[], None], most_s: float) -> tuple[set[Step], Exception | None]:
    """The steps that `run` took through the watched files, and what it raised. Raises nothing that `run` raises."""
    watch = _Watch(time.monotonic() + most_s)
    before = sys.gettrace()
    sys.settrace(watch.called)
    try:
        run()
    except Exception as error:
        return watch.steps, error
    finally:
        sys.settrace(before)
    return watch.steps, None


class _Watch:
    """What `sys.settrace` calls."""

    def __init__(self, until: float) -> None:
        self.steps: set[Step] = set()
        self._until = until
        self._lines = 0
        self._last: dict[int, int] = {}

    def called(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self.line if frame.f_code.co_filename.startswith(WATCHED) else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        key = id(frame)
        if event == "line":
            self.steps.add((frame.f_code, self._last.get(key, 0), frame.f_lineno))
            self._last[key] = frame.f_lineno
            self._lines += 1
            if self._lines % _LINES_BETWEEN_LOOKS == 0 and time.monotonic() > self._until:
                raise TooSlow(f"still running after {self._lines} lines")
        elif event == "return":
            self._last.pop(key, None)
        return self.line
