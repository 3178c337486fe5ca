"""The kill switch under load: `python -m tests.torture.killswitch [--trips 1000] [--seed 1]`.

A real signer signs as fast as it is asked. It is halted by the switch in total and for a strategy, by a file and by a
signal, in turn. Nothing is signed after a flag's commit but NOOPs, and those always are.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bot.signer.tripping import BOUND_S, trip

SHORT = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every trip stopped the signing in time."""
    parser = argparse.ArgumentParser("python -m tests.torture.killswitch", description=__doc__)
    parser.add_argument("--trips", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help=f"{SHORT} trips")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        tally = asyncio.run(trip(Path(folder), SHORT if options.short else options.trips, options.seed))
    print(
        f"{tally.trips} trips among {tally.signed} signatures: {tally.after} signed after a commit, the last "
        f"{1000 * tally.latest_s:.0f} ms after its flag (bound {BOUND_S:.0f} s), {tally.cancels} NOOPs signed while "
        f"halted; {time.monotonic() - begun:.0f} s"
    )
    return 0 if tally.held else 1


if __name__ == "__main__":
    sys.exit(main())
