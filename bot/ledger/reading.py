"""Reading the ledger page by page, newest first, for the dashboard and the command line. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from bot.ledger.book_models import BalanceRow, ResultRow
from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger, as_run
from bot.ledger.models import AttemptRow, EventRow, FillRow, IntentRow, OpportunityRow, PlanRow, RefusalRow, RunRow
from bot.ledger.orders import BY_HAND
from bot.ledger.records import Account, Run
from bot.ledger.results import is_closed
from bot.ledger.states import SETTLED
from bot.ledger.types import exact_sum

PAGE = 50
MOST_POINTS = 10_000
"""Who draws them draws fewer, and a million of them take seconds of the processor and hundreds of megabytes."""

# Built once: a statement leaves cycles behind, and the dashboard asks for these on every head. `coalesce` keeps the
# database from going through all rows of the instance instead of the newest ones.
_POINTS_WANTED = (
    ResultRow.id > bindparam("after"),
    func.coalesce(ResultRow.instance, "") == bindparam("instance"),
    ResultRow.strategy.in_(bindparam("strategies", expanding=True)),
)
_ENDS = select(func.min(ResultRow.id), func.max(ResultRow.id)).where(*_POINTS_WANTED).group_by(ResultRow.strategy)
_POINTS = (
    select(ResultRow.strategy, ResultRow.id, ResultRow.at_ms, ResultRow.head_s, ResultRow.cumulative_wei)
    .where(
        *_POINTS_WANTED,
        or_(
            ResultRow.id > bindparam("newer_than"),
            ResultRow.id % bindparam("each") == 0,
            ResultRow.id.in_(bindparam("ends", expanding=True)),
        ),
    )
    .order_by(ResultRow.id)
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan and what became of it. `id` is the cursor for the next page.

    `status` is an intent's state, `refused`, or `decided` while neither; `reason` is the refusal's code and `detail`
    its line. `tx_hash` is of the transaction that a block holds, or else of the newest signed. `profit_wei` is what it
    came to, None until it is closed.
    """

    id: int
    plan_id: str
    strategy: str
    at_ms: int
    block_number: int
    expected_profit_wei: int
    note: str
    status: str
    reason: str | None
    detail: str | None
    intent_id: int | None
    mined_as: str | None
    exposure: str | None
    tx_hash: str | None
    profit_wei: int | None


@dataclass(frozen=True, slots=True)
class RefusedPlan:
    """A refusal, of a plan or of something that never became one."""

    id: int
    strategy: str
    at_ms: int
    block_number: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class SeenOpportunity:
    """An opportunity as it was recorded."""

    id: int
    strategy: str
    at_ms: int
    block_number: int
    route: str
    expected_profit_wei: int


@dataclass(frozen=True, slots=True)
class SignedAt:
    """The newest transaction of a sender. `since_s`: when the first was signed, in seconds since the epoch."""

    tx_hash: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Event:
    """A named happening."""

    id: int
    at_ms: int
    block_number: int
    level: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Fill:
    """What happened to a leg; `undone` when its block is no longer canonical, or the exchange knows better than the
    person who told of it.
    """

    id: int
    intent_id: int
    venue: str
    trade_id: str
    token_in: str
    amount_in: int
    token_out: str
    amount_out: int
    fee_token: str | None
    fee_units: int
    undone: bool
    at_ms: int

    @property
    def undone_by(self) -> str | None:
        """What took it back, in words; None while it stands."""
        if not self.undone:
            return None
        return "what the exchange answered" if BY_HAND in self.trade_id else "a reorganisation"


@dataclass(frozen=True, slots=True)
class ProfitPoint:
    """A strategy's profit in wei after one more result. Each result is rounded down to a wei by itself.

    `id` orders results, and is the cursor of what follows: `at_ms` may go back with the machine's clock.
    """

    id: int
    at_ms: int
    head_s: int
    cumulative_wei: int


def runs(ledger: Ledger, limit: int = PAGE) -> tuple[Run, ...]:
    """The latest runs of any instance, newest first."""
    with ledger.read() as connection:
        rows = connection.execute(select(RunRow.__table__).order_by(RunRow.id.desc()).limit(limit))
        return tuple(as_run(row) for row in rows)


def newest_signed(ledger: Ledger, instance: str, senders: Collection[str]) -> list[SignedAt]:
    """The newest transaction of each of `senders` in the world `instance`."""
    of = (IntentRow.instance == instance, IntentRow.sender.in_(senders))
    newest, first = func.max(AttemptRow.id).label("newest"), func.min(AttemptRow.signed_ms).label("first_ms")
    by_sender = select(newest, first).join(IntentRow).where(*of).group_by(IntentRow.sender).subquery()
    wanted = select(AttemptRow.tx_hash, by_sender.c.first_ms).join(by_sender, AttemptRow.id == by_sender.c.newest)
    with ledger.read() as connection:
        return [SignedAt(row.tx_hash, row.first_ms / 1000) for row in connection.execute(wanted)]


def has_past(ledger: Ledger) -> bool:
    """Whether an earlier run of the ledger's instance is in it."""
    run = ledger.run
    earlier = select(RunRow.id).where(RunRow.instance == run.instance, RunRow.id < run.id).limit(1)
    with ledger.read() as connection:
        return connection.execute(earlier).first() is not None


def decisions(
    ledger: Ledger, limit: int = PAGE, before: int | None = None, strategy: str | None = None
) -> tuple[Decision, ...]:
    """The plans of this run, newest first, with what became of each."""
    page = _decisions(PlanRow.run_id == ledger.run.id, *_page(PlanRow.id, before)).limit(limit)
    if strategy is not None:
        page = page.where(PlanRow.strategy == strategy)
    return _read_decisions(ledger, page)


def decisions_of(ledger: Ledger, plans: Collection[int], intents: Collection[int]) -> tuple[Decision, ...]:
    """The decisions of this run with one of these ids, or one of these intents; newest first."""
    of_intents = select(IntentRow.plan_row).where(IntentRow.id.in_(intents))
    # One list of ids: for two of them with an `or` between, a server goes through all plans.
    which = PlanRow.id.in_(select(PlanRow.id).where(PlanRow.id.in_(plans)).union(of_intents))
    # `coalesce` keeps the database from going through all plans of the run instead of these few.
    return _read_decisions(ledger, _decisions(func.coalesce(PlanRow.run_id, 0) == ledger.run.id, which))


def _decisions(*which: ColumnElement[bool]) -> Select[Any]:
    last_refusal = (
        select(func.max(RefusalRow.id)).where(RefusalRow.plan_row == PlanRow.id).correlate(PlanRow).scalar_subquery()
    )
    # The transaction that a block holds, where an earlier one than the newest came in.
    shown_attempt = (
        select(AttemptRow.id)
        .where(AttemptRow.intent_id == IntentRow.id)
        .correlate(IntentRow)
        .order_by(case((AttemptRow.state.in_([state.value for state in SETTLED]), 0), else_=1), AttemptRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    came_to = (
        select(exact_sum(ResultRow.profit_wei))
        .where(ResultRow.intent_id == IntentRow.id)
        .correlate(IntentRow)
        .scalar_subquery()
    )
    results = (
        select(func.count(ResultRow.id))
        .where(ResultRow.intent_id == IntentRow.id)
        .correlate(IntentRow)
        .scalar_subquery()
    )
    return (
        select(
            PlanRow.__table__,
            RefusalRow.reason,
            RefusalRow.detail,
            IntentRow.id.label("intent_id"),
            IntentRow.state,
            IntentRow.mined_as,
            IntentRow.exposure,
            IntentRow.two_sided,
            IntentRow.released_because,
            AttemptRow.tx_hash,
            came_to.label("profit_wei"),
            results.label("results"),
        )
        .outerjoin(IntentRow, IntentRow.plan_row == PlanRow.id)
        .outerjoin(RefusalRow, RefusalRow.id == last_refusal)
        .outerjoin(AttemptRow, AttemptRow.id == shown_attempt)
        .where(*which)
        .order_by(PlanRow.id.desc())
    )


def _read_decisions(ledger: Ledger, wanted: Select[Any]) -> tuple[Decision, ...]:
    with ledger.read() as connection:
        return tuple(
            Decision(
                id=row.id,
                plan_id=row.digest,
                strategy=row.strategy,
                at_ms=row.at_ms,
                block_number=row.block_number,
                expected_profit_wei=row.expected_profit_wei,
                note=row.note,
                status=row.state or ("refused" if row.reason else "decided"),
                reason=row.reason,
                detail=row.detail or row.released_because,
                intent_id=row.intent_id,
                mined_as=row.mined_as,
                exposure=row.exposure,
                tx_hash=row.tx_hash,
                profit_wei=row.profit_wei if row.results and is_closed(row) else None,
            )
            for row in connection.execute(wanted)
        )


def refusals(ledger: Ledger, limit: int = PAGE, before: int | None = None) -> tuple[RefusedPlan, ...]:
    """The refusals of this run, newest first."""
    columns = (
        RefusalRow.id,
        RefusalRow.strategy,
        RefusalRow.at_ms,
        RefusalRow.block_number,
        RefusalRow.reason,
        RefusalRow.detail,
    )
    page = select(*columns).where(RefusalRow.run_id == ledger.run.id, *_page(RefusalRow.id, before))
    with ledger.read() as connection:
        return tuple(
            RefusedPlan(**row._mapping) for row in connection.execute(page.order_by(RefusalRow.id.desc()).limit(limit))
        )


def opportunities(ledger: Ledger, limit: int = PAGE, before: int | None = None) -> tuple[SeenOpportunity, ...]:
    """The opportunities of this run, newest first."""
    columns = (
        OpportunityRow.id,
        OpportunityRow.strategy,
        OpportunityRow.at_ms,
        OpportunityRow.block_number,
        OpportunityRow.route,
        OpportunityRow.expected_profit_wei,
    )
    page = select(*columns).where(OpportunityRow.run_id == ledger.run.id, *_page(OpportunityRow.id, before))
    with ledger.read() as connection:
        rows = connection.execute(page.order_by(OpportunityRow.id.desc()).limit(limit))
        return tuple(SeenOpportunity(**row._mapping) for row in rows)


_EVENT = (
    EventRow.id,
    EventRow.at_ms,
    EventRow.block_number,
    EventRow.level,
    EventRow.name,
    EventRow.detail,
)


def events(ledger: Ledger, limit: int = PAGE, before: int | None = None) -> tuple[Event, ...]:
    """The events of this run, newest first."""
    page = select(*_EVENT).where(EventRow.run_id == ledger.run.id, *_page(EventRow.id, before))
    with ledger.read() as connection:
        return tuple(
            Event(**row._mapping) for row in connection.execute(page.order_by(EventRow.id.desc()).limit(limit))
        )


def notable_events(ledger: Ledger, after: int = 0, limit: int = PAGE) -> tuple[int, tuple[Event, ...]]:
    """The newest warnings and errors of this run with an id above `after`, newest first, and the id it read up to."""
    newest = select(func.max(EventRow.id)).where(EventRow.run_id == ledger.run.id)
    with ledger.read() as connection:
        upto = connection.execute(newest).scalar_one() or 0
        added = select(*_EVENT).where(
            EventRow.run_id == ledger.run.id,
            EventRow.id > after,
            EventRow.id <= upto,
            EventRow.level != Level.INFO.value,
        )
        rows = connection.execute(added.order_by(EventRow.id.desc()).limit(limit))
        return upto, tuple(Event(**row._mapping) for row in rows)


def fills(ledger: Ledger, intent_id: int) -> tuple[Fill, ...]:
    """What really happened to the legs of an intent, oldest first."""
    columns = (
        FillRow.id,
        FillRow.intent_id,
        FillRow.venue,
        FillRow.trade_id,
        FillRow.token_in,
        FillRow.amount_in,
        FillRow.token_out,
        FillRow.amount_out,
        FillRow.fee_token,
        FillRow.fee_units,
        FillRow.undone,
        FillRow.at_ms,
    )
    with ledger.read() as connection:
        rows = connection.execute(select(*columns).where(FillRow.intent_id == intent_id).order_by(FillRow.id))
        return tuple(Fill(**row._mapping) for row in rows)


def observed_balances(ledger: Ledger) -> dict[Account, int]:
    """What the chain and the exchanges last said that each account of this run holds, in base units."""
    columns = (BalanceRow.place, BalanceRow.owner, BalanceRow.token, BalanceRow.units)
    oldest_first = select(*columns).where(BalanceRow.run_id == ledger.run.id).order_by(BalanceRow.id)
    with ledger.read() as connection:
        rows = connection.execute(oldest_first).all()
    return {Account(place, owner, token): units for place, owner, token, units in rows}


def profit_series(ledger: Ledger, strategies: Collection[str], after: int = 0) -> dict[str, list[ProfitPoint]]:
    """Each strategy's cumulative profit over time in this instance, oldest first: the points with an id above `after`.

    Of many, the newest, each strategy's first and last, and of the others some. All as of one moment: who asks again
    after the greatest id misses none.
    """
    wanted = {"after": after, "instance": ledger.run.instance, "strategies": list(strategies)}
    found: dict[str, list[ProfitPoint]] = {strategy: [] for strategy in strategies}
    with ledger.read() as connection:
        firsts_and_lasts = [id_ for both in connection.execute(_ENDS, wanted) for id_ in both]
        newest = max(firsts_and_lasts, default=0)
        some = {
            "newer_than": newest - MOST_POINTS,
            "each": (newest - after) // MOST_POINTS + 1,
            "ends": firsts_and_lasts,
        }
        for strategy, *point in connection.execute(_POINTS, wanted | some):
            found[strategy].append(ProfitPoint(*point))
    return found


def _page(cursor: InstrumentedAttribute[int], before: int | None) -> tuple[ColumnElement[bool], ...]:
    return () if before is None else (cursor < before,)
