"""What lapsed is read again, whatever a comparison finds out meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import pytest

from bot.drift.policy import AuditPolicy
from bot.drift.upkeep import Upkeep, Upkeeping
from bot.market.loader import Loaded
from chains.blocks import Head
from chains.pools.pool import Pool
from tests.bot.market.samples import block, market
from tests.chains.pools.test_erc4626 import VAULT, vault


@pytest.mark.parametrize("answers", [True, False], ids=("read", "refused"))
async def test_a_pool_that_is_found_to_differ_while_it_is_read_again_stays_out(answers: bool) -> None:
    of = market(vault())
    following = block(1)
    of.apply(following)
    assert [pool.venue for pool in of.lapsed] == [VAULT]

    class Reader:
        reload = None

        async def refresh(self, lapsed: Iterable[Pool], head: Head) -> Loaded:
            of.remove(VAULT, "it differs from the chain", until_read=True)
            return Loaded((vault(),), {}) if answers else Loaded((), {VAULT: "it is paused"})

    counts: Counter[str] = Counter()
    upkeep = Upkeep(of, Upkeeping(cast(Any, Reader()), AuditPolicy()), lambda *told: None, counts)
    await upkeep.on_head(following.head)
    assert of.refused[VAULT] == "it differs from the chain" and not counts["refreshed"] and not of.take_lost()
