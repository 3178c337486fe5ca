"""An exchange that misbehaves: `python -m tests.torture.exchange [--schedules 2000] [--seed 1]`.

Every trouble on every call about an order, and then random ones that come and go while hedges are placed, several at
once, and the bot starts anew, between two blocks or in the middle of one. What the ledger says is held against what the
exchange did: nothing is doubled, lost or off, and no order is taken for ended without evidence. One schedule is played
again by `--seed N --schedules 1`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.hedging import Hedging, hedging
from tests.faults.venue import Call, Trouble

_EACH = 50
"""Schedules on one ledger."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing was wrong."""
    parser = argparse.ArgumentParser("python -m tests.torture.exchange", description=__doc__)
    parser.add_argument("--schedules", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule; the next ones follow")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    wrong, struck, unmet = asyncio.run(_play(options.schedules, options.seed))
    for one in wrong:
        print(f"  {one}", file=sys.stderr)
    print(
        f"{len(Trouble) * len(Call)} cells, {unmet} of them not met, and {options.schedules} schedules, "
        f"{struck} requests befallen: {len(wrong)} wrong; {time.monotonic() - begun:.0f} s"
    )
    return 1 if wrong or unmet else 0


async def _play(schedules: int, seed: int) -> tuple[list[str], int, int]:
    wrong: list[str] = []
    struck = unmet = 0
    for first in (None, *range(seed, seed + schedules, _EACH)):
        with tempfile.TemporaryDirectory(prefix="isthmus-exchange-") as folder:
            async with hedging(Path(folder)) as scene:
                if first is None:
                    unmet = await _matrix(scene)
                else:
                    for each in range(first, min(first + _EACH, seed + schedules)):
                        await scene.schedule(each)
            wrong += scene.wrong
            struck += scene.local.struck
    return wrong, struck, unmet


async def _matrix(scene: Hedging) -> int:
    return sum([not await scene.case(call, trouble) for call in Call for trouble in Trouble])


if __name__ == "__main__":
    sys.exit(main())
