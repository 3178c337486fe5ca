"""A ledger damaged behind the bot's back: `python -m tests.torture.corruption [--flips 1000] [--seed 1]`.

Each damage is done to a fresh copy, which is then opened as a start of the bot opens it. What changed a row that any
reader would see must be found then, so that nothing is traded on it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bot.ledger.corruption import tallies


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all that changed a row was found."""
    parser = argparse.ArgumentParser("python -m tests.torture.corruption", description=__doc__)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=100, help="write-ahead logs cut short")
    parser.add_argument("--edits", type=int, default=50, help="rows edited by SQL")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="100 flips, 20 cuts, 20 edits")
    options = parser.parse_args(arguments)
    asked = (100, 20, 20) if options.short else (options.flips, options.cuts, options.edits)
    begun = time.monotonic()
    said, missed = [], 0
    with tempfile.TemporaryDirectory(prefix="isthmus-corruption-") as folder:
        for kind, tally in tallies(Path(folder), options.seed, *asked):
            said.append(f"{tally.done} {kind}: {tally.found} of {tally.visible} found that changed a row")
            missed += len(tally.missed)
            for what in tally.missed:
                print(f"{kind}: {what} was not found", file=sys.stderr)
    print(f"{'; '.join(said)}; {missed} begun to trade on; {time.monotonic() - begun:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
