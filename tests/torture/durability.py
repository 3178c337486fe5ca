"""A trade ended at every point where the disk or the network is asked: `python -m tests.torture.durability [--seed 1]`.

One worker after the other, on one chain and one ledger, is killed at its k-th `fdatasync` and at its k-th `sendto`, for
every k of a whole trade; then the disk is full, or fails, from the k-th call on. In the end one worker brings
everything home, and the chain is asked. A watched trade shows that no signed transaction leaves before the log is on
the disk, and that it would show if it did. Needs strace; exits with 4 where that is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from bot.execution.transactions import TransactionDesk
from tests.faults.chain import Setting, TrueChain
from tests.kills.killer import Report, killer
from tests.kills.story import Story
from tests.kills.strace import Strike, Struck, missing, sent_unsynced
from tests.kills.worker import Scene

STEPS = 7
"""From the start to a first transaction sent, and into the next: a whole trade."""

_KILLS = ("fdatasync", "sendto", "pwrite64")
_FAILS = ("fdatasync:error=EIO", "pwrite64:error=ENOSPC")
_SAID = ("LedgerBroken", "LedgerFull", "LedgerError", "JournalError", "signer_journal")
"""One of these a worker must have ended by when its disk failed."""
_MOST = 400


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing was doubled, lost or sent unsynced."""
    parser = argparse.ArgumentParser("python -m tests.torture.durability", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="strike at every n-th k only")
    parser.add_argument("--short", action="store_true", help="at every 8th k")
    options = parser.parse_args(arguments)
    why_not = missing()
    if why_not is not None:
        print(f"durability: NOT RUN: {why_not}")
        return 4
    with killer() as line:
        return asyncio.run(_play(options.seed, 8 if options.short else options.every, line))


async def _play(seed: int, every: int, line: Connection) -> int:
    begun = time.monotonic()
    setting = await Setting.make()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="isthmus-durability-") as folder:
        story = Story(setting, Path(folder), seed, 0, TransactionDesk)
        async with TrueChain.open(setting) as chain:
            scene = Scene(setting, chain.anvil.http_url, Path(folder))
            struck: Counter[str] = Counter()
            for call in _KILLS:
                inject = f"{call}:signal=SIGKILL:when={{k}}"
                struck[call] = await _struck_at_each(story, chain, scene, line, inject, every)
            for call in _FAILS:
                struck[call] = await _struck_at_each(story, chain, scene, line, f"{call}:when={{k}}+", every, wrong)
            outcome = await story.brought_home(chain, scene, line, Report(struck.total(), struck.total()))
            wrong += outcome.wrong
            traced = await _traced(story, chain, scene, line, Path(folder) / "trace")
    with tempfile.TemporaryDirectory(prefix="isthmus-durability-") as folder:
        story = Story(setting, Path(folder), seed, 0, TransactionDesk)
        async with TrueChain.open(setting) as chain:
            scene = Scene(setting, chain.anvil.http_url, Path(folder), unsynced=True)
            broken = await _traced(story, chain, scene, line, Path(folder) / "trace")
    if traced[0] == 0 or traced[1]:
        wrong.append(f"{traced[1]} of {traced[0]} transactions left before the log was on the disk")
    if broken[1] == 0:
        wrong.append(f"a ledger that is not synced was not found out in {broken[0]} transactions")
    for one in wrong[:8]:
        print(f"  {one}", file=sys.stderr)
    points = ", ".join(f"{count} of {call}" for call, count in struck.items())
    print(
        f"struck at {points}: {outcome.intents} intents, {len(outcome.wrong)} wrong; {traced[1]} of {traced[0]} "
        f"transactions left unsynced, by the broken twin {broken[1]} of {broken[0]}; {time.monotonic() - begun:.0f} s"
    )
    return 1 if wrong else 0


async def _struck_at_each(
    story: Story,
    chain: TrueChain,
    scene: Scene,
    line: Connection,
    inject: str,
    every: int,
    wrong: list[str] | None = None,
) -> int:
    """At the first call, the second, and so on, until a worker gets through a whole trade; how many were struck."""
    points = 0
    for k in range(1, _MOST, every):
        call = inject.partition(":")[0]
        arguments = ("-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={inject.format(k=k)}")
        strike = Strike(scene, story.seed + k, arguments, STEPS)
        struck = cast(Struck, await story.while_blocks_are_made(chain, line, strike, wild=False))
        if struck.survived:
            break
        points += 1
        if wrong is not None and not any(name in struck.error for name in _SAID):
            wrong.append(f"{inject.format(k=k)}: ended by {struck.error.strip().splitlines()[-1:] or 'nothing'}")
    return points


async def _traced(story: Story, chain: TrueChain, scene: Scene, line: Connection, trace: Path) -> tuple[int, int]:
    arguments = ("-y", "-s", "600", "-o", str(trace), "-e", "trace=pwrite64,fdatasync,sendto,sendmsg,write")
    strike = Strike(scene, story.seed, arguments, 3 * STEPS)
    struck = cast(Struck, await story.while_blocks_are_made(chain, line, strike, wild=False))
    if struck.error:
        print(struck.error, file=sys.stderr)
    return sent_unsynced(trace)


if __name__ == "__main__":
    sys.exit(main())
