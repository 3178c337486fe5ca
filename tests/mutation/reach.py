"""Which test runs which lines: a plugin for pytest that watches some files, and what it found, in a file."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import pytest

Lines = Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Reached:
    """A test that passed: the seconds of computing it takes, and the lines it ran, by file."""

    test: str
    took_s: float
    lines: Lines


@dataclass(slots=True, eq=False)
class Watching:
    """The plugin. `files` are absolute; the lines each passing test runs in them are written to `found` at the end."""

    files: frozenset[str]
    found: Path
    _lines: dict[str, set[int]] = field(default_factory=dict)
    _seen: list[dict[str, Any]] = field(default_factory=list)
    _failed: set[str] = field(default_factory=set)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._lines = {}
        begun = _computed_s()
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            took_s = _computed_s() - begun
            lines = {file: sorted(seen) for file, seen in self._lines.items()}
            self._seen.append({"test": item.nodeid, "took_s": took_s, "lines": lines})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.found.write_bytes(orjson.dumps([seen for seen in self._seen if seen["test"] not in self._failed]))

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        if file not in self.files:
            return None
        seen = self._lines.setdefault(file, set())
        seen.add(frame.f_lineno)

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            seen.add(frame.f_lineno)
            return line

        return line


@dataclass(slots=True, eq=False)
class Chosen:
    """The plugin that runs the tests `order` and no others, in that order."""

    order: Sequence[str]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        place = {test: at for at, test in enumerate(self.order)}
        items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])


def _computed_s() -> float:
    """Of this process and those it waited for: the same on a machine that does other things besides."""
    return sum(os.times()[:4])


def read(found: Path, root: Path) -> list[Reached]:
    """What `Watching` wrote, its files named from `root`."""
    return [
        Reached(
            seen["test"],
            seen["took_s"],
            {str(Path(file).relative_to(root)): frozenset(lines) for file, lines in seen["lines"].items()},
        )
        for seen in orjson.loads(found.read_bytes())
    ]
