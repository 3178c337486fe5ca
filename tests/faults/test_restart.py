"""What happened on the chain while the bot was down is found when it starts."""

from __future__ import annotations

from bot.ledger.reading import events
from tests.faults.chain import Setting
from tests.faults.rig import Layout, open_rig


async def test_a_reorganisation_while_it_was_down_is_taken_back_at_the_start(setting: Setting) -> None:
    async with open_rig(setting, Layout("ws")) as rig:
        await rig.blocks(2)
        await rig.bot.stop()
        booked = {intent.block_hash for intent in rig.bot.ledger.mined_intents()}
        await rig.reorganise(2)
        await rig.bot.restart()
        assert await rig.settle() == []
        undone = [event for event in events(rig.bot.ledger) if event.name == "fill_undone"]
        assert undone and booked - {intent.block_hash for intent in rig.bot.ledger.mined_intents()}
