"""docs/torture.md: one line for each torture, kept until it is measured anew."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version

from chains.tools import foundry
from tests.torture.table import TORTURES, Torture


class Outcome(StrEnum):
    """How a torture ended. What could not run is not held."""

    HELD = "held"
    FAILED = "FAILED"
    NOT_RUN = "NOT RUN"


@dataclass(frozen=True, slots=True)
class Result:
    """How one ended, and its last line."""

    torture: Torture
    outcome: Outcome
    said: str
    short: bool = False

    @property
    def row(self) -> str:
        """Its line of the page."""
        torture = self.torture
        machine = f"{os.cpu_count()} cores, {platform.machine()}"
        cells = (
            torture.figure,
            torture.goal,
            f"{self.outcome}: {self.said}".replace("|", "/"),
            torture.seed,
            f"`{torture.command(short=self.short)}`",
            "" if self.outcome is Outcome.NOT_RUN else machine,
            time.strftime("%Y-%m-%d", time.gmtime()),
        )
        return f"| {' | '.join(cells)} |"


def document(results: Sequence[Result], before: str) -> str:
    """The page: the lines of `before`, with those of `results` made anew.

    A line that a long run measured gives way to another long run only, and to one that failed.
    """
    rows = {}
    for torture in TORTURES:
        commands = (f"`python -m {torture.module} ", f"`python -m {torture.module}`")
        kept = next((row for row in before.splitlines() if any(command in row for command in commands)), None)
        rows[torture.name] = kept or Result(torture, Outcome.NOT_RUN, "not yet").row
    for result in results:
        if not _keeps(rows[result.torture.name], result):
            rows[result.torture.name] = result.row
    return "\n".join([_PREFACE.format(versions=_versions()), *rows.values(), ""])


def _keeps(row: str, result: Result) -> bool:
    """Whether `row`, measured at length, says more than `result`."""
    measured = f"`{result.torture.command(short=False)}`" in row and f"| {Outcome.NOT_RUN}: " not in row
    return measured and (result.short or result.outcome is Outcome.NOT_RUN) and result.outcome is not Outcome.FAILED


_PREFACE = """\
# Torture

What is too long for `make test`. `make torture` runs all of it and writes this page; with `ARGS=--short` it takes some
minutes, and fills only the lines that no long run has measured; `ARGS="--only rpc"` makes one line anew. Each can be
run by itself. Each proof is held against a broken twin that must fail it (`tests/test_broken_twins.py` names them all).
A case that does not hold is told with the command that plays it again. NOT RUN counts as not held.

Made with {versions}.

| figure | goal | measured | seed | command | machine | date |
|---|---|---|---|---|---|---|"""


def _versions() -> str:
    anvil = subprocess.run([str(foundry("anvil")), "--version"], capture_output=True, text=True, check=True)
    first = anvil.stdout.splitlines()[0].split()
    packages = ", ".join(f"{name} {version(name)}" for name in ("web3", "aiohttp", "SQLAlchemy"))
    return f"Python {platform.python_version()}, Anvil {first[-1].split('-')[0]}, {packages}"
