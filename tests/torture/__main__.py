"""Every torture in order, and what came of it in docs/torture.md: `python -m tests.torture [--short] [--only NAME]`.

A torture is a module that runs by itself: exit code 0 when all held, and its last line on stdout says what it counted.
"""

from __future__ import annotations

import argparse
import os
import platform
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
        return " ".join(["python -m", self.module, *(self.short if short else self.arguments)])


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
    parser.add_argument("--short", action="store_true", help="a minute or two each; the document is not written")
    parser.add_argument("--only", action="append", choices=[torture.name for torture in TORTURES])
    options = parser.parse_args(arguments)
    chosen = [torture for torture in TORTURES if not options.only or torture.name in options.only]
    results = [_run(torture, short=options.short) for torture in chosen]
    if not options.short and not options.only:
        DOCUMENT.write_text(document(results))
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


def document(results: Sequence[Result]) -> str:
    """docs/torture.md."""
    rows = [
        f"| `{result.command}` | {result.torture.proves} | {'held' if result.code == 0 else '**failed**'}: "
        f"{result.said} | {result.seconds / 60:.0f} min |"
        for result in results
    ]
    return "\n".join([_PREFACE.format(machine=_machine(), versions=_versions()), *rows, ""])


_PREFACE = """\
# Torture

What is too long for `make test`: `make torture` runs it all and writes this page; with `ARGS=--short` it takes a few
minutes and writes nothing. Each line can be run by itself, and each torture ships with broken twins that must fail it
(`tests/faults/test_twins.py`). A case that does not hold is told with the command that plays it again.

Made on {machine}; {versions}.

| command | proves that | outcome | took |
|---|---|---|---|"""


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, {time.strftime('%Y-%m-%d', time.gmtime())}"
    )


def _versions() -> str:
    anvil = subprocess.run([str(foundry("anvil")), "--version"], capture_output=True, text=True, check=True)
    first = anvil.stdout.splitlines()[0].split()
    packages = ", ".join(f"{name} {version(name)}" for name in ("web3", "aiohttp", "SQLAlchemy"))
    return f"Python {platform.python_version()}, Anvil {first[-1].split('-')[0]}, {packages}"


if __name__ == "__main__":
    sys.exit(main())
