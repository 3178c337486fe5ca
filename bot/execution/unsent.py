"""Intents of which no byte ever left: their nonces are given back, or everything behind them would be stuck."""

from __future__ import annotations

from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.ledger.states import IntentState


def unsent(ledger: Ledger) -> tuple[Intent, ...]:
    """What was reserved or signed when the process ended, or when the ledger could not be written; highest nonce first.

    Between two blocks nothing is on its way to its first sending, so that these never will be sent.
    """
    left = (intent for intent in reversed(ledger.open_intents()) if _never_left(ledger, intent))
    return tuple(left)


def _never_left(ledger: Ledger, intent: Intent) -> bool:
    if intent.state is IntentState.RESERVED:
        return True
    return intent.state is IntentState.SIGNED and len(ledger.attempts(intent.id)) == 1
