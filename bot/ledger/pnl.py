"""Profit and loss in one numeraire, wei of ETH: postings valued at the opening marks, so that drift earns nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select

from bot.gas import ETHER, GasCoin
from bot.ledger import accounts, quick
from bot.ledger.book_models import EntryRow, MarkRow, PostingRow
from bot.ledger.types import exact_sum
from chains.assets import ZERO_ADDRESS

Marks = Mapping[tuple[str, str], Fraction]
"""Wei of ETH per base unit, by (place, token)."""

Movement = tuple[str, str, int]
"""Place, token and units earned (or lost, when negative)."""

_EARNING = or_(*(PostingRow.account.startswith(kind) for kind in (accounts.TRADING, accounts.GAS, accounts.FEES)))

_EARNED = (
    select(EntryRow.strategy, PostingRow.place, PostingRow.token, exact_sum(PostingRow.units))
    .join(PostingRow, PostingRow.entry_id == EntryRow.id)
    .where(_EARNING)
    .group_by(EntryRow.strategy, PostingRow.place, PostingRow.token)
)
_OF_INTENT = EntryRow.intent_id == bindparam("intent")
_EARNED_BY_INTENT = _EARNED.where(_OF_INTENT)
_TRADED_BY_INTENT = _EARNED_BY_INTENT.where(PostingRow.account.startswith(accounts.TRADING))
_GAS_OF_INTENT = (
    select(PostingRow.place, PostingRow.token, exact_sum(PostingRow.units))
    .join(EntryRow, EntryRow.id == PostingRow.entry_id)
    .where(_OF_INTENT, PostingRow.account.startswith(accounts.GAS))
    .group_by(PostingRow.place, PostingRow.token)
)
_COIN = select(MarkRow.numerator, MarkRow.denominator).where(
    MarkRow.run_id == bindparam("run"), MarkRow.place == bindparam("network"), MarkRow.token == ZERO_ADDRESS
)


@dataclass(frozen=True, slots=True)
class Profit:
    """Profit in wei, rounded down once. `unmarked` moved too, and is worth nothing here for want of a mark."""

    wei: int
    unmarked: tuple[Movement, ...] = ()


def marks_of(connection: Connection, run_id: int) -> Marks:
    """The opening prices of a run."""
    columns = (MarkRow.place, MarkRow.token, MarkRow.numerator, MarkRow.denominator)
    rows = connection.execute(select(*columns).where(MarkRow.run_id == run_id)).all()
    return {(place, token): Fraction(numerator, denominator) for place, token, numerator, denominator in rows}


def gas_coin_of(connection: Connection, run_id: int, network: str) -> GasCoin:
    """What the coin of `network` is worth in a run; ETH where the run has no mark of it."""
    row = connection.execute(_COIN, {"run": run_id, "network": network}).one_or_none()
    return ETHER if row is None else GasCoin(Fraction(row.numerator, row.denominator))


def gas_coin_in(marks: Marks, network: str) -> GasCoin:
    """As `gas_coin_of`, from the marks of a run."""
    mark = marks.get((network, ZERO_ADDRESS))
    return ETHER if mark is None else GasCoin(mark)


def has_mark(marks: Marks, place: str, token: str) -> bool:
    """Whether `token` can be valued. The native coin always can: where it has no mark, it is ETH."""
    return token == ZERO_ADDRESS or (place, token) in marks


def valued(movements: Iterable[Movement], marks: Marks) -> Profit:
    """Σ units x mark, exactly, then rounded down to a wei."""
    total = Fraction(0)
    unmarked: list[Movement] = []
    for place, token, units in movements:
        if not units:
            continue
        if has_mark(marks, place, token):
            total += units * marks.get((place, token), Fraction(1))
        else:
            unmarked.append((place, token, units))
    return Profit(math.floor(total), tuple(unmarked))


def net_profit(connection: Connection, run_id: int) -> dict[str, Profit]:
    """Profit per strategy of one run, after gas and fees, open two-sided intents included as they stand."""
    marks = marks_of(connection, run_id)
    movements: dict[str, list[Movement]] = {}
    for strategy, place, token, units in _earned(connection, EntryRow.run_id == run_id):
        movements.setdefault(strategy, []).append((place, token, units))
    return {strategy: valued(moves, marks) for strategy, moves in movements.items()}


def profit_of_intent(connection: Connection, intent_id: int, marks: Marks, unwound_by: Iterable[int] = ()) -> Profit:
    """Everything one intent earned and cost so far, with what others traded that took it back."""
    rows = [*quick.rows(connection, _EARNED_BY_INTENT, {"intent": intent_id})]
    for other in unwound_by:
        rows += quick.rows(connection, _TRADED_BY_INTENT, {"intent": other})
    return valued(((place, token, -units) for _, place, token, units in rows), marks)


def gas_of_intent(connection: Connection, intent_id: int, marks: Marks) -> int:
    """What the gas that one intent paid so far, in blocks that are canonical, cost: wei of ETH, rounded up."""
    paid = quick.rows(connection, _GAS_OF_INTENT, {"intent": intent_id})
    return -valued(((place, token, -units) for place, token, units in paid), marks).wei


def _earned(connection: Connection, which: ColumnElement[bool]) -> list[tuple[str, str, str, int]]:
    """(strategy, place, token, units earned): earnings are a minus in the books, a plus here."""
    grouped = connection.execute(_EARNED.where(which))
    return [(strategy or "", place, token, -units) for strategy, place, token, units in grouped]
