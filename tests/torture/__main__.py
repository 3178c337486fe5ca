"""Every torture in order, and what came of it in docs/torture.md: `python -m tests.torture [--short] [--only NAME]`.

A short run fills only the lines that no long run has measured. What cannot run is told as NOT RUN, and never held.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from chains.tools import ROOT
from tests.torture.page import Outcome, Result, document
from tests.torture.table import TORTURES, Torture

DOCUMENT = ROOT / "docs" / "torture.md"
_FAILED, _NOT_RUN = 1, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them in order: 0 when all held, 1 when one did not, 4 when one could not run."""
    parser = argparse.ArgumentParser("python -m tests.torture", description=__doc__)
    parser.add_argument("--short", action="store_true", help="about a minute each")
    parser.add_argument("--only", action="append", choices=[torture.name for torture in TORTURES])
    options = parser.parse_args(arguments)
    chosen = [torture for torture in TORTURES if not options.only or torture.name in options.only]
    results = []
    for torture in chosen:
        results.append(_run(torture, short=options.short))
        before = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
        DOCUMENT.write_text(document(results, before), encoding="utf-8")
    for result in results:
        print(f"{result.outcome:8} {result.torture.name}: {result.said}")
    outcomes = {result.outcome for result in results}
    return _FAILED if Outcome.FAILED in outcomes else _NOT_RUN if Outcome.NOT_RUN in outcomes else 0


def _run(torture: Torture, *, short: bool) -> Result:
    """What it prints goes to the terminal too."""
    if not torture.there:
        return Result(torture, Outcome.NOT_RUN, f"there is no {torture.module} in this version", short=short)
    print(f"$ {torture.command(short=short)}", flush=True)
    said = ""
    words = [sys.executable, *torture.words(short=short)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said = line.strip() or said
    match process.returncode:
        case 0:
            outcome = Outcome.HELD
        case 4:
            outcome = Outcome.NOT_RUN
        case _:
            outcome = Outcome.FAILED
    said = said.removeprefix(f"{torture.name}: ").removeprefix(f"{Outcome.NOT_RUN}: ")
    return Result(torture, outcome, said or f"exit code {process.returncode}", short=short)


if __name__ == "__main__":
    sys.exit(main())
