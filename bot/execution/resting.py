"""Exchanges that refused an order: nothing new is begun at them until they take one, or for a while, and as long as
they do not say what is free there."""

from __future__ import annotations

from dataclasses import dataclass

from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from bot.ledger.records import PlacedOrder
from bot.ledger.states import UNCLEAR_ORDERS, OrderState

FIRST_S, MOST_S = 300, 3_600
"""How long an exchange rests, and twice as long each time that it goes on refusing afterwards."""


@dataclass(frozen=True, slots=True)
class _Rest:
    refused: PlacedOrder
    until_s: int
    lasts_s: int
    why: str


class Resting:
    """Which exchanges rest, in seconds of the newest head."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._now_s = 0
        self._rests: dict[str, _Rest] = {}
        self._unsaid: dict[str, str] = {}

    def at_head(self, timestamp_s: int) -> None:
        """A new head is here."""
        self._now_s = timestamp_s

    def heard(self, placed: PlacedOrder, detail: str) -> None:
        """An exchange has said what became of `placed`, or that nobody knows; `detail` says why it refused it."""
        rest = self._rests.get(placed.exchange)
        if placed.state is OrderState.REJECTED:
            self._refused(placed, rest, detail)
        elif rest is not None and placed.state not in UNCLEAR_ORDERS and placed.id > rest.refused.id:
            del self._rests[placed.exchange]
            self.said(placed.exchange)
            self._ledger.record_event(Level.INFO, "exchange_takes_orders", f"{placed.exchange} took {placed.client_id}")

    def unsaid(self, exchange: str, why: str, *, key_refused: bool) -> None:
        """It does not say what is free there, since our key may not trade or for another reason: it would refuse, or
        not hear, whatever is ordered, however long it rests.
        """
        if key_refused and self._unsaid.get(exchange) != why:
            self._ledger.record_event(Level.ERROR, "exchange_rests", f"{why}; it rests until its key may trade")
        self._unsaid[exchange] = why

    def said(self, exchange: str) -> None:
        """It says what is free there."""
        self._unsaid.pop(exchange, None)

    def why(self, exchange: str) -> str | None:
        """Why nothing new is begun there, in one line; None where it may be."""
        if exchange in self._unsaid:
            return self._unsaid[exchange]
        rest = self._rests.get(exchange)
        if rest is None or self._now_s >= rest.until_s:
            return None
        lasts_s = rest.until_s - self._now_s
        return f"{exchange} refused {rest.refused.client_id} ({rest.why}); it rests {lasts_s} s, or until it takes one"

    def _refused(self, placed: PlacedOrder, before: _Rest | None, why: str) -> None:
        goes_on = before is not None and self._now_s < before.until_s
        lasts_s = FIRST_S if before is None else before.lasts_s if goes_on else min(2 * before.lasts_s, MOST_S)
        self._rests[placed.exchange] = _Rest(placed, self._now_s + lasts_s, lasts_s, why)
        if not goes_on:
            self._ledger.record_event(Level.WARNING, "exchange_rests", f"{self.why(placed.exchange)}")
