"""Random plans over every family: `python -m tests.torture.simulator --plans 1000 --seed 1`.

Each is foreseen in this process and on a fork, then mined: outcome, gas and every watched balance must be the same, to
the wei. Some fifty at a time begin on one block, and are run in forge's EVM too; then three stay in the chain, so that
its state moves on under the simulator.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.bot.simulator.forge import hold
from tests.bot.simulator.plans import Trial, rig

_AT_A_TIME = 50
_KEPT = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries the plans asked for; 0 when all were foreseen."""
    parser = argparse.ArgumentParser("python -m tests.torture.simulator", description=__doc__)
    parser.add_argument("--plans", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    trials, alike = asyncio.run(_tried(options.plans, options.seed))
    kinds = Counter(kind for trial in trials for kind in trial.kinds)
    wrong = sum(bool(trial.wrong) for trial in trials)
    here = sum(trial.here is not None for trial in trials)
    gained = sum(trial.succeeded for trial in trials)
    print(
        f"{len(trials)} plans over {len(kinds)} families, {gained} of them gaining: {wrong} foreseen wrongly, "
        f"{here} answered in process, {alike} tried in forge and alike; {time.monotonic() - begun:.0f} s"
    )
    return 0 if not wrong and here == len(trials) else 1


async def _tried(plans: int, seed: int) -> tuple[list[Trial], int]:
    """The trials, and how many of them forge's EVM was held against. Raises `Unforeseen`."""
    chance = random.Random(seed)
    trials: list[Trial] = []
    alike = 0
    async with rig() as world:
        while len(trials) < plans:
            count = max(1, min(_AT_A_TIME, plans - len(trials)) - _KEPT)
            together = [await world.trial(chance, keep=False) for _ in range(count)]
            answered = [trial for trial in together if trial.here is not None]
            await hold(world, await world.head(), answered)
            alike += len(answered)
            together += [await world.trial(chance, keep=True) for _ in range(_KEPT)]
            for trial in together:
                _complain(trial)
            trials += together
    return trials, alike


def _complain(trial: Trial) -> None:
    names = ", ".join(kind.name for kind in trial.kinds)
    for difference in trial.wrong:
        print(f"{names}: {difference}", file=sys.stderr)
    if trial.here is None:
        print(f"{names}: not answered in process", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
