"""Runs tests in forks of a process that has imported no more than it was told: `python -m tests.mutation.server NAMES`.

It answers requests on stdin, a JSON object each line: `tests` to run, in order, until one fails, within `limit_s`
of computing; with `found`, all of them, and what `reach` noted is written there. An answer is the exit `code` of
pytest and the test that `failed`. What a test left running dies with its fork.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import IO, Any

import orjson
import pytest

from tests.mutation.reach import Watching

OK, SOME_FAILED, TIMED_OUT, BROKEN = 0, 1, -1, 3
PYTEST = ("-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--tb=no", "--no-header")
ON = (
    "(not postgresql or test_lease or test_database) and not test_machine and not test_fuzz and not test_windows "
    "and not test_corruption"
)
"""The rules are the same on both databases: where one has code of its own, both are asked. What tries so many
cases that it takes long is not among the quickest that run a line."""

_POLL_S = 0.005
_MOST_TOLD = 4_096
_WAITS = 20
"""A fork that computes nothing is ended after so many times what it may compute: the machine may be busy."""


class Requests:
    """What is asked on stdin and answered on stdout. Nothing else in this process reads the one or writes the other."""

    def __init__(self) -> None:
        self._asked: IO[bytes] = os.fdopen(os.dup(0), "rb")
        self._answers: IO[bytes] = os.fdopen(os.dup(1), "wb")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)

    def next(self) -> dict[str, Any] | None:
        """None once nobody asks any more."""
        line = self._asked.readline()
        return orjson.loads(line) if line else None

    def answer(self, code: int, failed: str = "") -> None:
        self._answers.write(orjson.dumps({"code": code, "failed": failed}) + b"\n")
        self._answers.flush()

    def forked(self, asked: dict[str, Any]) -> Telling | None:
        """In a fork: where it tells what failed. In the process itself None, once the fork has been answered for."""
        heard, told = os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (ceil(asked["limit_s"]),) * 2)
            return Telling(told)
        os.close(told)
        code = _ended(child, _WAITS * asked["limit_s"])
        with os.fdopen(heard, "rb") as telling:
            os.set_blocking(heard, False)
            self.answer(code, (telling.read(_MOST_TOLD) or b"").decode().partition("\n")[0])
        return None


class Telling:
    """The plugin that says which test failed."""

    def __init__(self, told: int) -> None:
        self._told = told

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._told, report.nodeid.encode() + b"\n")


class Chosen:
    """The plugin that runs the tests `order` and no others, in that order."""

    def __init__(self, order: list[str]) -> None:
        self._place = {test: at for at, test in enumerate(order)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._place), key=lambda item: self._place[item.nodeid]
        )


def main(names: Sequence[str]) -> int:
    """Answer until nobody asks any more."""
    for name in names:
        with suppress(ImportError):
            import_module(name)
    requests = Requests()
    while (asked := requests.next()) is not None:
        if telling := requests.forked(asked):
            os._exit(_played(asked["tests"], asked.get("found"), telling))
    return 0


def _ended(child: int, limit_s: float) -> int:
    """The exit code of a fork; `TIMED_OUT` for one that had to be ended."""
    deadline_s = time.monotonic() + limit_s
    done = status = 0
    while not done and time.monotonic() < deadline_s:
        done, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0 if done else _POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if done:
        return os.waitstatus_to_exitcode(status)
    os.waitpid(child, 0)
    return TIMED_OUT


def _played(tests: list[str], found: str | None, telling: Telling) -> int:
    """In the fork: the exit code of pytest."""
    try:
        sys.dont_write_bytecode = True
        if found is not None:
            return int(pytest.main([*PYTEST, "--maxfail=0", "-k", ON, *tests], plugins=[Watching(Path(found))]))
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        return int(pytest.main([*PYTEST, *files], plugins=[Chosen(tests), telling]))
    except BaseException:  # a fork must end here, whatever a fault did to it
        return BROKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
