"""Several networks in one process: one road each, in one event loop. What fails on one leaves the others alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.config.load import Loaded
from bot.config.options import Reporter, RunOptions
from bot.run import app
from bot.run.collecting import collecting_rarely
from bot.run.ending import Stopping, StoppingTogether
from bot.run.report import Summary


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to be made: what it is told, and where its words go."""

    loaded: Loaded
    options: RunOptions
    out: Reporter

    @property
    def network(self) -> str:
        return self.loaded.network.name


@dataclass(frozen=True, slots=True)
class Ended:
    """How one network's run ended: with a summary, with an error, or, without either, because a person stopped it."""

    network: str
    summary: Summary | None = None
    error: Exception | None = None


async def run_together(runs: Sequence[Planned], explained: Callable[[BaseException], str]) -> list[Ended]:
    """Run every network until its own end, or Ctrl-C; how each ended, in order. Never raises for one of them.

    A run that fails is told by `explained` in its own lines, when it fails.
    """
    with collecting_rarely(), StoppingTogether() as together:
        tasks = [asyncio.create_task(_run(run, together.run(run.out), explained)) for run in runs]
        return list(await asyncio.gather(*tasks))


async def _run(run: Planned, stopping: Stopping, explained: Callable[[BaseException], str]) -> Ended:
    try:
        return Ended(run.network, await app.run(run.loaded, run.options, run.out, stopping))
    except asyncio.CancelledError:
        run.out.line("stopped at once")
        return Ended(run.network)
    except Exception as error:
        for line in explained(error).splitlines():
            run.out.line(f"ended: {line}")
        return Ended(run.network, error=error)
