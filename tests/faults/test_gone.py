"""A node that is gone in the middle of a block halts its venue; the run goes on when the node does."""

from __future__ import annotations

import pytest

from tests.faults.chain import Setting
from tests.faults.fault import Fault, Kind
from tests.faults.rig import Layout, open_rig

RECEIPTS = Fault(Kind.UNAVAILABLE, frozenset({"eth_getTransactionReceipt"}))
EVERYTHING = Fault(Kind.RESET)


@pytest.mark.parametrize(
    ("fault", "said"), [(RECEIPTS, "node gone: nothing is decided on block"), (EVERYTHING, "node silent: ")]
)
async def test_nothing_is_decided_while_the_node_is_gone_and_the_run_goes_on_when_it_is_back(
    setting: Setting, fault: Fault, said: str
) -> None:
    async with open_rig(setting, Layout("ws")) as rig:
        await rig.strike(fault)
        before = len(rig.bot.decided)
        await rig.blocks(3)
        assert len(rig.bot.decided) == before
        assert any(line.startswith(said) for line in rig.bot.told)
        rig.heal()
        assert await rig.recovered_after() is not None
        assert (await rig.settle(), rig.bot.ends, rig.bot.bugs) == ([], {}, {})
