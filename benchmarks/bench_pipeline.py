"""From a block's arrival to a signed transaction, every step of the bot as it runs: on the twin over loopback, with its
ledger and the signer's journal on the disk, the last word once with the bot's own EVM and once with the Anvil fork.

Run as `python -m benchmarks.bench_pipeline [--blocks N]`. A line for people and a line of JSON each.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import report
from bot import app
from bot.config.load import BUILT_IN, load
from bot.config.options import Quiet, RunOptions
from bot.execution.stages import Stage
from bot.report import Summary
from chains.tools import ROOT

SEED = 1


def run(folder: Path, blocks: int, final: str) -> Summary:
    """The built-in run, as fast as it decides."""
    text = BUILT_IN.read_text().replace('"strategies/', f'"{ROOT}/strategies/').replace("pace_s = 1\n", "pace_s = 0\n")
    sections = f'[ledger]\nfolder = "runs"\n[simulator]\nfinal_verdict = "{final}"\n'
    (folder / "isthmus.toml").write_text(f"{text}\nenabled = false\n{sections}")
    return asyncio.run(app.run(load(folder / "isthmus.toml"), RunOptions(blocks=blocks, seed=SEED), Quiet()))


def main() -> None:
    """Print figure 9."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=200, help="blocks of each run")
    blocks = parser.parse_args().blocks
    for final in ("in_process", "anvil"):
        with TemporaryDirectory() as folder:
            ended = run(Path(folder), blocks, final)
        stages = ended.result.stages_ms
        signed = stages[Stage.SIGNED]
        steps = ", ".join(f"{stage} {stages[stage].p50:.1f}" for stage in Stage if stage in stages)
        report(
            9,
            f"block to signed, final verdict {final}: p50 {signed.p50:.1f} ms, p99 {signed.p99:.1f} ms over "
            f"{ended.result.sent} transactions of {ended.blocks} blocks ({ended.pools} pools); p50 to each step in ms: "
            f"{steps}; longest collection of garbage {ended.gc_pause_ms:.2f} ms",
            {
                "final_verdict": final,
                "blocks": ended.blocks,
                "signed": ended.result.sent,
                "stages_ms": {stage: [each.p50, each.p99] for stage, each in stages.items()},
                "gc_pause_ms": ended.gc_pause_ms,
                "goal_ms": [2, 5],
            },
        )


if __name__ == "__main__":
    main()
