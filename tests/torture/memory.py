"""The whole bot on the twin for an hour's blocks and more: does its memory grow, does a task fail unheard?

    python -m tests.torture.memory --blocks 1500 --seed 1

An hour of Ethereum is 300 blocks. The slope is that of the least-squares line through the resident memory of the
bot's own process after the warm-up, which fills caches of fixed size, over an hour's blocks, as a fraction of where
the line begins.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.config.load import load
from bot.config.options import Quiet, RunOptions
from bot.run import app
from bot.run.report import Summary
from tests.bot.running import twin_config

BLOCKS_PER_HOUR = 300
MOST_SLOPE = 0.01
_WARM_UP = 1 / 3
_EVERY_S = 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Grown:
    """Resident memory after the warm-up, and its slope over some time, as a fraction."""

    begun_bytes: float
    slope: float

    @classmethod
    def over(cls, samples: Sequence[tuple[float, int]], span_s: float) -> Grown:
        """From (seconds, bytes): how much it would grow in `span_s` seconds."""
        first_s, last_s = samples[0][0], samples[-1][0]
        from_s = first_s + (last_s - first_s) * _WARM_UP
        late = np.array([sample for sample in samples if sample[0] >= from_s], dtype=np.float64)
        per_s, at_zero = np.polyfit(late[:, 0], late[:, 1], 1)
        begun = float(at_zero + per_s * from_s)
        return cls(begun, float(per_s) * span_s / begun)


async def run(folder: Path, blocks: int, seed: int) -> tuple[Summary, Grown, list[str]]:
    """The run's summary, how its memory grew, and what failed without anybody having heard it."""
    unheard: list[str] = []

    def heard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        unheard.append(f"{context.get('message')}: {context.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(heard)
    samples: list[tuple[float, int]] = []
    running = asyncio.create_task(
        app.run(load(twin_config(folder, pace_s=0.0)), RunOptions(blocks=blocks, seed=seed), Quiet())
    )
    while not running.done():
        await asyncio.wait({running}, timeout=_EVERY_S)
        samples.append((time.monotonic(), _resident_bytes()))
    hour_of_blocks_s = (samples[-1][0] - samples[0][0]) * BLOCKS_PER_HOUR / blocks
    return running.result(), Grown.over(samples, hour_of_blocks_s), unheard


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=5 * BLOCKS_PER_HOUR)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        summary, grown, unheard = asyncio.run(run(Path(folder), options.blocks, options.seed))
    for line in unheard:
        print(f"unheard: {line}")
    settled = sum(summary.result.settled.values())
    print(
        f"{summary.blocks} blocks in {summary.duration_s:.0f} s, {settled} trades settled: "
        f"{grown.begun_bytes / 2**20:.1f} MiB after the warm-up, {100 * grown.slope:+.2f} % per hour of blocks, "
        f"{len(unheard)} unheard failures; {summary.counts['compared']} pool states compared with the chain, "
        f"{summary.counts['differed']} differed"
    )
    return 1 if unheard or grown.slope >= MOST_SLOPE or summary.counts["differed"] else 0


if __name__ == "__main__":
    sys.exit(main())
