"""Which test runs which lines: sources that note each statement they come to, and a plugin for pytest that reads it."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

Lines = Mapping[str, frozenset[int]]

_NOTED = "_noted"
"""Where, in `sys`, sources find the set that they write to: what runs in another process notes nothing."""

_BODIES = ("body", "orelse", "finalbody")


@dataclass(frozen=True, slots=True)
class Reached:
    """A test that passed: the seconds of computing it takes, and the lines it ran, by file."""

    test: str
    took_s: float
    lines: Lines


def noting(source: bytes) -> bytes:
    """`source` with a note before each statement of its functions, of the line where that begins."""
    module = ast.parse(source)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = _noting(node.body)
    after = next(at for at, statement in enumerate(module.body) if not _stays_first(statement))
    module.body.insert(after, _parsed(f"{_NOTED} = getattr(__import__('sys'), {_NOTED!r}, set()).add"))
    return ast.unparse(module).encode()


def _noting(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    noted: list[ast.stmt] = []
    for statement in body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                for name in _BODIES:
                    if inner := getattr(part, name, None):
                        setattr(part, name, _noting(inner))
        if not _stays_first(statement):
            noted.append(_parsed(f"{_NOTED}((__file__, {statement.lineno}))"))
        noted.append(statement)
    return noted


def _stays_first(statement: ast.stmt) -> bool:
    """Whether it is a docstring, or says how the file is to be read."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _parsed(statement: str) -> ast.stmt:
    return ast.parse(statement).body[0]


@dataclass(slots=True, eq=False)
class Watching:
    """The plugin. What each passing test runs of sources that are `noting` is written to `found` at the end."""

    found: Path
    _ran: set[tuple[str, int]] = field(default_factory=set)
    _seen: list[dict[str, Any]] = field(default_factory=list)
    _failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        setattr(sys, _NOTED, self._ran)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._ran.clear()
        begun = _computed_s()
        try:
            return (yield)
        finally:
            lines: dict[str, list[int]] = {}
            for file, line in sorted(self._ran):
                lines.setdefault(file, []).append(line)
            self._seen.append({"test": item.nodeid, "took_s": _computed_s() - begun, "lines": lines})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.found.write_bytes(orjson.dumps([seen for seen in self._seen if seen["test"] not in self._failed]))


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
