"""Faults written into the trusted rooms, and whether a test notices: `python -m tests.torture.mutation [--mutants N]`.

Each is written into a copy of the project, one at a time, and only the tests that run its line are asked, the quickest
first. What no test notices is printed with its line. `tests/mutation/equivalent.toml` lists what changes nothing.
An interrupt ends it with what came of the faults tried so far: they are a fair draw as well.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from chains.tools import ROOT
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.reach import Reached, read
from tests.mutation.server import OK, SOME_FAILED
from tests.mutation.tree import Tree
from tests.mutation.warm import CANNOT

ROOMS = {
    "signer": ("bot/signer/service.py", "bot/signer/grants.py", "bot/signer/replacements.py", "bot/signer/switch.py"),
    "policy": (
        *("bot/signer/checks.py", "bot/signer/attested.py", "bot/signer/policy.py", "bot/signer/case.py"),
        *("bot/signer/budget.py", "bot/signer/envelope.py", "bot/signer/forbidden.py", "bot/signer/breakers.py"),
    ),
    "journal": (
        *("bot/signer/journal.py", "bot/ledger/journal.py", "bot/ledger/nonces.py", "bot/ledger/attempts.py"),
        *("bot/ledger/states.py", "bot/ledger/orders.py", "bot/ledger/store.py"),
    ),
    "ledger": (
        *("bot/ledger/ledger.py", "bot/ledger/verify.py", "bot/ledger/lease.py", "bot/ledger/books.py"),
        *("bot/ledger/settlement.py", "bot/ledger/results.py", "bot/ledger/seals.py", "bot/ledger/headfile.py"),
        "bot/headslots.py",
    ),
    "risk": (
        *("bot/risk/budget.py", "bot/risk/guard.py", "bot/risk/halting.py"),
        *("bot/risk/usage.py", "bot/risk/watch.py"),
    ),
}
TESTS = (
    *("tests/bot/signer", "tests/bot/ledger", "tests/bot/risk"),
    *("tests/bot/execution/test_transactions.py", "tests/bot/execution/test_taken_up.py"),
)
SHORT = {
    "bot/signer/replacements.py": "tests/bot/signer/test_replacements.py",
    "bot/signer/budget.py": "tests/bot/signer/test_budget.py",
    "bot/ledger/nonces.py": "tests/bot/ledger/test_journal.py",
    "bot/ledger/verify.py": "tests/bot/ledger/test_seals.py",
}
"""One file of each of four rooms, and the tests that are asked in a short form."""

OTHERS = (
    *("_pytest.fixtures", "pytest_asyncio.plugin", "pytest_timeout", "hypothesis.stateful", "click.testing"),
    *("aiohttp.web", "alembic.command", "coincurve", "eth_account", "eth_abi", "numba", "numpy", "psycopg"),
    *("pydantic", "rlp", "sqlalchemy.orm", "sqlalchemy.dialects.sqlite", "web3", "Crypto.Cipher.AES"),
)
"""What the project and its tests import, and a fault in the project does not change."""

GOAL = 0.85
EQUIVALENT = ROOT / "tests" / "mutation" / "equivalent.toml"
_NOT_RUN = 4
_HOME = ROOT / "var" / "mutation"
_LONGEST_S = 3_600
_SPARE_S = 20.0
_SUITE_S, _AT_LEAST = 12.0, 5
"""Of the tests that run a line, those are asked that take this much computing together, and so many in any case."""


@dataclass(slots=True)
class Server:
    """A process that runs tests in its forks."""

    process: subprocess.Popen[bytes]

    def asked(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(orjson.dumps(request) + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the tests cannot be collected; run pytest on {' '.join(TESTS)}")
        return orjson.loads(answer)  # type: ignore[no-any-return]


@dataclass(slots=True)
class Play:
    """The copy, the processes that run tests in it, and which test runs which line, the quickest first.

    `warm` has imported the project, and `cold` has not: what a fault does at an import is seen there.
    """

    tree: Tree
    warm: Server
    cold: Server
    reached: Sequence[Reached]
    _kills: Counter[tuple[str, str]] = field(default_factory=Counter)

    def survives(self, mutant: Mutant) -> bool:
        """Whether every test that runs its line passes. What noticed the most of its file is asked first."""
        tests, took_s = list[str](), 0.0
        for test in self.reached:
            lines = test.lines.get(mutant.file, frozenset())
            runs = bool(lines) if mutant.runs is None else any(line in lines for line in mutant.runs)
            if runs and (len(tests) < _AT_LEAST or took_s + test.took_s <= _SUITE_S):
                tests.append(test.test)
                took_s += test.took_s
        if not tests:
            return True
        tests.sort(key=lambda test: -self._kills[mutant.file, test])
        with self.tree.holding(mutant):
            answer = self._played(mutant, tests, limit_s=4 * took_s + _SPARE_S)
        self._kills[mutant.file, answer["failed"]] += 1
        return bool(answer["code"] == OK)

    def _played(self, mutant: Mutant, tests: Sequence[str], limit_s: float) -> dict[str, Any]:
        if mutant.function is not None:
            function = (str(self.tree.root / mutant.file), *mutant.function)
            answer = self.warm.asked(tests=tests, function=function, limit_s=limit_s)
            if answer["code"] != CANNOT:
                return answer
        return self.cold.asked(tests=tests, limit_s=limit_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when in each room enough of the faults were noticed, 1 when not, 4 when not all of them were tried."""
    parser = argparse.ArgumentParser("python -m tests.torture.mutation", description=__doc__)
    parser.add_argument("--mutants", type=int, help="how many, drawn by the seed [300; 8 in the short form]")
    parser.add_argument("--short", action="store_true", help="one file of each of four rooms, and its own tests")
    parser.add_argument("--module", action="append", help="a file of these only, such as bot/signer/checks.py")
    parser.add_argument("--seed", type=int, default=2611)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    rooms = {file: room for room, files in ROOMS.items() for file in files}
    files, tests = (list(SHORT), tuple(SHORT.values())) if options.short else (list(rooms), TESTS)
    drawn = draw(options.module or files, options.mutants or (8 if options.short else 300), options.seed)
    tried, killed = Counter[str](), Counter[str]()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(KeyboardInterrupt), playing(files, tests) as play:
        for mutant in drawn:
            survives = play.survives(mutant)
            room = rooms.get(mutant.file, mutant.file)
            tried[room] += 1
            killed[room] += not survives
            print(f"{'survived' if survives else 'noticed'}: {mutant}", flush=True)
    shares = ", ".join(f"{room} {killed[room]}/{tried[room]}" for room in sorted(tried))
    missing = f"NOT RUN: {tried.total()} of {len(drawn)} tried: " if tried.total() < len(drawn) else ""
    print(
        f"{missing}{killed.total()} of {tried.total()} faults noticed, {killed.total() / max(tried.total(), 1):.1%} "
        f"({shares}); {len(equivalents())} known to change nothing; {time.monotonic() - begun:.0f} s"
    )
    if missing:
        return _NOT_RUN
    if options.short:
        return 0 if killed.total() >= GOAL * tried.total() else 1
    return 0 if all(killed[room] >= GOAL * tried[room] for room in tried) else 1


def draw(files: Sequence[str], most: int, seed: int) -> list[Mutant]:
    """At most so many faults of `files` that change something, drawn by the seed and in the order they were drawn."""
    known = equivalents()
    every = [mutant for file in files for mutant in mutants(file, (ROOT / file).read_bytes())]
    worth = [mutant for mutant in every if mutant.key not in known]
    return random.Random(seed).sample(worth, min(most, len(worth)))


def equivalents() -> dict[tuple[str, str, str, str], str]:
    """Why a fault that can be made changes nothing, by what it is."""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return {(one["file"], one["line"], one["before"], one["after"]): one["because"] for one in listed}


@contextmanager
def playing(files: Sequence[str], tests: Sequence[str]) -> Iterator[Play]:
    """A copy of the project, and processes that run `tests` in it. Faults come into `files`."""
    tree = Tree.plant(_HOME / "tree")
    with _server(tree, "server", *OTHERS) as cold:
        reached = _reached(tree, cold, files, tests)
        with _server(tree, "warm", *(str(tree.root / file) for file in files), "--", *tests) as warm:
            yield Play(tree, warm, cold, reached)


def _reached(tree: Tree, cold: Server, files: Sequence[str], tests: Sequence[str]) -> Sequence[Reached]:
    """Runs all `tests` once, unless that was done on the same sources; those that fail even so are not asked.

    Raises `RuntimeError` where pytest cannot run.
    """
    found = _HOME / f"reached-{tree.digest()}-{len(files)}.json"
    if not found.exists():
        with tree.noting(files):
            answer = cold.asked(tests=tests, found=str(found), limit_s=_LONGEST_S)
        if answer["code"] not in (OK, SOME_FAILED):
            raise RuntimeError(f"pytest ended with {answer['code']} before any fault; run it on {' '.join(tests)}")
    return sorted(read(found, tree.root), key=lambda test: test.took_s)


@contextmanager
def _server(tree: Tree, name: str, *arguments: str) -> Iterator[Server]:
    environment = {**os.environ, "PYTHONPATH": str(tree.root), "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-m", f"tests.mutation.{name}", *arguments]
    with subprocess.Popen(
        words, cwd=tree.root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
