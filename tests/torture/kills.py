"""kill -9 anywhere, with lost replies and reorganisations: `python -m tests.torture.kills [--kills 1000] [--seed 1]`.

Told story by story: each has a chain, a ledger and a seed of its own, so that one that fails can be played again by
itself (`--seed N --kills 100`), and a run that was stopped can go on (`--seed N --kills …` for what is left).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from tests.faults.chain import Setting
from tests.kills.killer import STEPS, killer
from tests.kills.story import NOTHING, Outcome, Story
from tests.kills.twins import BROKEN, WHOLE, Twin

TWIN_STORIES = 4
"""A broken twin must be found out in one of so many."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays as many stories as the kills take, then the broken twins; 0 when every promise was kept, but by them."""
    parser = argparse.ArgumentParser("python -m tests.torture.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--per-story", type=int, default=100, help="kills on one chain and one ledger")
    parser.add_argument("--seed", type=int, default=1, help="of the first story; the next ones follow")
    parser.add_argument("--twin-kills", type=int, default=25, help="of a broken twin's stories, each")
    options = parser.parse_args(arguments)
    with killer() as line:
        return asyncio.run(_play(options, line))


async def _play(options: argparse.Namespace, line: Connection) -> int:
    begun = time.monotonic()
    setting = await Setting.make()
    total, seed = NOTHING, options.seed
    while total.kills < options.kills:
        kills = min(options.per_story, options.kills - total.kills)
        outcome = await _story(setting, seed, kills, WHOLE, line, STEPS)
        _tell(seed, outcome)
        total += outcome
        seed += 1
    unnoticed = []
    for name, twin in BROKEN.items():
        if not await _found_out(setting, name, twin, options, line):
            unnoticed.append(name)
    noticed = f"{len(BROKEN) - len(unnoticed)} of {len(BROKEN)} broken twins found out"
    print(f"{total}; {noticed}; {time.monotonic() - begun:.0f} s")
    return 1 if total.wrong or unnoticed else 0


async def _found_out(setting: Setting, name: str, twin: Twin, options: argparse.Namespace, line: Connection) -> bool:
    """Whether a broken twin goes wrong in one of a few stories: in one of them no kill may fall where it errs."""
    for seed in range(options.seed, options.seed + TWIN_STORIES):
        broken = await _story(setting, seed, options.twin_kills, twin, line, 3 * STEPS)
        print(f"broken twin {name}, seed {seed}: {broken}", flush=True)
        if broken.wrong:
            return True
    return False


async def _story(setting: Setting, seed: int, kills: int, twin: Twin, line: Connection, steps: int) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="isthmus-kills-") as folder:
        return await Story(setting, Path(folder), seed, kills, twin.desk, twin.forgets, steps).play(line)


def _tell(seed: int, outcome: Outcome) -> None:
    print(f"seed {seed}: {outcome}", flush=True)
    for wrong in outcome.wrong[:5]:
        print(f"  {wrong}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
