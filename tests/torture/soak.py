"""Hours of the whole bot on the twin, in trouble: `python -m tests.torture.soak [--minutes 120] [--seed 1]`.

The bot's own command runs behind proxies, which fail by seed, as do the chain and the machine: endpoints, the
exchange, reorganisations, bursts of blocks, and in the first half of the time kill -9. What ends is started again on
the same ledger. An order in quarantine that the exchange never had is settled with `isthmus orders settle`, and a
strategy that lost too many trades in a row is resumed, as a person would. In the end everything is healed and the bot
brings home what is in flight; then ledger and chain are held against each other, and nothing may be halted. Memory is
that of the bot's own process over its longest life, its warm-up left out.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.road.judging import wrong_with
from tests.road.soaking import open_soak
from tests.road.troubles import befallings
from tests.torture.memory import Grown

MOST_SLOPE = 0.05
"""Of the memory over the whole time asked for."""

_TOLD_LIFE_S = 20 * 60
"""A shorter life says nothing about growth: what it keeps is still filling."""


async def _play(folder: Path, minutes: float, seed: int, pace_s: float, told_every_s: float) -> int:
    async with open_soak(folder, seed) as soak:
        coming = befallings(seed, no_kill_from=int(minutes * 60 / pace_s / 2))
        await soak.run(coming, time.monotonic() + minutes * 60, pace_s, told_every_s)
        summary = await soak.home(pace_s)
        wrong = [*await wrong_with(soak.on), *_unequal(summary)]
        wrong += [f"{name or 'everything'} is {switch}" for name, switch in soak.halted.items()]
    life = max(soak.lives, key=lambda each: each.seconds)
    grown = Grown.over(life.samples, minutes * 60) if life.seconds >= _TOLD_LIFE_S else None
    for line in (*wrong, *(f"unheard: {line}" for line in soak.unheard)):
        print(line, flush=True)
    memory = f"memory not told by a longest life of {life.seconds / 60:.0f} min"
    if grown is not None:
        memory = (
            f"memory {100 * grown.slope:+.2f} % in {minutes:.0f} min, by a life of {life.seconds / 60:.0f} min from "
            f"{grown.begun_bytes / 2**20:.0f} MiB on"
        )
    print(f"{soak}; {memory}; {len(wrong)} wrong")
    return 1 if wrong or soak.unheard or not soak.settled or (grown and grown.slope >= MOST_SLOPE) else 0


def _unequal(summary: dict[str, Any] | None) -> list[str]:
    if summary is None:
        return ["the last run ended without a summary"]
    wrong = [] if summary["ledger_equals_chain"] else ["the ledger differs from the chain or the exchange"]
    return wrong + ([f"{summary['in_flight']} intents stayed in flight"] if summary["in_flight"] else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing was doubled, lost, wrong by a unit or unheard, and memory stayed."""
    parser = argparse.ArgumentParser("python -m tests.torture.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=1.0, metavar="SECONDS", help="of real time between two blocks")
    parser.add_argument("--told-every", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--folder", type=Path, help="where ledger and logs are left; thrown away by default")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="isthmus-soak-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_play(folder, options.minutes, options.seed, options.pace, options.told_every))


if __name__ == "__main__":
    sys.exit(main())
