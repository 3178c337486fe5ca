"""Random plans over every family: `python -m tests.torture.simulator --plans 1000 --seed 1`.

Each is foreseen in this process and on a fork, then mined: outcome, gas and every watched balance must be the same, to
the wei. Every third stays in the chain, so that state moves on under the simulator.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.bot.simulator.plans import Trial, rig

_KEPT_EVERY = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries the plans asked for; 0 when all were foreseen."""
    parser = argparse.ArgumentParser("python -m tests.torture.simulator", description=__doc__)
    parser.add_argument("--plans", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    trials = asyncio.run(_tried(options.plans, options.seed))
    kinds = Counter(kind for trial in trials for kind in trial.kinds)
    wrong = sum(bool(trial.wrong) for trial in trials)
    here = sum(trial.here is not None for trial in trials)
    gained = sum(trial.succeeded for trial in trials)
    print(
        f"{len(trials)} plans over {len(kinds)} families, {gained} of them gaining: {wrong} foreseen wrongly, "
        f"{here} answered in process; {time.monotonic() - begun:.0f} s"
    )
    return 0 if not wrong and here == len(trials) else 1


async def _tried(plans: int, seed: int) -> list[Trial]:
    chance = random.Random(seed)
    trials = []
    async with rig() as world:
        for number in range(plans):
            trial = await world.trial(chance, keep=number % _KEPT_EVERY == 0)
            trials.append(trial)
            for difference in trial.wrong:
                print(f"{number} {[kind.name for kind in trial.kinds]}: {difference}", file=sys.stderr)
            if trial.here is None:
                print(f"{number} {[kind.name for kind in trial.kinds]}: not answered in process", file=sys.stderr)
    return trials


if __name__ == "__main__":
    sys.exit(main())
