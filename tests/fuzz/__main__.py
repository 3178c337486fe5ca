"""`python -m tests.fuzz --seconds 60`: every decoder in turn; exit code 1 if something else than a refusal came out."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.fuzzer import Outcome, for_seconds, fuzz
from tests.fuzz.targets import TARGETS, Target


def main() -> int:
    """Fuzz, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same inputs (default 1)")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="one of them only")
    options = parser.parse_args()
    chosen = [target for target in TARGETS if options.target in (None, target.name)]
    found = [_told(target, fuzz(target, options.seed, for_seconds(options.seconds / len(chosen)))) for target in chosen]
    return 1 if any(found) else 0


def _told(target: Target, outcome: Outcome) -> int:
    kept, reached = len(outcome.corpus), len(outcome.reached)
    sys.stdout.write(
        f"{target.name}: {outcome.runs} inputs, {kept} kept, {reached} steps, {len(outcome.findings)} found\n"
    )
    for finding in outcome.findings:
        sys.stdout.write(f"  {finding}\n")
    return len(outcome.findings)


if __name__ == "__main__":
    sys.exit(main())
