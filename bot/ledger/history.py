"""Everything the ledger holds about one plan, in the order it happened. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, func, select

from bot.gas import GasCoin
from bot.ledger.ledger import Ledger
from bot.ledger.models import AttemptRow, BearingRow, FillRow, IntentRow, PlanRow, RefusalRow, VerdictRow
from bot.ledger.pnl import gas_coin_of, gas_of_intent, marks_of
from bot.ledger.reading import Decision, Fill, RefusedPlan, decisions, fills
from bot.plan import Plan, decode_plan
from bot.simulator.verdict import IfMoved

_LAST_ID = 2**63 - 1
"""No database counts further."""


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """What the simulator answered, as in `Verdict`. `gas_cost_wei` is what that gas would cost, in wei of ETH."""

    outcome: str
    block_number: int
    gas_used: int
    gas_price_wei: int
    tx_digest: str
    reason: str
    gas_cost_wei: int
    moved: tuple[IfMoved, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedIntent:
    """The intent, and how many transactions were signed for it. `gas_wei` is what its gas cost so far, in ETH."""

    id: int
    state: str
    nonce: int
    gas_limit: int
    max_fee_wei: int
    tip_wei: int
    exposure: str
    deadline_block: int
    block_number: int | None
    gas_used: int | None
    gas_wei: int
    attempts: int


@dataclass(frozen=True, slots=True)
class History:
    """One plan and all that became of it."""

    decision: Decision
    plan: Plan
    verdicts: tuple[RecordedVerdict, ...]
    refusals: tuple[RefusedPlan, ...]
    intent: RecordedIntent | None
    fills: tuple[Fill, ...]


def history(ledger: Ledger, decision_id: int) -> History | None:
    """The history of a decision of this run, by the id that `decisions` gave; None if there is no such one."""
    page = decisions(ledger, limit=1, before=min(decision_id + 1, _LAST_ID))
    if not page or page[0].id != decision_id:
        return None
    decision = page[0]
    with ledger.read() as connection:
        document = connection.execute(select(PlanRow.document).where(PlanRow.id == decision_id)).scalar_one()
        return History(
            decision=decision,
            plan=decode_plan(document),
            verdicts=_verdicts(connection, decision_id, gas_coin_of(connection, ledger.run.id, ledger.run.network)),
            refusals=_refusals(connection, decision_id),
            intent=None if decision.intent_id is None else _intent(connection, decision.intent_id, ledger.run.id),
            fills=() if decision.intent_id is None else fills(ledger, decision.intent_id),
        )


def named(ledger: Ledger, name: str) -> tuple[int, ...]:
    """The decisions of this run whose plan's id, or one of whose transactions' hashes, begins with `name`."""
    pattern = f"{name.lower()}%"
    by_plan = select(PlanRow.id).where(PlanRow.run_id == ledger.run.id, PlanRow.digest.like(pattern))
    by_transaction = (
        select(PlanRow.id)
        .join(IntentRow, IntentRow.plan_row == PlanRow.id)
        .join(AttemptRow, AttemptRow.intent_id == IntentRow.id)
        .where(PlanRow.run_id == ledger.run.id, AttemptRow.tx_hash.like(pattern))
    )
    with ledger.read() as connection:
        found = connection.execute(by_plan.union(by_transaction))
        return tuple(sorted(found.scalars()))


def last_settled_swaps(ledger: Ledger) -> Plan | None:
    """The newest plan of this run whose swaps were filled."""
    newest = (
        select(PlanRow.document)
        .join(IntentRow, IntentRow.plan_row == PlanRow.id)
        .join(FillRow, FillRow.intent_id == IntentRow.id)
        .where(IntentRow.run_id == ledger.run.id, FillRow.undone.is_(False), FillRow.order_id.is_(None))
        .order_by(IntentRow.id.desc())
        .limit(1)
    )

    def read(connection: Connection) -> Plan | None:
        document = connection.execute(newest).scalar_one_or_none()
        return None if document is None else decode_plan(document)

    return ledger.remembered("last settled swaps", read, (IntentRow, FillRow))


def _verdicts(connection: Connection, plan_row: int, coin: GasCoin) -> tuple[RecordedVerdict, ...]:
    columns = (
        VerdictRow.outcome,
        VerdictRow.block_number,
        VerdictRow.gas_used,
        VerdictRow.gas_price_wei,
        VerdictRow.tx_digest,
        VerdictRow.reason,
    )
    chosen = select(*columns, VerdictRow.moved).where(VerdictRow.plan_row == plan_row).order_by(VerdictRow.id)
    later = select(BearingRow.tx_digest, BearingRow.moved).where(BearingRow.plan_row == plan_row)
    borne = {row.tx_digest: row.moved for row in connection.execute(later)}
    return tuple(
        RecordedVerdict(
            *row[:-1],
            gas_cost_wei=coin.cost_wei(row.gas_used * row.gas_price_wei),
            moved=_moved(row.moved or borne.get(row.tx_digest)),
        )
        for row in connection.execute(chosen)
    )


def _moved(document: str | None) -> tuple[IfMoved, ...]:
    """As `Decisions` wrote it."""
    return tuple(
        IfMoved(each["bps"], int(each["left_wei"]), each["settles"]) for each in orjson.loads(document or "[]")
    )


def _refusals(connection: Connection, plan_row: int) -> tuple[RefusedPlan, ...]:
    columns = (
        RefusalRow.id,
        RefusalRow.strategy,
        RefusalRow.at_ms,
        RefusalRow.block_number,
        RefusalRow.reason,
        RefusalRow.detail,
    )
    rows = connection.execute(select(*columns).where(RefusalRow.plan_row == plan_row).order_by(RefusalRow.id))
    return tuple(RefusedPlan(**row._mapping) for row in rows)


def _intent(connection: Connection, intent_id: int, run_id: int) -> RecordedIntent:
    columns = (
        IntentRow.id,
        IntentRow.state,
        IntentRow.nonce,
        IntentRow.gas_limit,
        IntentRow.max_fee_wei,
        IntentRow.tip_wei,
        IntentRow.exposure,
        IntentRow.deadline_block,
        IntentRow.block_number,
        IntentRow.gas_used,
    )
    row = connection.execute(select(*columns).where(IntentRow.id == intent_id)).one()
    attempts = select(func.count(AttemptRow.id)).where(AttemptRow.intent_id == intent_id)
    return RecordedIntent(
        **row._mapping,
        gas_wei=gas_of_intent(connection, intent_id, marks_of(connection, run_id)),
        attempts=connection.execute(attempts).scalar_one(),
    )
