"""Runs tests in forks of a process that has imported all but the project: `python -m tests.mutation.server`.

It answers requests on stdin, a JSON object each line: `tests` to run, in order, until one fails, within `limit_s`;
and, to watch which lines they run, `files` and where to write `found`. What a test left running dies with its fork.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

OK, SOME_FAILED, TIMED_OUT = 0, 1, -1
_OTHERS = (
    *("pytest", "_pytest.fixtures", "pytest_asyncio.plugin", "pytest_timeout", "hypothesis.stateful", "click.testing"),
    *("aiohttp.web", "alembic.command", "coincurve", "eth_account", "eth_abi", "numba", "numpy", "orjson", "psycopg"),
    *("pydantic", "rlp", "sqlalchemy.orm", "sqlalchemy.dialects.sqlite", "web3", "Crypto.Cipher.AES"),
)
"""What the project and its tests import, and a fault in the project does not change."""

_PYTEST = ("-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--tb=no", "--no-header")
_POLL_S = 0.005
_BROKEN = 3
_ON = "not postgresql or test_lease or test_database"
"""The rules are the same on both databases: where one has code of its own, both are asked."""


def main() -> int:
    """Answer until stdin ends."""
    for name in _OTHERS:
        with suppress(ImportError):
            import_module(name)
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        sys.stdout.buffer.write(orjson.dumps(_forked(asked)) + b"\n")
        sys.stdout.buffer.flush()
    return 0


def _forked(asked: dict[str, Any]) -> dict[str, Any]:
    begun = time.monotonic()
    child = os.fork()
    if not child:
        os._exit(_played(asked))
    code = None
    while code is None and time.monotonic() - begun < asked["limit_s"]:
        done, status = os.waitpid(child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if done else time.sleep(_POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if code is None:
        os.waitpid(child, 0)
        code = TIMED_OUT
    return {"code": code, "took_s": time.monotonic() - begun}


def _played(asked: dict[str, Any]) -> int:
    """In the fork: the exit code of pytest, which must not say a word."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        import pytest

        from tests.mutation.reach import Chosen, Watching

        tests = asked["tests"]
        if "found" in asked:
            words = [word for word in _PYTEST if word != "-x"]
            watching = Watching(frozenset(asked["files"]), Path(asked["found"]))
            return int(pytest.main([*words, "-k", _ON, *tests], plugins=[watching]))
        sys.dont_write_bytecode = True
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        return int(pytest.main([*_PYTEST, *files], plugins=[Chosen(tests)]))
    except BaseException:  # a fork must end here, whatever a fault did to it
        return _BROKEN


if __name__ == "__main__":
    sys.exit(main())
