"""Broken twins: each makes a mistake that bots make, and must be found out by the same kills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam

from bot.execution.transactions import TransactionDesk
from bot.ledger.ledger import Ledger
from bot.ledger.models import IntentRow
from bot.ledger.records import Intent
from bot.ledger.states import IntentState
from bot.ledger.store import changing
from tests.faults.twins import JournalsAfterSending
from tests.kills.worker import MakeDesk

_GIVE_UP = changing(IntentRow, IntentRow.id == bindparam("intent"))


class AsksForThePendingNonce(TransactionDesk):
    """After a start it trusts the node's count, and forgets what it had sent."""

    async def start(self) -> None:
        operator = self.identity.operator
        count = await self._submitter.nonce(operator, "pending")
        for intent in reversed(self._ledger.open_intents()):
            _forget(self._ledger, intent)
        self._ledger.set_first_nonce(operator, count)


def _forget(ledger: Ledger, intent: Intent) -> None:
    """Gives an intent up, whatever was sent of it: past the journal, which would not allow it."""
    with ledger._write() as connection:
        row = ledger._load(connection, intent.id)
        ledger._change(connection, _GIVE_UP, intent=row.id, state=IntentState.RELEASED.value)


@dataclass(frozen=True, slots=True)
class Twin:
    """A bot to be put through a story."""

    desk: MakeDesk = TransactionDesk
    forgets: bool = False


WHOLE = Twin()

BROKEN: Mapping[str, Twin] = {
    "journals_after_sending": Twin(JournalsAfterSending),
    "pending_nonce": Twin(AsksForThePendingNonce),
    "no_dedupe": Twin(forgets=True),
}
