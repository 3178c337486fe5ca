"""What a run came to: the figures its last line of JSON reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select

from bot.ledger.ledger import Ledger
from bot.ledger.models import AttemptRow, IntentRow, RefusalRow, TimingRow
from bot.ledger.pnl import Movement, net_profit
from bot.ledger.states import MAY_HAVE_LEFT, Exposure, IntentState, MinedAs

SIGNED_STAGE = "signed"
"""The stage of `record_timings` that ends the stretch from head to signature."""

_LANDED: ColumnElement[bool] = and_(
    IntentRow.state.in_((IntentState.MINED.value, IntentState.FINAL.value)), IntentRow.mined_as == MinedAs.OK.value
)
_COUNTED = (IntentRow, AttemptRow, RefusalRow, TimingRow)
_SETTLED: ColumnElement[bool] = and_(
    _LANDED, or_(IntentRow.two_sided.is_(False), IntentRow.exposure == Exposure.HEDGED.value)
)
_HALF_DONE: ColumnElement[bool] = and_(_LANDED, IntentRow.exposure == Exposure.OWED.value)


def _ranked() -> Select[int]:
    rank = func.row_number().over(order_by=TimingRow.elapsed_ns).label("rank")
    stages = (
        select(TimingRow.elapsed_ns, rank, func.count().over().label("of"))
        .join(IntentRow, IntentRow.id == TimingRow.intent_id)
        .where(IntentRow.run_id == bindparam("run"), TimingRow.stage == SIGNED_STAGE)
        .subquery()
    )
    wanted = [(stages.c.of * percent + 99) // 100 for percent in (50, 99)]
    return select(stages.c.elapsed_ns).where(stages.c.rank.in_(wanted)).order_by(stages.c.rank)


# Built once: a subquery is a cycle, and the dashboard asks on every head.
_HEAD_TO_SIGNED = _ranked()


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, to the microsecond, by nearest rank; None when nothing was signed."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Counts and profits of one run, per strategy where it says so.

    An atomic intent settles when its transaction succeeds; a two-sided one when its hedge is done too.
    `net_profit_wei` is after gas and fees, at opening marks, with the chain sides of those that are `half_done` as if
    they could be had at these. `unmarked` moved without having a mark.
    """

    settled: dict[str, int]
    net_profit_wei: dict[str, int]
    sent: int
    reverted: int
    refused: dict[str, int]
    first_settled_s: float | None
    head_to_signed_ms: Latency
    unmarked: tuple[Movement, ...]
    stages_ms: dict[str, Latency] = field(default_factory=dict)
    """From a head's arrival to each stage of what was decided on it, which `bot.execution.stages.Stage` names."""
    cancelled: int = 0
    """Of those sent, how many gave way to a NOOP with their nonce."""
    half_done: dict[str, int] = field(default_factory=dict)
    """Intents of which only the chain side is done: they owe the other one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How often what happened in one run: the part of its summary that costs little to ask for again and again."""

    settled: dict[str, int]
    sent: int
    reverted: int
    refused: dict[str, int]
    head_to_signed_ms: Latency


def counts(ledger: Ledger) -> Counts:
    """The counts of the ledger's run so far."""
    run_id = ledger.run.id
    return ledger.remembered("counts", lambda connection: _counts(connection, run_id), _COUNTED)


def summarise(ledger: Ledger, strategies: Iterable[str] = ()) -> RunSummary:
    """The summary of the ledger's run so far. `strategies` are listed even when they did nothing."""
    run = ledger.run
    zero = dict.fromkeys(strategies, 0)
    with ledger.read() as connection:
        profits = net_profit(connection, run.id)
        first_ms = connection.execute(
            select(func.min(IntentRow.settled_ms)).where(IntentRow.run_id == run.id, _SETTLED)
        ).scalar_one()
        counted = _counts(connection, run.id)
        return RunSummary(
            settled=zero | counted.settled,
            net_profit_wei=zero | {strategy: profit.wei for strategy, profit in profits.items()},
            sent=counted.sent,
            reverted=counted.reverted,
            refused=counted.refused,
            first_settled_s=None if first_ms is None else (first_ms - run.started_ms) / 1000,
            head_to_signed_ms=counted.head_to_signed_ms,
            unmarked=tuple(movement for profit in profits.values() for movement in profit.unmarked),
            stages_ms=_stages(connection, run.id),
            cancelled=_mined(connection, run.id, MinedAs.NOOP),
            half_done=_of_each(connection, run.id, _HALF_DONE),
        )


def _counts(connection: Connection, run_id: int) -> Counts:
    return Counts(
        settled=_of_each(connection, run_id, _SETTLED),
        sent=_sent(connection, run_id),
        reverted=_mined(connection, run_id, MinedAs.REVERTED),
        refused=_refused(connection, run_id),
        head_to_signed_ms=_head_to_signed(connection, run_id),
    )


def _of_each(connection: Connection, run_id: int, which: ColumnElement[bool]) -> dict[str, int]:
    """How many intents there are, by strategy."""
    counts = (
        select(IntentRow.strategy, func.count(IntentRow.id).label("intents"))
        .where(IntentRow.run_id == run_id, which)
        .group_by(IntentRow.strategy)
    )
    return {row.strategy: row.intents for row in connection.execute(counts)}


def _sent(connection: Connection, run_id: int) -> int:
    """Plans that may have left, each once, however often it was outbid or cancelled."""
    sent = (
        select(func.count(AttemptRow.intent_id.distinct()))
        .join(IntentRow, IntentRow.id == AttemptRow.intent_id)
        .where(IntentRow.run_id == run_id, AttemptRow.state.in_([state.value for state in MAY_HAVE_LEFT]))
    )
    return connection.execute(sent).scalar_one()


def _mined(connection: Connection, run_id: int, as_: MinedAs) -> int:
    mined = select(func.count(IntentRow.id)).where(IntentRow.run_id == run_id, IntentRow.mined_as == as_.value)
    return connection.execute(mined).scalar_one()


def _refused(connection: Connection, run_id: int) -> dict[str, int]:
    counts = (
        select(RefusalRow.reason, func.count(RefusalRow.id).label("refusals"))
        .where(RefusalRow.run_id == run_id)
        .group_by(RefusalRow.reason)
        .order_by(RefusalRow.reason)
    )
    return {row.reason: row.refusals for row in connection.execute(counts)}


def _head_to_signed(connection: Connection, run_id: int) -> Latency:
    """The database ranks them: after a day there are a hundred thousand, and only two are wanted."""
    elapsed_ns = connection.execute(_HEAD_TO_SIGNED, {"run": run_id}).scalars().all()
    return Latency(_ms(elapsed_ns[0]), _ms(elapsed_ns[-1])) if elapsed_ns else Latency(None, None)


def _stages(connection: Connection, run_id: int) -> dict[str, Latency]:
    rows = connection.execute(
        select(TimingRow.stage, TimingRow.elapsed_ns)
        .join(IntentRow, IntentRow.id == TimingRow.intent_id)
        .where(IntentRow.run_id == run_id)
        .order_by(TimingRow.elapsed_ns)
    )
    elapsed: dict[str, list[int]] = {}
    for row in rows:
        elapsed.setdefault(row.stage, []).append(row.elapsed_ns)
    return {stage: Latency(percentile_ms(each, 50), percentile_ms(each, 99)) for stage, each in elapsed.items()}


def percentile_ms(ordered_ns: Sequence[int], percent: int) -> float | None:
    """The nearest-rank percentile of nanoseconds in rising order, in milliseconds; None of nothing."""
    if not ordered_ns:
        return None
    rank = -(-len(ordered_ns) * percent // 100)
    return _ms(ordered_ns[rank - 1])


def _ms(elapsed_ns: int) -> float:
    return round(elapsed_ns / 1e6, 3)
