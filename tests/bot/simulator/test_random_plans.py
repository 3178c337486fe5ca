"""Random plans over every family, foreseen and then mined. `tests.torture.simulator` is the long form."""

from __future__ import annotations

import random
from collections import Counter

from chains.executor import HopKind
from tests.bot.simulator.plans import rig

_PLANS = 60
_SEED = 7


async def test_random_plans_over_all_families_end_as_foreseen_in_process_and_on_the_fork():
    chance, kinds, gaining = random.Random(_SEED), Counter[HopKind](), 0
    async with rig() as world:
        for number in range(_PLANS):
            trial = await world.trial(chance, keep=number % 3 == 0)
            assert trial.wrong == [], (number, trial.kinds)
            assert trial.here is not None, (number, trial.kinds)
            kinds.update(trial.kinds)
            gaining += trial.succeeded
    assert set(kinds) == set(HopKind), "a family was not tried"
    assert _PLANS // 5 < gaining < _PLANS
