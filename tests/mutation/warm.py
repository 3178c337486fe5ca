"""As `server`, from a process that has collected the tests already: `python -m tests.mutation.warm FILES -- TESTS`.

A fault inside a function needs no new import: in the fork, that function gets the code that its file holds now. Where
the function ran while the tests were collected, what it made is still about, and the answer is `CANNOT`.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from tests.mutation.server import BROKEN, ON, PYTEST, Requests

CANNOT = 42
_Where = tuple[str, str, int]
"""A function's file, qualified name and first line."""


class Warm:
    """The plugin that, once the tests are collected, answers requests instead of running them."""

    def __init__(self, files: frozenset[str]) -> None:
        self.forked = False
        self._files = files
        self._requests = Requests()
        self._ran: set[_Where] = set()
        self._functions: dict[_Where, list[FunctionType]] = {}

    def called(self, frame: FrameType, event: str, argument: Any) -> None:
        """A profiler, for the time of the imports."""
        if event == "call" and frame.f_code.co_filename in self._files:
            self._ran.add(_where(frame.f_code))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        sys.setprofile(None)
        gc.collect()
        for found in gc.get_objects():
            if type(found) is FunctionType and found.__code__.co_filename in self._files:
                self._functions.setdefault(_where(found.__code__), []).append(found)
        gc.freeze()
        self._serve(session)
        return (yield)

    def _serve(self, session: pytest.Session) -> None:
        """Comes back in each fork, with what it is to run; and here once nobody asks any more."""
        collected = {item.nodeid: item for item in session.items}
        session.items = []
        while (asked := self._requests.next()) is not None:
            where = tuple(asked["function"])
            if where in self._ran or where not in self._functions:
                self._requests.answer(CANNOT)
            elif telling := self._requests.forked(asked):
                self.forked = True
                session.items = [collected[test] for test in asked["tests"] if test in collected]
                session.config.pluginmanager.register(telling)
                self._swap(where)
                return

    def _swap(self, where: _Where) -> None:
        source = Path(where[0]).read_bytes()
        code = next(
            code for code in _codes(compile(source, where[0], "exec", dont_inherit=True)) if _where(code) == where
        )
        for function in self._functions[where]:
            if len(code.co_freevars) != len(function.__code__.co_freevars):
                os._exit(CANNOT)
            function.__code__ = code


def _where(code: CodeType) -> _Where:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def main(arguments: Sequence[str]) -> int:
    """Answer until nobody asks any more. The exit code of pytest where the tests cannot be collected."""
    between = arguments.index("--")
    files, tests = arguments[:between], arguments[between + 1 :]
    warm = Warm(frozenset(files))
    code = BROKEN
    try:
        sys.setprofile(warm.called)
        code = int(pytest.main([*PYTEST, "-k", ON, f"--basetemp={Path.cwd() / 'made'}", *tests], plugins=[warm]))
    finally:
        if warm.forked:
            os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
