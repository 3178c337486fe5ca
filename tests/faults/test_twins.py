"""The oracle can tell: what the real bot gets right, a bot with one mistake in it gets wrong, and is caught."""

from __future__ import annotations

from bot.execution.transactions import TransactionDesk
from tests.faults.chain import Setting
from tests.faults.fault import Fault, Kind
from tests.faults.rig import Layout, open_rig
from tests.faults.twins import JournalsAfterSending, ResendsWithAFreshNonce, ignoring_parents

LOST = Fault(Kind.LOST_REPLY, frozenset({"eth_sendRawTransaction"}), requests=1)


async def _rules_broken(setting: Setting, desk: type[TransactionDesk] = TransactionDesk) -> set[str]:
    """A reply is lost, and then two blocks are replaced."""
    async with open_rig(setting, Layout("ws"), desk=desk) as rig:
        await rig.strike(LOST)
        await rig.blocks(2)
        assert rig.faulty.schedule.struck
        rig.heal()
        await rig.reorganise(2)
        await rig.blocks(2)
        return {wrong.rule for wrong in await rig.settle()}


async def test_the_bot_itself_breaks_no_rule(setting: Setting) -> None:
    assert await _rules_broken(setting) == set()


async def test_journalling_after_sending_loses_a_transaction(setting: Setting) -> None:
    assert "not in the ledger" in await _rules_broken(setting, JournalsAfterSending)


async def test_a_fresh_nonce_for_an_unknown_outcome_trades_twice(setting: Setting) -> None:
    assert "sent twice" in await _rules_broken(setting, ResendsWithAFreshNonce)


async def test_a_follower_that_ignores_parents_books_what_was_undone(setting: Setting) -> None:
    with ignoring_parents():
        assert "ledger" in await _rules_broken(setting)
