"""Orders and their trades at the local exchange, and how Binance writes them as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chains.exchanges.local.rules import text


class OrderKind(StrEnum):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Status(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


OPEN = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A checked request for an order; numbers in units of 10^-8. `quote_quantity` is only set on market orders."""

    symbol: str
    buy: bool
    kind: OrderKind
    time_in_force: TimeInForce
    price: int
    quantity: int
    quote_quantity: int
    client_id: str


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill, at one price. The commission is in the currency received."""

    id: int
    price: int
    quantity: int
    quote_quantity: int
    commission: int
    commission_asset: str
    time_ms: int
    is_maker: bool


@dataclass(frozen=True, slots=True)
class Order:
    """An accepted order. `locked` is what is still set aside for it, in the currency it spends."""

    id: int
    api_key: str
    new: NewOrder
    quantity: int
    status: Status
    time_ms: int
    updated_ms: int
    locked: int = 0
    trades: tuple[Trade, ...] = ()

    @property
    def executed(self) -> int:
        return sum(trade.quantity for trade in self.trades)

    @property
    def remaining(self) -> int:
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def _common(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.new.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.new.client_id,
        "price": text(order.new.price),
        "origQty": text(order.quantity),
        "executedQty": text(order.executed),
        "origQuoteOrderQty": text(order.new.quote_quantity),
        "cummulativeQuoteQty": text(sum(trade.quote_quantity for trade in order.trades)),
        "status": order.status.value,
        "timeInForce": order.new.time_in_force.value,
        "type": order.new.kind.value,
        "side": "BUY" if order.new.buy else "SELL",
        "workingTime": order.time_ms,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def placed_json(order: Order, response_type: str) -> dict[str, Any]:
    """The answer to `POST /api/v3/order`: ACK, RESULT or FULL."""
    if response_type == "ACK":
        keys = ("symbol", "orderId", "orderListId", "clientOrderId")
        common = _common(order)
        return {**{key: common[key] for key in keys}, "transactTime": order.time_ms}
    result = {**_common(order), "transactTime": order.time_ms}
    if response_type == "RESULT":
        return result
    fills = [
        {
            "price": text(trade.price),
            "qty": text(trade.quantity),
            "commission": text(trade.commission),
            "commissionAsset": trade.commission_asset,
            "tradeId": trade.id,
        }
        for trade in order.trades
    ]
    return {**result, "fills": fills}


def order_json(order: Order) -> dict[str, Any]:
    """The answer to `GET /api/v3/order`, and an entry of the lists of orders."""
    return {
        **_common(order),
        "stopPrice": text(0),
        "icebergQty": text(0),
        "time": order.time_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
    }


def cancelled_json(order: Order, cancel_id: str) -> dict[str, Any]:
    """The answer to `DELETE /api/v3/order`; `cancel_id` names the cancellation."""
    return {
        **_common(order),
        "origClientOrderId": order.new.client_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
    }


def trade_json(order: Order, trade: Trade) -> dict[str, Any]:
    """An entry of `GET /api/v3/myTrades`."""
    return {
        "symbol": order.new.symbol,
        "id": trade.id,
        "orderId": order.id,
        "orderListId": -1,
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "quoteQty": text(trade.quote_quantity),
        "commission": text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time_ms,
        "isBuyer": order.new.buy,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }
