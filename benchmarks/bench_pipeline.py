"""From a block's arrival to a signed transaction, every step of the bot as it runs: on the twin over loopback, with its
ledger and the signer's journal on the disk, the last word once with the bot's own EVM and once with the Anvil fork.

Every head is told in two halves (`halves.py`): until the last of its signed bytes left, and what comes after that. With
them stand the steps of the first half, each by itself, and how many SQL statements and round trips a head takes.

Beside it stands what one `fdatasync` costs on that disk; what three commits, a hop to another process and one answer of
a node take by themselves (`least.py`), below which no road that has them comes; and the same run with its files on a
RAM disk. That one promises nothing, so that it is no figure of the bot's: it shows what is left when syncing is free.

Run as `python -m benchmarks.bench_pipeline [--blocks N]`. A line for people and a line of JSON each.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.disks import ram_disk, sync_ms
from benchmarks.halves import Half, Halves
from benchmarks.least import least
from benchmarks.machine import report
from bot.config.load import BUILT_IN, load
from bot.config.options import Quiet, RunOptions
from bot.execution.stages import Stage
from bot.run import app
from bot.run.report import Summary
from chains.tools import ROOT

SEED = 1
GOAL_MS = 2.0, 5.0
"""What p50 and p99 are to be."""

ON_DISK = "on the disk"
IN_MEMORY = "on a RAM disk, NOT DURABLE"


@dataclass(frozen=True, slots=True)
class Setup:
    """Who has the last word, and under which folder ledger and journal lie; None is the system's own."""

    final: str
    where: str = ON_DISK
    folder: Path | None = None


def run(folder: Path, blocks: int, final: str) -> Summary:
    """The built-in run, as fast as it decides."""
    text = BUILT_IN.read_text().replace('"strategies/', f'"{ROOT}/strategies/').replace("pace_s = 1\n", "pace_s = 0\n")
    sections = f'[ledger]\nfolder = "runs"\n[simulator]\nfinal_verdict = "{final}"\n'
    (folder / "isthmus.toml").write_text(f"{text}\nenabled = false\n{sections}")
    return asyncio.run(app.run(load(folder / "isthmus.toml"), RunOptions(blocks=blocks, seed=SEED), Quiet()))


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99; zeros of less than two values."""
    if len(values) < 2:
        return 0.0, 0.0
    return statistics.median(values), statistics.quantiles(values, n=100)[98]


def told_of(half: Half) -> dict[str, Any]:
    """A half's p50 and p99 in milliseconds, and what a head takes of statements and round trips on average."""
    heads = max(len(half.ms), 1)
    return {
        "ms": percentiles(half.ms),
        "statements": sum(half.statements) / heads,
        "round_trips": sum(half.round_trips) / heads,
    }


def measure(setup: Setup, blocks: int) -> None:
    """One run, and its two lines."""
    halves = Halves()
    with TemporaryDirectory(dir=setup.folder) as folder, halves.watching():
        synced_p50, synced_p99 = sync_ms(Path(folder))
        floor = least(Path(folder))
        ended = run(Path(folder), blocks, setup.final)
    stages = {stage: ended.result.stages_ms[stage] for stage in Stage if stage in ended.result.stages_ms}
    signed, result = stages[Stage.SIGNED], ended.result
    goals = f"goals {GOAL_MS[0]:g} and {GOAL_MS[1]:g} ms"
    missed = "" if signed.p50 <= GOAL_MS[0] and signed.p99 <= GOAL_MS[1] else ", NOT REACHED"
    reached = ", ".join(f"{stage} {each.p50:.1f}/{each.p99:.1f}" for stage, each in stages.items())
    steps = {stage: percentiles(halves.steps[stage]) for stage in Stage if stage in halves.steps}
    each_step = ", ".join(f"{stage} {p50:.1f}/{p99:.1f}" for stage, (p50, p99) in steps.items())
    told = {name: told_of(half) for name, half in (("before", halves.before), ("after", halves.after))}
    both = "; ".join(
        f"{name} the last bytes left {of['ms'][0]:.1f}/{of['ms'][1]:.1f} ms, {of['statements']:.1f} statements and "
        f"{of['round_trips']:.1f} round trips a head"
        for name, of in told.items()
    )
    report(
        9,
        f"block to signed, final verdict {setup.final}, ledger and journal {setup.where}: p50 {signed.p50:.1f} ms, "
        f"p99 {signed.p99:.1f} ms ({goals}{missed}) over {result.sent} transactions of {ended.blocks} blocks "
        f"({ended.pools} pools); p50/p99 of each half: {both}; of each step by itself in ms: {each_step}; "
        f"to each step in ms: {reached}; a bare append of 4 KiB with its fdatasync there: {synced_p50:.3f}/"
        f"{synced_p99:.3f} ms; with no code run, three commits there {floor.commits_ms:.2f} ms, a hop to another "
        f"process and back {floor.hop_ms:.2f} ms, one answer of a node {floor.answer_ms:.2f} ms, together "
        f"{floor.road_ms:.2f} ms; longest collection of garbage {ended.gc_pause_ms:.2f} ms of processor time",
        {
            "final_verdict": setup.final,
            "ledger_and_journal": setup.where,
            "blocks": ended.blocks,
            "signed": result.sent,
            "stages_ms": {stage: [each.p50, each.p99] for stage, each in stages.items()},
            "steps_ms": steps,
            "halves": told,
            "fdatasync_ms": [synced_p50, synced_p99],
            "least_ms": {"commits": floor.commits_ms, "hop": floor.hop_ms, "answer": floor.answer_ms},
            "gc_pause_ms": ended.gc_pause_ms,
            "goal_ms": GOAL_MS,
        },
    )


def main() -> None:
    """Print figure 9."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=1000, help="blocks of each run")
    parser.add_argument("--only", choices=("disk", "ram", "anvil"), help="one of the runs alone")
    options = parser.parse_args()
    setups = {"disk": Setup("in_process"), "anvil": Setup("anvil")}
    if (memory := ram_disk()) is not None:
        setups["ram"] = Setup("in_process", IN_MEMORY, memory)
    for name, setup in setups.items():
        if options.only in (None, name):
            measure(setup, options.blocks)


if __name__ == "__main__":
    main()
