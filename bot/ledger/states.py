"""The states of an intent and of an exchange order, and the only moves between them. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.ledger.errors import IllegalMove


class IntentState(StrEnum):
    """Where an intent stands. Bytes may have left this machine from the first `SENDING` on.

    `FINAL` and `CANCELLED` differ in what was mined: the call, whether or not it reverted, or the NOOP in its place.
    `FOREIGN`: its nonce was used by a transaction that is not ours; only a person can go on from there.
    """

    RESERVED = "reserved"
    SIGNED = "signed"
    SENDING = "sending"
    PENDING = "pending"
    MINED = "mined"
    FINAL = "final"
    CANCELLED = "cancelled"
    FOREIGN = "foreign"
    RELEASED = "released"


class AttemptKind(StrEnum):
    """What a signed transaction of an intent does: its plan's call, or nothing, to free the nonce."""

    CALL = "call"
    NOOP = "noop"


class MinedAs(StrEnum):
    """What the chain said of a mined transaction."""

    OK = "ok"
    REVERTED = "reverted"
    NOOP = "noop"


class Exposure(StrEnum):
    """What a two-sided intent still owes the other venue. Atomic intents stay `NONE`.

    `BY_HAND`: a person sees to it, whatever becomes of the chain side.
    """

    NONE = "none"
    OWED = "owed"
    HEDGED = "hedged"
    UNWOUND = "unwound"
    BY_HAND = "by_hand"


class OrderState(StrEnum):
    """What is known of an exchange order. `UNKNOWN`: it may or may not exist there; only evidence ends it.

    `QUARANTINED`: that has lasted too long to wait for; what the exchange says of its id ends it, or a person's word.
    """

    SENDING = "sending"
    UNKNOWN = "unknown"
    QUARANTINED = "quarantined"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


INTENT_MOVES: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.RESERVED: frozenset({IntentState.SIGNED, IntentState.RELEASED}),
    # RELEASED only while no attempt has left; MINED by an earlier attempt while the next one is not sent yet.
    IntentState.SIGNED: frozenset(
        {IntentState.SIGNED, IntentState.SENDING, IntentState.MINED, IntentState.FOREIGN, IntentState.RELEASED}
    ),
    # A receipt may turn up before any node acknowledged the bytes: the reply was lost. SIGNED is the next attempt.
    IntentState.SENDING: frozenset({IntentState.PENDING, IntentState.SIGNED, IntentState.MINED, IntentState.FOREIGN}),
    IntentState.PENDING: frozenset({IntentState.SIGNED, IntentState.MINED, IntentState.FOREIGN}),
    # Back to PENDING when the block is reorganised away.
    IntentState.MINED: frozenset({IntentState.PENDING, IntentState.FINAL, IntentState.CANCELLED}),
    IntentState.FINAL: frozenset(),
    IntentState.CANCELLED: frozenset(),
    IntentState.FOREIGN: frozenset(),
    IntentState.RELEASED: frozenset(),
}

IN_FLIGHT = frozenset({IntentState.RESERVED, IntentState.SIGNED, IntentState.SENDING, IntentState.PENDING})
"""States in which the chain's answer is still out."""

MAY_HAVE_LEFT = frozenset(IntentState) - {IntentState.RESERVED, IntentState.SIGNED, IntentState.RELEASED}
"""States of an attempt whose bytes may be anywhere."""

SETTLED = frozenset({IntentState.MINED, IntentState.FINAL, IntentState.CANCELLED})
"""States in which a receipt stands in a canonical block."""

HOLDS_RESERVATION = frozenset(IntentState) - {IntentState.FINAL, IntentState.CANCELLED, IntentState.RELEASED}
"""States in which the worst case stays reserved: until the outcome is final, a reorganisation may bring it about."""

CLOSED_ORDERS = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED})

UNCLEAR_ORDERS = frozenset({OrderState.SENDING, OrderState.UNKNOWN, OrderState.QUARANTINED})
"""States without any evidence that the exchange ever had the order."""

_EVIDENCE: Mapping[OrderState, int] = {
    OrderState.SENDING: 0,
    OrderState.UNKNOWN: 0,
    OrderState.QUARANTINED: 0,
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


def is_exposed(state: IntentState, mined_as: MinedAs | None, exposure: Exposure) -> bool:
    """Whether inventory of an intent is out: it may still be spent, or one side of it is done and the other is not."""
    if state not in SETTLED:
        return state is not IntentState.RELEASED
    if exposure in (Exposure.HEDGED, Exposure.UNWOUND):
        return mined_as is not MinedAs.OK
    return exposure is Exposure.OWED


def least_bump(fee_wei: int) -> int:
    """The least fee with which a node takes a replacement, in wei per gas: 12.5 % more, rounded up."""
    return -(-fee_wei * 9 // 8)


def most_to_outbid(cap_wei: int) -> int:
    """The highest fee whose replacement still fits under `cap_wei`, in wei per gas."""
    return cap_wei * 8 // 9


def order_state_after(current: OrderState, reported: OrderState) -> OrderState:
    """The state after a report. Evidence only grows, so reports may come late, twice and in any order.

    `UNKNOWN` is entered from any open state and left by any evidence; it undoes neither a closed one nor a
    quarantine. `QUARANTINED` is entered only where nothing is known.
    """
    if reported is OrderState.UNKNOWN:
        return current if current in CLOSED_ORDERS or current is OrderState.QUARANTINED else reported
    if reported is OrderState.QUARANTINED:
        return reported if current in UNCLEAR_ORDERS else current
    return reported if _EVIDENCE[reported] > _EVIDENCE[current] else current
