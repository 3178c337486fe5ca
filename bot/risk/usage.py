"""What a strategy has used of its budget, read from the ledger alone, by the time of the head it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, bindparam, func, select, text

from bot.ledger import quick
from bot.ledger.book_models import ResultRow
from bot.ledger.ledger import Ledger
from bot.ledger.models import ASKING, IntentRow
from bot.ledger.states import SETTLED, Exposure, IntentState, MinedAs, is_exposed
from bot.ledger.windows import DAY_S

HOUR_S = 3_600

# Built once: this is read for every plan, and building a statement costs more than running it.
_WITH_RESULTS = (
    select(
        *(IntentRow.id, IntentRow.state, IntentRow.mined_as, IntentRow.exposure),
        *(IntentRow.worst_loss_wei, IntentRow.worst_gas_wei, IntentRow.capital_wei),
        *(ResultRow.head_s, ResultRow.loss_wei, ResultRow.gas_wei),
    )
    .join(ResultRow, ResultRow.intent_id == IntentRow.id, isouter=True)
    .where(IntentRow.instance == bindparam("instance"))
    .order_by(IntentRow.id)
)
# Together they are what holds a reservation or owes a side. Each alone has an index that leads to these few; `coalesce`
# keeps the database from going through all of the strategy instead.
_ASKING = _WITH_RESULTS.where(text(f"({ASKING})"), func.coalesce(IntentRow.strategy, "") == bindparam("strategy"))
_FOREIGN = _WITH_RESULTS.where(
    IntentRow.strategy == bindparam("strategy"),
    IntentRow.state == IntentState.FOREIGN.value,
    IntentRow.exposure != Exposure.OWED.value,
)
_TRADED = select(IntentRow.strategy).where(IntentRow.instance == bindparam("instance")).distinct()
_Unsettled = Row[int, str, str | None, str, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Usage:
    """All wei of ETH. `reserved_*` is the worst case of what is not final, beyond what is booked of it already and
    still counts: the loss within the hour, the gas within the day.

    `capital_wei` is inventory that is out: committed, or one side of a trade whose other side is still to come.
    `hour_loss_wei` and `day_loss_wei` sum losing trades within the sliding window; `gas_day_wei` all gas;
    `drawdown_wei` is the distance below the high-water mark. `in_flight` counts what waits for the chain or for its
    other side, and `largest_wei` is the most that one of these puts at risk. `halted_because` is None while trading is
    allowed.
    """

    capital_wei: int = 0
    reserved_loss_wei: int = 0
    reserved_gas_wei: int = 0
    hour_loss_wei: int = 0
    day_loss_wei: int = 0
    gas_day_wei: int = 0
    drawdown_wei: int = 0
    in_flight: int = 0
    largest_wei: int = 0
    halted_because: str | None = None


_SUMMED = (
    *("capital_wei", "reserved_loss_wei", "reserved_gas_wei"),
    *("hour_loss_wei", "day_loss_wei", "gas_day_wei", "in_flight"),
)


def used_together(usages: Sequence[Usage]) -> Usage:
    """What all strategies have used. Amounts add up; a drawdown does not: that of all is the signer's to count."""
    largest_wei = max((usage.largest_wei for usage in usages), default=0)
    return Usage(**{name: sum(getattr(usage, name) for usage in usages) for name in _SUMMED}, largest_wei=largest_wei)


def read_usage(ledger: Ledger, strategy: str) -> Usage:
    """The usage of `strategy` now: at the ledger's head time. Each part is read again only once it may have changed."""
    # Before what is booked: where another process books between the two, too much counts as used, and not too little.
    reserved = ledger.remembered(
        ("reserved", strategy),
        lambda connection: _reserved(connection, ledger.run.instance, strategy),
        (IntentRow, ResultRow),
    )
    (cumulative, high_water), booked = ledger.booked(strategy)
    hour_s, day_s = ledger.head_s - HOUR_S, ledger.head_s - DAY_S
    return Usage(
        capital_wei=reserved.capital_wei,
        reserved_loss_wei=sum(each.loss_wei(hour_s) for each in reserved.intents),
        reserved_gas_wei=sum(each.gas_wei(day_s) for each in reserved.intents),
        hour_loss_wei=booked.loss_wei(hour_s),
        day_loss_wei=booked.loss_wei(day_s),
        gas_day_wei=booked.gas_wei(day_s),
        drawdown_wei=high_water - cumulative,
        in_flight=reserved.in_flight,
        largest_wei=reserved.largest_wei,
        halted_because=ledger.halted_because(strategy),
    )


def traded(ledger: Ledger) -> tuple[str, ...]:
    """Every strategy that ever reserved anything, in this run or before."""
    with ledger.read() as connection:
        return tuple(sorted(row.strategy for row in quick.rows(connection, _TRADED, {"instance": ledger.run.instance})))


@dataclass(frozen=True, slots=True)
class _Unfinal:
    """An intent, at its worst, with everything that was booked of it: a block that is replaced makes the rest possible
    again, and what was booked too, once no window holds it any more."""

    results: Sequence[_Unsettled]

    def loss_wei(self, since_s: int) -> int:
        """What it can still lose beyond what was booked since then."""
        booked: int = sum(row.loss_wei for row in self.results if row.loss_wei and row.head_s >= since_s)
        worst: int = self.results[0].worst_loss_wei
        return max(0, worst - booked)

    def gas_wei(self, since_s: int) -> int:
        """What it can still burn beyond what was booked since then."""
        booked: int = sum(row.gas_wei for row in self.results if row.gas_wei and row.head_s >= since_s)
        worst: int = self.results[0].worst_gas_wei
        return max(0, worst - booked)


@dataclass(slots=True)
class _Reserved:
    """What intents that are not final, or owe their other side, hold of a budget."""

    intents: list[_Unfinal] = field(default_factory=list)
    capital_wei: int = 0
    in_flight: int = 0
    largest_wei: int = 0

    def add(self, results: Sequence[_Unsettled]) -> None:
        """One intent, with everything that was booked of it."""
        intent = results[0]
        state, exposure = IntentState(intent.state), Exposure(intent.exposure)
        self.intents.append(_Unfinal(results))
        if is_exposed(state, MinedAs(intent.mined_as) if intent.mined_as else None, exposure):
            self.capital_wei += intent.capital_wei
        if state not in SETTLED or exposure is Exposure.OWED:
            self.in_flight += 1
            self.largest_wei = max(self.largest_wei, intent.worst_loss_wei + intent.capital_wei)


def _reserved(connection: Connection, instance: str, strategy: str) -> _Reserved:
    by_intent: dict[int, list[_Unsettled]] = {}
    for which in (_ASKING, _FOREIGN):
        for row in quick.rows(connection, which, {"instance": instance, "strategy": strategy}):
            by_intent.setdefault(row.id, []).append(row)
    reserved = _Reserved()
    for results in by_intent.values():
        reserved.add(results)
    return reserved
