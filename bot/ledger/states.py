"""The states of an intent and of an exchange order, and the only moves between them. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.ledger.errors import IllegalMove


class IntentState(StrEnum):
    """Where an intent stands. Bytes may have left this machine from `SENDING` on."""

    RESERVED = "reserved"
    SIGNED = "signed"
    SENDING = "sending"
    PENDING = "pending"
    MINED = "mined"
    FINAL = "final"
    RELEASED = "released"


class MinedAs(StrEnum):
    """What the chain said of a mined transaction."""

    OK = "ok"
    REVERTED = "reverted"


class Exposure(StrEnum):
    """What a two-sided intent still owes the other venue. Atomic intents stay `NONE`."""

    NONE = "none"
    OWED = "owed"
    HEDGED = "hedged"
    UNWOUND = "unwound"


class OrderState(StrEnum):
    """What is known of an exchange order. `UNKNOWN`: it may or may not exist there; only evidence ends it."""

    SENDING = "sending"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


INTENT_MOVES: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.RESERVED: frozenset({IntentState.SIGNED, IntentState.RELEASED}),
    IntentState.SIGNED: frozenset({IntentState.SENDING, IntentState.RELEASED}),
    # A receipt may turn up before any node acknowledged the bytes: the reply was lost.
    IntentState.SENDING: frozenset({IntentState.PENDING, IntentState.MINED}),
    IntentState.PENDING: frozenset({IntentState.MINED}),
    # Back to PENDING when the block is reorganised away.
    IntentState.MINED: frozenset({IntentState.PENDING, IntentState.FINAL}),
    IntentState.FINAL: frozenset(),
    IntentState.RELEASED: frozenset(),
}

IN_FLIGHT = frozenset({IntentState.RESERVED, IntentState.SIGNED, IntentState.SENDING, IntentState.PENDING})
"""States in which the chain's answer is still out."""

CLOSED_ORDERS = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED})

_EVIDENCE: Mapping[OrderState, int] = {
    OrderState.SENDING: 0,
    OrderState.UNKNOWN: 0,
    OrderState.OPEN: 1,
    # Below PARTIAL: should an exchange trade what it said it had rejected, the trade is the stronger evidence.
    OrderState.REJECTED: 2,
    OrderState.PARTIAL: 3,
    OrderState.CANCELLED: 4,
    OrderState.FILLED: 5,
}


def check_move(intent_id: int, current: IntentState, wanted: IntentState) -> None:
    """Raises `IllegalMove` unless `current` may become `wanted`."""
    if wanted not in INTENT_MOVES[current]:
        raise IllegalMove(f"intent {intent_id} is {current} and cannot become {wanted}")


def order_state_after(current: OrderState, reported: OrderState) -> OrderState:
    """The state after a report. Evidence only grows, so reports may come late, twice and in any order.

    `UNKNOWN` is entered from any open state and left by any evidence; it never undoes a closed one.
    """
    if reported is OrderState.UNKNOWN:
        return current if current in CLOSED_ORDERS else reported
    return reported if _EVIDENCE[reported] > _EVIDENCE[current] else current
