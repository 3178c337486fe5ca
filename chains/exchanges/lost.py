"""Orders whose answer was lost: which of them an exchange says it never took, once it could not take them any more."""

from __future__ import annotations

from chains.exchanges.orders import ExchangeOrder, OrderReport, OrderStatus

OVER_AFTER_S = 600.0
"""So long after an order was sent, an exchange that judges requests by their time, in windows of seconds, takes it no
more, and its records are as new as its trades."""

KNOWN_WHEN_TAKEN = frozenset({"binance", "binanceus", "okx"})
"""Exchanges that refuse a request once its window is over, and find an order by its client id, from when they take it
on, for months."""


class Lost:
    """What was sent to the exchange `ccxt_id`, and never seen there since."""

    def __init__(self, name: str, ccxt_id: str) -> None:
        self._name = name
        self._judges_by_time = ccxt_id in KNOWN_WHEN_TAKEN
        self._orders: dict[str, tuple[ExchangeOrder, int]] = {}

    def note(self, order: ExchangeOrder, now_ns: int) -> None:
        """Nothing of it is on its way to the exchange after `now_ns`; what it did is not known."""
        if self._judges_by_time:
            self._orders[order.client_id] = (order, now_ns)

    def seen(self, client_id: str) -> None:
        """The exchange knows it."""
        self._orders.pop(client_id, None)

    def never_taken(self, client_id: str, asked_ns: int) -> OrderReport | None:
        """The report of an order that the exchange, asked at `asked_ns`, does not know; None while it may still."""
        order, sent_ns = self._orders.get(client_id, (None, 0))
        age_s = (asked_ns - sent_ns) / 1e9
        if order is None or age_s < OVER_AFTER_S:
            return None
        detail = f"{self._name} does not know it {age_s:.0f} s after it was sent: it was never taken"
        return OrderReport(client_id, order.symbol, order.side, OrderStatus.REJECTED, detail=detail)
