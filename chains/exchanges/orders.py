"""Orders at an exchange and what became of them, exact. Knows no exchange."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from chains.exchanges.books import Side


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """One immediate-or-cancel limit order.

    `symbol` is ccxt's unified symbol; `amount` is base units of the base currency; `limit_price` is quote per base
    in whole units, exact. `client_id` is the caller's, unique per order for ever.
    """

    symbol: str
    side: Side
    amount: int
    limit_price: Decimal
    client_id: str


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of an order. `amount` is base units of base, `cost` of quote before the fee, `fee_units` of its own."""

    trade_id: str
    price: Decimal
    amount: int
    cost: int
    fee_currency: str
    fee_units: int


class OrderStatus(StrEnum):
    """`CANCELLED` ended with less than asked, perhaps with fills. `UNKNOWN` means nobody knows: ask by client id."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What an exchange said of an order. `detail` is one line for a person when it was rejected or is unknown."""

    client_id: str
    symbol: str
    side: Side
    status: OrderStatus
    order_id: str = ""
    fills: tuple[Fill, ...] = ()
    detail: str = ""

    @property
    def filled(self) -> int:
        """Base units of base that were traded, fees not included."""
        return sum(fill.amount for fill in self.fills)

    @property
    def cost(self) -> int:
        """Base units of quote that were traded, fees not included."""
        return sum(fill.cost for fill in self.fills)

    def fee(self, currency: str) -> int:
        """Base units of `currency` charged as fees."""
        return sum(fill.fee_units for fill in self.fills if fill.fee_currency == currency)
