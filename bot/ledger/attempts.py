"""The signed bytes of an intent: what must hold between one attempt and the next, and how far each has come."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bot.ledger import quick
from bot.ledger.errors import IllegalMove, LedgerError
from bot.ledger.models import AttemptRow
from bot.ledger.records import Attempt
from bot.ledger.states import MAY_HAVE_LEFT, AttemptKind, IntentState, least_bump
from bot.transaction import Fees

_ATTEMPTS = select(AttemptRow.__table__).order_by(AttemptRow.intent_id, AttemptRow.number)
_OF_INTENT = _ATTEMPTS.where(AttemptRow.intent_id == bindparam("intent"))
_OF_INTENTS = _ATTEMPTS.where(AttemptRow.intent_id.in_(bindparam("intents", expanding=True)))


def attempts_of(connection: Connection, intent_id: int) -> tuple[Attempt, ...]:
    """Oldest first."""
    return tuple(_as_attempt(row) for row in quick.rows(connection, _OF_INTENT, {"intent": intent_id}))


def attempts_of_all(connection: Connection, intent_ids: Collection[int]) -> Mapping[int, tuple[Attempt, ...]]:
    """Those of each intent that has any, oldest first."""
    if connection.dialect.name == "sqlite":
        # Asking for each is cheaper here than a statement whose text depends on how many there are (`quick`).
        found = {intent_id: attempts_of(connection, intent_id) for intent_id in sorted(intent_ids)}
        return {intent_id: each for intent_id, each in found.items() if each}
    attempts = (_as_attempt(row) for row in connection.execute(_OF_INTENTS, {"intents": sorted(intent_ids)}))
    return {intent_id: tuple(each) for intent_id, each in groupby(attempts, lambda attempt: attempt.intent_id)}


def may_have_left(attempts: tuple[Attempt, ...]) -> bool:
    """Whether bytes of any of them may be anywhere."""
    return any(attempt.state in MAY_HAVE_LEFT for attempt in attempts)


def check_successor(intent_id: int, attempts: tuple[Attempt, ...], kind: AttemptKind, fees: Fees) -> None:
    """Raises `IllegalMove` where a further attempt would not replace those before it.

    A NOOP is final: nothing but another NOOP follows it. Both fees must rise by an eighth over every attempt that may
    have left, or nodes would refuse the replacement (go-ethereum, core/txpool/legacypool).
    """
    if kind is AttemptKind.CALL and any(attempt.kind is AttemptKind.NOOP for attempt in attempts):
        raise IllegalMove(f"intent {intent_id} is being cancelled: its call may not be signed again")
    for attempt in attempts:
        if attempt.state not in MAY_HAVE_LEFT:
            continue
        least = Fees(0, least_bump(attempt.fees.max_fee_wei), least_bump(attempt.fees.tip_wei))
        if fees.max_fee_wei < least.max_fee_wei or fees.tip_wei < least.tip_wei:
            raise IllegalMove(
                f"intent {intent_id}: attempt {attempt.number} is replaced only with a fee of at least "
                f"{least.max_fee_wei} and a tip of at least {least.tip_wei} wei per gas"
            )


def mined_one(intent_id: int, attempts: tuple[Attempt, ...], tx_hash: str) -> Attempt:
    """The attempt a receipt is of. Raises `LedgerError` when there is none, or when none of it was ever to leave."""
    for attempt in attempts:
        if attempt.tx_hash == tx_hash:
            if attempt.state not in MAY_HAVE_LEFT:
                raise IllegalMove(f"intent {intent_id}: {tx_hash} is mined, yet was never marked as being sent")
            return attempt
    raise LedgerError(f"transaction {tx_hash} is not one of intent {intent_id}'s")


def _as_attempt(row: Any) -> Attempt:
    return Attempt(
        intent_id=row.intent_id,
        number=row.number,
        raw=row.raw,
        tx_hash=row.tx_hash,
        fees=Fees(row.gas_limit, row.max_fee_wei, row.tip_wei),
        kind=AttemptKind(row.kind),
        state=IntentState(row.state),
    )
