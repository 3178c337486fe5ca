"""What each closed intent came to, strategy by strategy, and whether a strategy is halted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from bot.ledger import quick
from bot.ledger.book_models import HaltRow, ResultRow
from bot.ledger.books import Books
from bot.ledger.decisions import Level
from bot.ledger.models import IntentRow, PlanRow
from bot.ledger.pnl import Profit, gas_of_intent, profit_of_intent
from bot.ledger.states import SETTLED, Exposure, MinedAs
from bot.ledger.types import exact_sum
from bot.ledger.windows import DAY_S, Windows
from bot.plan import decode_plan

_HALTED = (
    select(HaltRow.halted, HaltRow.reason, HaltRow.at_ms)
    .where(HaltRow.instance == bindparam("instance"), HaltRow.strategy == bindparam("strategy"))
    .order_by(HaltRow.id.desc())
    .limit(1)
)
_INTENTS = select(IntentRow.__table__, PlanRow.digest, PlanRow.atomic).join(PlanRow, PlanRow.id == IntentRow.plan_row)
_INTENT = _INTENTS.where(IntentRow.id == bindparam("intent"))
_OF_PLAN = _INTENTS.where(PlanRow.instance == bindparam("instance"), PlanRow.digest == bindparam("plan"))
_DOCUMENT = select(PlanRow.document).where(PlanRow.id == bindparam("plan"))
# `coalesce` keeps the database from going through all rows of the instance instead of the newest by their numbers.
_UNWINDING = (
    select(IntentRow.id, PlanRow.document)
    .join(PlanRow, PlanRow.id == IntentRow.plan_row)
    .where(
        func.coalesce(IntentRow.instance, "") == bindparam("instance"),
        IntentRow.id > bindparam("after"),
        IntentRow.mined_as == MinedAs.OK.value,
        IntentRow.two_sided.is_(False),
        PlanRow.atomic.is_(False),
    )
    .order_by(IntentRow.id)
)
_RECORDED = (
    select(
        ResultRow.head_s,
        exact_sum(ResultRow.profit_wei),
        exact_sum(ResultRow.gas_wei),
        exact_sum(ResultRow.loss_wei),
    )
    .where(ResultRow.intent_id == bindparam("intent"))
    .group_by(ResultRow.head_s)
)
_TOTALS = (
    select(ResultRow.cumulative_wei, ResultRow.high_water_wei)
    .where(ResultRow.instance == bindparam("instance"), ResultRow.strategy == bindparam("strategy"))
    .order_by(ResultRow.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class _Result:
    profit_wei: int = 0
    gas_wei: int = 0
    loss_wei: int = 0

    def __sub__(self, other: _Result) -> _Result:
        return _Result(self.profit_wei - other.profit_wei, self.gas_wei - other.gas_wei, self.loss_wei - other.loss_wei)


class Results(Books):
    """Results are added when an intent closes, and corrected by further rows, never changed.

    What takes an earlier trade back belongs to that trade, and costs only its gas by itself: each alone would have
    earned or lost whatever the price has moved since the run opened.
    """

    _windows: Mapping[str, Windows] = MappingProxyType({})

    def halt(self, strategy: str, reason: str) -> None:
        """Stops `strategy` until `resume`, across restarts."""
        with self._write() as connection:
            self._set_halted(connection, strategy, True, reason)

    def resume(self, strategy: str, reason: str) -> None:
        """Lets `strategy` trade again; its high-water mark starts anew at what it has earned so far."""
        with self._write() as connection:
            self._set_halted(connection, strategy, False, reason)
            cumulative, _ = self.totals_by(connection, strategy)
            self._keep_result(connection, strategy, None, self._head_s, _Result(), cumulative, cumulative)

    def halted_because(self, strategy: str) -> str | None:
        """Why `strategy` is halted; None while it may trade."""
        return self.remembered(
            ("halted", strategy), lambda connection: self.halted_by(connection, strategy), (HaltRow,)
        )

    def halted_at_s(self, strategy: str) -> float | None:
        """When `strategy` was halted, in seconds since the epoch; None while it may trade."""
        with self.read() as connection:
            row = quick.first(connection, _HALTED, {"instance": self.run.instance, "strategy": strategy})
        return row.at_ms / 1000 if row is not None and row.halted else None

    def halted_by(self, connection: Connection, strategy: str) -> str | None:
        """`halted_because`, by what `connection` reads."""
        row = quick.first(connection, _HALTED, {"instance": self.run.instance, "strategy": strategy})
        return row.reason if row is not None and row.halted else None

    def totals(self, strategy: str) -> tuple[int, int]:
        """What `strategy` has earned in all, and its high-water mark, in wei; each result rounded down to a wei."""
        return self.remembered(
            ("totals", strategy), lambda connection: self.totals_by(connection, strategy), (ResultRow,)
        )

    def booked(self, strategy: str) -> tuple[tuple[int, int], Windows]:
        """`totals`, and what was lost and burnt in gas within a day of the present head."""
        return self.remembered(
            ("booked", strategy),
            lambda connection: (self.totals_by(connection, strategy), self._recent(connection, strategy)),
            (ResultRow,),
        )

    def _recent(self, connection: Connection, strategy: str) -> Windows:
        instance, before = self.run.instance, self._windows.get(strategy)
        if (
            self._batch is not None
            or before is None
            or before.instance != instance
            or before.since_s > self._head_s - DAY_S
        ):
            found = Windows.read(connection, instance, strategy, self._head_s)
        else:
            found = before.now(connection, self._head_s)
        if self._batch is None:
            self._windows = {**self._windows, strategy: found}
        return found

    def _set_halted(self, connection: Connection, strategy: str, halted: bool, reason: str) -> None:
        self._insert(
            connection,
            HaltRow,
            run_id=self.run.id,
            instance=self.run.instance,
            strategy=strategy,
            at_ms=self._now_ms(),
            halted=halted,
            reason=reason,
        )
        name = "strategy_halted" if halted else "strategy_resumed"
        self._keep_event(connection, Level.ERROR if halted else Level.INFO, name, f"{strategy}: {reason}")

    def profit_of(self, intent_id: int) -> int:
        """What one intent has earned so far after gas and fees, in wei at the opening marks."""
        with self.read() as connection:
            return self._profit(connection, *self._intent_and_unwound(connection, intent_id)).wei

    def earned_before_gas(self, intent_id: int) -> int:
        """As `profit_of`, without what its gas cost."""
        with self.read() as connection:
            profit = self._profit(connection, *self._intent_and_unwound(connection, intent_id)).wei
            return profit + gas_of_intent(connection, intent_id, self._marks(connection))

    def _book_result(self, connection: Connection, intent_id: int) -> None:
        """Brings the intent's results up to what the books say of it: nothing while it is open."""
        intent, unwound = self._intent_and_unwound(connection, intent_id)
        rows = quick.rows(connection, _RECORDED, {"intent": intent_id})
        standing = {head_s: _Result(profit, gas, loss) for head_s, profit, gas, loss in rows if profit or gas or loss}
        if not is_closed(intent):
            # What is taken back leaves the sliding windows together with what it takes back: it frees nothing later.
            for head_s, result in standing.items():
                self._add_result(connection, intent, head_s, _Result() - result)
            return
        change = self._result_now(connection, intent, unwound)
        for result in standing.values():
            change -= result
        eases = change.loss_wei < 0 or change.gas_wei < 0
        if change != _Result() or not rows:
            self._add_result(connection, intent, min(standing) if eases else self._head_s, change)
        if unwound is not None and is_closed(unwound):
            self._book_result(connection, unwound.id)

    def _result_now(self, connection: Connection, intent: Row[Any], unwound: Row[Any] | None) -> _Result:
        profit = self._profit(connection, intent, unwound)
        for place, token, units in profit.unmarked:
            detail = f"intent {intent.id} moved {units} of {token} at {place}, which has no mark and counts as nothing"
            self._keep_event(connection, Level.ERROR, "unmarked_token", detail)
        gas_wei = gas_of_intent(connection, intent.id, self._marks(connection))
        return _Result(profit.wei, gas_wei, max(0, -profit.wei))

    def _profit(self, connection: Connection, intent: Row[Any], unwound: Row[Any] | None) -> Profit:
        marks = self._marks(connection)
        if unwound is not None:
            return Profit(-gas_of_intent(connection, intent.id, marks))
        unwound_by = self._unwinding(connection, intent.id, intent.digest) if intent.two_sided else ()
        return profit_of_intent(connection, intent.id, marks, unwound_by)

    def _intent_and_unwound(self, connection: Connection, intent_id: int) -> tuple[Row[Any], Row[Any] | None]:
        """An intent, and the one whose chain side it is to take back."""
        (intent,) = quick.rows(connection, _INTENT, {"intent": intent_id})
        if intent.two_sided or intent.atomic:
            return intent, None
        ((document,),) = quick.rows(connection, _DOCUMENT, {"plan": intent.plan_row})
        of = {"instance": intent.instance, "plan": decode_plan(document).unwinds}
        return intent, quick.first(connection, _OF_PLAN, of)

    def _unwinding(self, connection: Connection, intent_id: int, plan_id: str) -> list[int]:
        """What took the chain side of a two-sided intent back, wholly or in part, oldest first."""
        rows = quick.rows(connection, _UNWINDING, {"instance": self.run.instance, "after": intent_id})
        return [row.id for row in rows if decode_plan(row.document).unwinds == plan_id]

    def totals_by(self, connection: Connection, strategy: str) -> tuple[int, int]:
        """`totals`, by what `connection` reads."""
        row = quick.first(connection, _TOTALS, {"instance": self.run.instance, "strategy": strategy})
        return (row.cumulative_wei, row.high_water_wei) if row is not None else (0, 0)

    def _add_result(self, connection: Connection, intent: Row[Any], head_s: int, change: _Result) -> None:
        cumulative, high_water = self.totals_by(connection, intent.strategy)
        cumulative += change.profit_wei
        self._keep_result(
            connection, intent.strategy, intent.id, head_s, change, cumulative, max(high_water, cumulative)
        )

    def _keep_result(
        self,
        connection: Connection,
        strategy: str,
        intent_id: int | None,
        head_s: int,
        change: _Result,
        cumulative_wei: int,
        high_water_wei: int,
    ) -> None:
        self._insert(
            connection,
            ResultRow,
            run_id=self.run.id,
            instance=self.run.instance,
            strategy=strategy,
            intent_id=intent_id,
            at_ms=self._now_ms(),
            head_s=head_s,
            profit_wei=change.profit_wei,
            gas_wei=change.gas_wei,
            loss_wei=change.loss_wei,
            cumulative_wei=cumulative_wei,
            high_water_wei=high_water_wei,
        )


def is_closed(intent: Row[Any]) -> bool:
    """Whether nothing of the intent is in flight on either side any more."""
    if intent.state not in SETTLED:
        return False
    if intent.exposure == Exposure.NONE:
        return not intent.two_sided or intent.mined_as != MinedAs.OK
    return intent.exposure in (Exposure.HEDGED, Exposure.UNWOUND, Exposure.BY_HAND)
