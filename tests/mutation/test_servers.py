"""A fault in a file is in the next run of the tests, whether or not the function it is in was imported before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chains.tools import ROOT
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.reach import noting, read
from tests.mutation.server import OK, SOME_FAILED
from tests.mutation.tree import Tree
from tests.mutation.warm import CANNOT
from tests.torture.mutation import Server

SOURCE = """\
'''Two limits.'''
from __future__ import annotations

def limit() -> int:
    return 10

MOST = limit()

class Limits:
    def allowed(self, amount: int) -> bool:
        '''Whether it is allowed.'''
        if amount < 0:
            return False
        return amount <= MOST
"""
TESTS = """\
from limits import Limits, MOST

def test_most() -> None:
    assert MOST == 10

def test_allowed() -> None:
    assert Limits().allowed(10)
"""
ALLOWED = "test_limits.py::test_allowed"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "limits.py").write_text(SOURCE)
    (tmp_path / "test_limits.py").write_text(TESTS)
    return Tree(tmp_path)


def serving(tree: Tree, *words: str) -> Iterator[Server]:
    environment = {**os.environ, "PYTHONPATH": f"{tree.root}:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=tree.root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def warm(tree: Tree) -> Iterator[Server]:
    yield from serving(tree, "tests.mutation.warm", str(tree.root / "limits.py"), "--", "test_limits.py")


@pytest.fixture
def cold(tree: Tree) -> Iterator[Server]:
    yield from serving(tree, "tests.mutation.server")


def fault(after: str) -> Mutant:
    return next(mutant for mutant in mutants("limits.py", SOURCE.encode()) if mutant.after == after)


def test_a_warm_process_runs_the_fault_where_it_can_and_says_where_it_cannot(tree: Tree, warm: Server) -> None:
    def ended(mutant: Mutant) -> tuple[int, str]:
        assert mutant.function is not None
        function = (str(tree.root / mutant.file), *mutant.function)
        answer = warm.asked(tests=[ALLOWED], function=function, limit_s=60)
        return answer["code"], answer["failed"]

    strict = fault("(amount < MOST)")
    with tree.holding(strict):
        assert ended(strict) == (SOME_FAILED, ALLOWED)
    assert ended(strict) == (OK, ""), "the fault is gone"
    with tree.holding(fault("(amount <= 0)")):
        assert ended(fault("(amount <= 0)")) == (OK, ""), "no test asks for it"
    assert ended(fault("11"))[0] == CANNOT, "it ran at the import"


def test_a_cold_process_imports_the_fault_and_tells_which_lines_ran(tree: Tree, cold: Server) -> None:
    with tree.holding(fault("11")):
        answer = cold.asked(tests=["test_limits.py::test_most"], limit_s=60)
    assert (answer["code"], answer["failed"]) == (SOME_FAILED, "test_limits.py::test_most")
    found = tree.root / "found.json"
    with tree.noting(["limits.py"]):
        cold.asked(tests=["test_limits.py"], found=str(found), limit_s=60)
    lines = {test.test: dict(test.lines) for test in read(found, tree.root)}
    assert lines == {"test_limits.py::test_most": {}, ALLOWED: {"limits.py": {12, 14}}}
    assert (tree.root / "limits.py").read_text() == SOURCE


def test_a_source_that_notes_does_what_it_did() -> None:
    names: dict[str, Any] = {"__file__": "limits.py"}
    exec(compile(noting(SOURCE.encode()), "limits.py", "exec"), names)
    limits = names["Limits"]
    assert limits().allowed(10) and not limits().allowed(11)
    assert limits.allowed.__doc__ == "Whether it is allowed." and names["__doc__"] == "Two limits."
