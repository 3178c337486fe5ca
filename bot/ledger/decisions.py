"""Writing down what was seen and decided: opportunities, plans, verdicts, refusals, events, timings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, select

from bot.ledger.errors import LedgerError
from bot.ledger.models import Base, BearingRow, EventRow, OpportunityRow, PlanRow, RefusalRow, TimingRow, VerdictRow
from bot.ledger.store import Store
from bot.plan import Plan, decode_plan, encode_plan
from bot.reasons import Refusal
from bot.simulator.verdict import IfMoved, Verdict


class Level(StrEnum):
    """How much an event matters: for the record, for a look, for action."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Decisions(Store):
    """Records of decisions, which promise nothing: each is a commit by itself, or part of a `batch` or `gathering`."""

    def record_opportunity(
        self, strategy: str, route: str, expected_profit_wei: int, plan_id: str | None = None
    ) -> None:
        """Something a strategy saw, planned or not. `route` says for a person which way it goes."""
        self._note_about(
            OpportunityRow,
            plan_id,
            run_id=self.run.id,
            strategy=strategy,
            at_ms=self._now_ms(),
            block_number=self._block_number,
            route=route,
            expected_profit_wei=expected_profit_wei,
        )

    def record_plan(self, plan: Plan) -> None:
        """A plan, once: deciding the same again changes nothing."""
        at_ms = self._now_ms()
        self._note(lambda connection: self._keep_plan(connection, plan, at_ms))

    def plan(self, plan_id: str) -> Plan:
        """A recorded plan. Raises `LedgerError` when there is none."""
        document = select(PlanRow.document).where(PlanRow.instance == self.run.instance, PlanRow.digest == plan_id)
        with self.read() as connection:
            found = connection.execute(document).scalar_one_or_none()
        if found is None:
            raise LedgerError(f"plan {plan_id} is not in the ledger of {self.run.instance}")
        return decode_plan(found)

    def record_verdict(self, plan_id: str, verdict: Verdict) -> None:
        """What the simulator said of a recorded plan."""
        deltas: dict[str, dict[str, str]] = {}
        for (account, token), units in verdict.deltas.items():
            deltas.setdefault(account, {})[token] = str(units)
        self._note_about(
            VerdictRow,
            plan_id,
            at_ms=self._now_ms(),
            outcome=verdict.outcome.value,
            tx_digest=verdict.tx_digest,
            block_number=verdict.block_number,
            block_hash=verdict.block_hash,
            gas_used=verdict.gas_used,
            gas_price_wei=verdict.gas_price_wei,
            deltas=orjson.dumps(deltas, option=orjson.OPT_SORT_KEYS).decode(),
            reason=_storable(verdict.reason),
            moved=_moved(verdict.moved) if verdict.moved else None,
        )

    def record_borne(self, plan_id: str, tx_digest: str, moved: Sequence[IfMoved]) -> None:
        """What a recorded plan bears, of which the verdict on the transaction `tx_digest` did not say it."""
        self._note_about(BearingRow, plan_id, tx_digest=tx_digest, moved=_moved(moved))

    def record_refusal(self, refusal: Refusal, strategy: str, plan_id: str | None = None) -> None:
        """Why something was not done; `plan_id` when there was a plan already."""
        self._note_about(
            RefusalRow,
            plan_id,
            run_id=self.run.id,
            strategy=strategy,
            at_ms=self._now_ms(),
            block_number=self._block_number,
            reason=refusal.reason.value,
            detail=_storable(refusal.detail),
        )

    def record_event(self, level: Level, name: str, detail: str = "") -> None:
        """A happening with a name, such as `reorg`, `gap`, `stale_book`, `venue_halted`, `start`, `stop`."""
        event = self._event(level, name, detail)
        self._note(lambda connection: self._insert(connection, EventRow, **event))

    def record_timings(self, intent_id: int, elapsed_ns: Mapping[str, int]) -> None:
        """Nanoseconds from the decided head's arrival to each stage; `signed` is what the summary reports."""
        timings = dict(elapsed_ns)

        def keep(connection: Connection) -> None:
            for stage, ns in timings.items():
                self._insert(connection, TimingRow, intent_id=intent_id, stage=stage, elapsed_ns=ns)

        self._note(keep)

    def _note_about(self, model: type[Base], plan_id: str | None, **values: Any) -> None:
        """A row of `model` that names the row of a plan, which may be noted only now itself."""

        def keep(connection: Connection) -> None:
            plan_row = None if plan_id is None else self._plan_row(connection, plan_id)
            self._insert(connection, model, plan_row=plan_row, **values)

        self._note(keep)

    def _event(self, level: Level, name: str, detail: str) -> dict[str, Any]:
        return {
            "run_id": self.run.id,
            "at_ms": self._now_ms(),
            "block_number": self._block_number,
            "level": level.value,
            "name": name,
            "detail": _storable(detail),
        }

    def _keep_event(self, connection: Connection, level: Level, name: str, detail: str) -> None:
        self._insert(connection, EventRow, **self._event(level, name, detail))

    def _keep_plan(self, connection: Connection, plan: Plan, at_ms: int) -> int:
        known = self._find_plan(connection, plan.id)
        if known is not None:
            return known
        row = self._insert(
            connection,
            PlanRow,
            run_id=self.run.id,
            instance=self.run.instance,
            digest=plan.id,
            strategy=plan.strategy,
            at_ms=at_ms,
            block_number=plan.block_number,
            block_hash=plan.block_hash,
            deadline_block=plan.deadline_block,
            atomic=plan.atomic,
            expected_profit_wei=plan.expected_profit_wei,
            min_profit_wei=plan.min_profit_wei,
            note=plan.note,
            document=encode_plan(plan),
        )
        self._plan_rows[self.run.instance, plan.id] = row
        return row


def _storable(text: str) -> str:
    """What strangers may have written, without what not every database holds: NUL, and halves of characters."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _moved(moved: Sequence[IfMoved]) -> str:
    return orjson.dumps(
        [{"bps": each.bps, "left_wei": str(each.left_wei), "settles": each.settles} for each in moved]
    ).decode()
