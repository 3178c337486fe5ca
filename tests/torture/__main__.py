"""Every torture in order, and what came of it in docs/torture.md: `python -m tests.torture [--short] [--only NAME]`.

With `--only`, the page's other lines stay as they are. A torture is a module that runs by itself: exit code 0 when all
held, and its last line on stdout says what it counted.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from chains.tools import ROOT, foundry

DOCUMENT = ROOT / "docs" / "torture.md"


@dataclass(frozen=True, slots=True)
class Torture:
    """`proves` completes the sentence "it proves that …". `short` are the arguments of a run of a minute or two."""

    module: str
    proves: str
    arguments: tuple[str, ...] = ()
    short: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.module.rsplit(".", 1)[-1]

    def command(self, *, short: bool) -> str:
        """As a person types it."""
        return shlex.join(["python", "-m", self.module, *(self.short if short else self.arguments)])

    def in_row(self, row: str) -> bool:
        """Whether `row` of the page is about it."""
        return row.startswith((f"| `python -m {self.module} ", f"| `python -m {self.module}`"))


TORTURES = (
    Torture(
        "tests.torture.matrix",
        "no fault of a node on any method leads to a wrong action, and trading goes on within 2 blocks of its end",
        short=("--layout", "ws + good", "--kind", "lost_reply", "--kind", "stale", "--kind", "lying"),
    ),
    Torture(
        "tests.torture.rpc",
        "neither do several faults at once, with reorganisations and restarts among them",
        ("--schedules", "500", "--seed", "1"),
        ("--schedules", "20", "--seed", "1"),
    ),
    Torture(
        "tests.torture.drift",
        "pool states followed over random reorganisations, gaps and duplicate heads equal a fresh load, to the wei",
        ("--blocks", "10000", "--seed", "1"),
        ("--blocks", "500", "--seed", "1"),
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """How one ended: its last line, its exit code, how long it took."""

    torture: Torture
    command: str
    said: str
    code: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them in order; 0 when all held. What each prints goes to the terminal too."""
    parser = argparse.ArgumentParser("python -m tests.torture", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute or two each; the page is not written")
    parser.add_argument("--only", action="append", choices=[torture.name for torture in TORTURES])
    options = parser.parse_args(arguments)
    chosen = [torture for torture in TORTURES if not options.only or torture.name in options.only]
    results = [_run(torture, short=options.short) for torture in chosen]
    if not options.short:
        DOCUMENT.write_text(document(results, DOCUMENT.read_text() if DOCUMENT.exists() else ""))
    for result in results:
        print(f"{'held  ' if result.code == 0 else 'FAILED'} {result.torture.name}: {result.said}")
    return max(result.code for result in results)


def _run(torture: Torture, *, short: bool) -> Result:
    command = torture.command(short=short)
    print(f"$ {command}", flush=True)
    begun = time.monotonic()
    words = [sys.executable, "-m", torture.module, *(torture.short if short else torture.arguments)]
    said = ""
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said = line.strip() or said
    return Result(torture, command, said, process.returncode, time.monotonic() - begun)


def document(results: Sequence[Result], before: str) -> str:
    """docs/torture.md: the rows of `before`, with those of `results` made anew."""
    rows = {torture.name: row for torture in TORTURES for row in before.splitlines() if torture.in_row(row)}
    rows |= {result.torture.name: _row(result) for result in results}
    in_order = [rows[torture.name] for torture in TORTURES if torture.name in rows]
    return "\n".join([_PREFACE.format(versions=_versions()), *in_order, ""])


def _row(result: Result) -> str:
    held = "held" if result.code == 0 else "**failed**"
    took = f"{result.seconds / 60:.0f} min, {time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores"
    return f"| `{result.command}` | {result.torture.proves} | {held}: {result.said} | {took} |"


_PREFACE = """\
# Torture

What is too long for `make test`: `make torture` runs it all and writes this page; with `ARGS=--short` it takes a few
minutes and writes nothing, with `ARGS="--only rpc"` it makes one line anew. Each can be run by itself. The judge of
the fault runs is itself held against broken twins of the bot (`tests/faults/test_twins.py`). A case that does not hold
is told with the command that plays it again.

Made with {versions}.

| command | proves that | outcome | took |
|---|---|---|---|"""


def _versions() -> str:
    anvil = subprocess.run([str(foundry("anvil")), "--version"], capture_output=True, text=True, check=True)
    first = anvil.stdout.splitlines()[0].split()
    packages = ", ".join(f"{name} {version(name)}" for name in ("web3", "aiohttp", "SQLAlchemy"))
    return f"Python {platform.python_version()}, Anvil {first[-1].split('-')[0]}, {packages}"


if __name__ == "__main__":
    sys.exit(main())
