"""Intents of which no byte ever left: their nonces are given back, or everything behind them would be stuck."""

from __future__ import annotations

from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.ledger.states import IntentState


def unsent(ledger: Ledger) -> tuple[Intent, ...]:
    """What was reserved or signed when the process ended, or when the ledger could not be written; highest nonce first.

    Between two blocks nothing is on its way to its first sending, so that these never will be sent.
    """
    open_ = ledger.open_intents()
    signed = [intent for intent in open_ if intent.state is IntentState.SIGNED]
    attempts = ledger.attempts_of(signed)
    once = {intent.id for intent in signed if len(attempts[intent.id]) == 1}
    return tuple(it for it in reversed(open_) if it.state is IntentState.RESERVED or it.id in once)
