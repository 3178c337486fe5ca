"""Random plans over every family, foreseen and then mined. `tests.torture.simulator` is the long form."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from chains.executor import HopKind
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.forge import Unforeseen, hold
from tests.bot.simulator.plans import Rig, rig
from tests.conftest import Counted

_PLANS = 60
_IN_FORGE = 12
_SEED = 7

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[Rig]:
    async with rig() as opened:
        yield opened


@needs_evm
async def test_forges_evm_does_what_was_foreseen_and_a_wei_of_difference_is_found(world: Rig):
    chance, head = random.Random(_SEED), await world.head()
    trials = [await world.trial(chance, keep=False) for _ in range(_IN_FORGE)]
    await hold(world, head, trials)
    here = trials[0].here
    assert here is not None
    pair = next(iter(world.watched))
    wrong = replace(here, deltas={**here.deltas, pair: here.delta(*pair) + 1})
    with pytest.raises(Unforeseen, match="Unforeseen"):
        await hold(world, head, [replace(trials[0], here=wrong)])


@needs_evm
async def test_random_plans_over_all_families_end_as_foreseen_in_process_and_on_the_fork(world: Rig, counted: Counted):
    chance, kinds, gaining = random.Random(_SEED), Counter[HopKind](), 0
    for number in range(_PLANS):
        trial = await world.trial(chance, keep=number % 3 == 0)
        assert trial.wrong == [], (number, trial.kinds)
        assert trial.here is not None, (number, trial.kinds)
        kinds.update(trial.kinds)
        gaining += trial.succeeded
    assert set(kinds) == set(HopKind), "a family was not tried"
    assert _PLANS // 5 < gaining < _PLANS
    counted("simulator", f"{_PLANS} plans over {len(kinds)} families: 0 foreseen wrongly")
