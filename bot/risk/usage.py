"""What a strategy has used of its budget, read from the ledger alone, by the time of the head it stands on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, func, or_, select

from bot.ledger.book_models import ResultRow
from bot.ledger.ledger import Ledger
from bot.ledger.models import IntentRow
from bot.ledger.states import IN_FLIGHT, Exposure
from bot.ledger.types import exact_sum

HOUR_S = 3_600
DAY_S = 86_400

# Built once: this is read for every plan, and building a statement costs more than running it.
_RESERVED = select(
    exact_sum(IntentRow.worst_loss_wei),
    exact_sum(IntentRow.worst_gas_wei),
    exact_sum(IntentRow.capital_wei),
    func.count(IntentRow.id),
).where(
    IntentRow.instance == bindparam("instance"),
    IntentRow.strategy == bindparam("strategy"),
    or_(
        IntentRow.state.in_([state.value for state in IN_FLIGHT]),
        IntentRow.exposure == Exposure.OWED.value,
    ),
)
_BOOKED = select(
    exact_sum(case((ResultRow.head_s >= bindparam("hour"), ResultRow.loss_wei))),
    exact_sum(ResultRow.loss_wei),
    exact_sum(ResultRow.gas_wei),
).where(
    ResultRow.instance == bindparam("instance"),
    ResultRow.strategy == bindparam("strategy"),
    ResultRow.head_s >= bindparam("day"),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """All wei of ETH. `reserved_*` is the worst case of what is in flight; the others are booked.

    `hour_loss_wei` and `day_loss_wei` sum losing trades within the sliding window; `gas_day_wei` all gas;
    `drawdown_wei` is the distance below the high-water mark. `halted_because` is None while trading is allowed.
    """

    capital_wei: int = 0
    reserved_loss_wei: int = 0
    reserved_gas_wei: int = 0
    hour_loss_wei: int = 0
    day_loss_wei: int = 0
    gas_day_wei: int = 0
    drawdown_wei: int = 0
    in_flight: int = 0
    halted_because: str | None = None


def read_usage(ledger: Ledger, strategy: str) -> Usage:
    """The usage of `strategy` now: at the ledger's head time."""
    now_s = ledger.head_s
    instance = ledger.run.instance
    halted_because = ledger.halted_because(strategy)
    cumulative, high_water = ledger.totals(strategy)
    with ledger.read() as connection:
        loss, gas, capital, count = _reserved(connection, instance, strategy)
        hour_loss, day_loss, gas_day = _booked(connection, instance, strategy, now_s)
        return Usage(
            capital_wei=capital,
            reserved_loss_wei=loss,
            reserved_gas_wei=gas,
            hour_loss_wei=hour_loss,
            day_loss_wei=day_loss,
            gas_day_wei=gas_day,
            drawdown_wei=high_water - cumulative,
            in_flight=count,
            halted_because=halted_because,
        )


def _reserved(connection: Connection, instance: str, strategy: str) -> tuple[int, int, int, int]:
    wanted = {"instance": instance, "strategy": strategy}
    loss, gas, capital, count = connection.execute(_RESERVED, wanted).one()
    return loss or 0, gas or 0, capital or 0, count


def _booked(connection: Connection, instance: str, strategy: str, now_s: int) -> tuple[int, int, int]:
    wanted = {"instance": instance, "strategy": strategy, "hour": now_s - HOUR_S, "day": now_s - DAY_S}
    hour_loss, day_loss, gas_day = connection.execute(_BOOKED, wanted).one()
    return hour_loss or 0, day_loss or 0, gas_day or 0
