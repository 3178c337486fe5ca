"""Exchanges that speak as OKX, Bybit, Gate and Kraken do, by the examples of their documentation: one symbol,
and orders that fill half of what they ask for and are over.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from chains.exchanges.adapter import Exchange

ETH = "ETH/USDT"


class Wire:
    """An exchange account over HTTP; `resting` are the client ids of orders that are open yet, `headers` the last ones
    that were heard.
    """

    ccxt_id: str
    order_id = "312269865356374016"

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}
        self.resting: set[str] = set()
        self._orders: dict[str, Mapping[str, Any]] = {}

    def urls(self, url: str) -> Mapping[str, Any]:
        """ccxt's `urls` for it at `url`."""
        raise NotImplementedError

    def answer(self, asked: str, query: Mapping[str, str], body: Any) -> Any:
        """The JSON for `asked`, a method and a path; None where there is nothing of that name."""
        raise NotImplementedError

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.headers = request.headers
        body = json.loads(text) if text.startswith(("{", "[")) else dict(parse_qsl(text))
        said = self.answer(f"{request.method} {request.path}", request.query, body)
        return said if isinstance(said, web.Response) else web.json_response(said)


class Okx(Wire):
    ccxt_id = "okx"

    def urls(self, url: str) -> Mapping[str, Any]:
        return {"api": {"rest": url}}

    def answer(self, asked: str, query: Mapping[str, str], body: Any) -> Any:
        match asked.replace("/api/v5/", ""):
            case "GET public/time":
                return _okx([{"ts": _now_ms()}])
            case "GET public/instruments" if query["instType"] == "SPOT":
                return _okx([_OKX_ETH])
            case "GET account/trade-fee":
                return _okx([{"instType": "SPOT", "level": "Lv1", "maker": "-0.0008", "taker": "-0.001", "ts": "1"}])
            case "POST trade/batch-orders":
                (order,) = body
                if order["clOrdId"] in self._orders:
                    refused = {"clOrdId": order["clOrdId"], "ordId": "", "sCode": "51016"}
                    return {"code": "1", "msg": "", "data": [{**refused, "sMsg": "Client order ID already exists."}]}
                self._orders[order["clOrdId"]] = order
                return _okx(
                    [{"clOrdId": order["clOrdId"], "ordId": self.order_id, "sCode": "0", "sMsg": "", "ts": "1"}]
                )
            case "GET trade/order" if query["clOrdId"] not in self._orders:
                return {"code": "51603", "msg": "Order does not exist", "data": []}
            case "GET trade/order":
                return _okx([self._order(query["clOrdId"])])
            case "GET trade/fills-history":
                return _okx([self._fill("1", "0.2"), self._fill("2", "0.3")])
            case "POST trade/cancel-order":
                self.resting.clear()
                return _okx([{"clOrdId": "", "ordId": body["ordId"], "sCode": "0", "sMsg": ""}])
        return _okx([])

    def _order(self, client_id: str) -> Mapping[str, Any]:
        order = self._orders[client_id]
        state = "partially_filled" if client_id in self.resting else "canceled"
        filled = {"accFillSz": "0.5", "avgPx": "2000", "fee": "-0.0005", "feeCcy": "ETH", "state": state}
        ids = {"clOrdId": client_id, "ordId": self.order_id, "instId": "ETH-USDT", "instType": "SPOT", "cTime": "1"}
        return {**ids, **filled, "ordType": "ioc", "px": order["px"], "side": order["side"], "sz": order["sz"]}

    def _fill(self, trade_id: str, size: str) -> Mapping[str, Any]:
        fee = f"-{Decimal(size) / 1000}"
        ids = {"tradeId": trade_id, "billId": trade_id, "ordId": self.order_id, "instId": "ETH-USDT", "ts": "1"}
        return {**ids, "instType": "SPOT", "side": "buy", "fillPx": "2000", "fillSz": size, "fee": fee, "feeCcy": "ETH"}


class Bybit(Wire):
    ccxt_id = "bybit"

    def urls(self, url: str) -> Mapping[str, Any]:
        return {"api": dict.fromkeys(("spot", "futures", "v2", "public", "private"), url)}

    def answer(self, asked: str, query: Mapping[str, str], body: Any) -> Any:
        match asked.replace("/v5/", ""):
            case "GET market/time":
                return _bybit({"timeSecond": "1", "timeNano": str(time.time_ns())})
            case "GET market/instruments-info" if query["category"] == "spot":
                return _bybit({"category": "spot", "list": [_BYBIT_ETH]})
            case "GET user/query-api":
                return _bybit({"permissions": {"Spot": ["SpotTrade"]}, "unified": 0, "uta": 1})
            case "GET account/info":
                return _bybit({"unifiedMarginStatus": 5})
            case "GET account/fee-rate":
                return _bybit({"list": [{"symbol": "ETHUSDT", "takerFeeRate": "0.001", "makerFeeRate": "0.001"}]})
            case "POST order/create":
                self._orders[body["orderLinkId"]] = body
                return _bybit({"orderId": self.order_id, "orderLinkId": body["orderLinkId"]})
            case "GET order/realtime" | "GET order/history":
                here = query["orderLinkId"] in self._orders
                here &= (query["orderLinkId"] in self.resting) == asked.endswith("realtime")
                return _bybit({"category": "spot", "list": [self._order(query["orderLinkId"])] if here else []})
            case "GET execution/list":
                return _bybit({"category": "spot", "list": [self._fill("1", "0.2"), self._fill("2", "0.3")]})
            case "POST order/cancel" if body.get("orderId") == self.order_id:
                self.resting.clear()
                return _bybit({"orderId": self.order_id, "orderLinkId": ""})
            case "POST order/cancel":
                return {"retCode": 10001, "retMsg": "params error", "result": {}, "time": 1}
        return _bybit({"category": query.get("category"), "list": [], "rows": [], "nextPageCursor": ""})

    def _order(self, client_id: str) -> Mapping[str, Any]:
        order, status = self._orders[client_id], "PartiallyFilledCanceled"
        status = "PartiallyFilled" if client_id in self.resting else status
        ids = {"symbol": "ETHUSDT", "orderLinkId": client_id, "orderId": self.order_id, "createdTime": "1672217748287"}
        filled = {"orderStatus": status, "avgPrice": "2000", "cumExecQty": "0.5", "cumExecValue": "1000"}
        asked = {
            "price": order["price"],
            "qty": order["qty"],
            "side": "Buy",
            "orderType": "Limit",
            "timeInForce": "IOC",
        }
        return {**ids, **filled, **asked, "cumExecFee": "0.0005"}

    def _fill(self, trade_id: str, size: str) -> Mapping[str, Any]:
        fee, value = str(Decimal(size) / 1000), str(Decimal(size) * 2000)
        ids = {"symbol": "ETHUSDT", "execId": trade_id, "orderId": self.order_id, "execTime": "1672282722429"}
        money = {"execPrice": "2000", "execQty": size, "execValue": value, "execFee": fee, "feeCurrency": "ETH"}
        return {**ids, **money, "side": "Buy", "execType": "Trade", "isMaker": False, "feeRate": "0.001"}


class Gate(Wire):
    """Says of an order that ends just before it is cancelled what Gate says."""

    ccxt_id = "gate"
    too_late = False

    def urls(self, url: str) -> Mapping[str, Any]:
        rooms = ("wallet", "futures", "margin", "delivery", "spot", "options", "account", "unified")
        return {"api": {whose: dict.fromkeys(rooms, url) for whose in ("public", "private")}}

    def answer(self, asked: str, query: Mapping[str, str], body: Any) -> Any:
        match asked.replace(" /", " "):
            case "GET spot/time":
                return {"server_time": int(_now_ms())}
            case "GET account/detail":
                return {"user_id": 1, "tier": 2}
            case "GET spot/currency_pairs":
                return [_GATE_ETH]
            case "GET wallet/fee":
                return {"user_id": 1, "taker_fee": "0.001", "maker_fee": "0.001", "gt_taker_fee": "0.001"}
            case "POST spot/orders":
                self._orders[body["text"]] = body
                return self._order(body["text"])
            case "GET spot/my_trades":
                return [self._fill("1", "0.2"), self._fill("2", "0.3")]
            case one if one.startswith("GET spot/orders/") and (text := one.rpartition("/")[2]) in self._orders:
                return self._order(text)
            case one if one == f"DELETE spot/orders/{self.order_id}":
                self.resting.clear()
                if self.too_late:
                    return web.json_response({"label": "ORDER_CLOSED", "message": "Order closed"}, status=400)
                return self._order(next(iter(self._orders)))
            case one if one.startswith(("GET spot/orders/", "DELETE spot/orders/")):
                return web.json_response({"label": "ORDER_NOT_FOUND", "message": "Order not found"}, status=404)
        return []

    def _order(self, text: str) -> Mapping[str, Any]:
        order = self._orders[text]
        ids = {"id": self.order_id, "text": text, "currency_pair": "ETH_USDT", "create_time": "1", "update_time": "1"}
        asked = {name: order[name] for name in ("side", "type", "amount", "price", "time_in_force")}
        filled = {"status": "open" if self.resting else "cancelled", "left": "0.5", "filled_total": "1000"}
        return {**ids, **asked, **filled, "fee": "0.0005", "fee_currency": "ETH", "gt_fee": "0", "point_fee": "0"}

    def _fill(self, trade_id: str, size: str) -> Mapping[str, Any]:
        ids = {"id": trade_id, "order_id": self.order_id, "currency_pair": "ETH_USDT", "create_time_ms": "1.1"}
        money = {"amount": size, "price": "2000", "fee": str(Decimal(size) / 1000), "fee_currency": "ETH"}
        return {**ids, **money, "side": "buy", "role": "taker", "gt_fee": "0", "point_fee": "0"}


class Kraken(Wire):
    """Takes client ids of at most 18 characters."""

    ccxt_id = "kraken"

    def urls(self, url: str) -> Mapping[str, Any]:
        return {"api": {"public": url, "private": url}}

    def answer(self, asked: str, query: Mapping[str, str], body: Any) -> Any:
        match asked.replace("/0/", ""):
            case "GET public/Time":
                return _kraken({"unixtime": time.time_ns() // 10**9, "rfc1123": ""})
            case "GET public/AssetPairs":
                return _kraken({"XETHZUSDT": _KRAKEN_ETH})
            case "POST private/TradeVolume":
                return _kraken({"currency": "ZUSD", "volume": "0", "fees": {"XETHZUSDT": {"fee": "0.1000"}}})
            case "POST private/AddOrder" if len(body["cl_ord_id"]) > 18 or body["oflags"] != "fciq":
                return {"error": ["EGeneral:Invalid arguments"]}
            case "POST private/AddOrder":
                self._orders[body["cl_ord_id"]] = body
                told = f"buy {body['volume']} ETHUSDT @ limit {body['price']}"
                return _kraken({"descr": {"order": told}, "txid": [self.order_id]})
            case "POST private/OpenOrders":
                return _kraken({"open": self._listed(body, resting=True)})
            case "POST private/ClosedOrders":
                return _kraken({"closed": self._listed(body, resting=False), "count": 1})
            case "POST private/TradesHistory":
                return _kraken({"trades": {"T1": self._fill("0.2"), "T2": self._fill("0.3")}, "count": 2})
            case "POST private/CancelOrder" if body["txid"] == self.order_id:
                self.resting.clear()
                return _kraken({"count": 1})
        return _kraken({})

    def _listed(self, body: Any, *, resting: bool) -> Mapping[str, Any]:
        order = self._orders.get(body["cl_ord_id"])
        if order is None or bool(self.resting) != resting:
            return {}
        asked = {"pair": "ETHUSDT", "type": "buy", "ordertype": "limit", "price": order["price"]}
        ids = {"cl_ord_id": body["cl_ord_id"], "userref": None, "opentm": 1688666559.8974, "oflags": "fciq"}
        filled = {"status": "open" if resting else "canceled", "vol_exec": "0.50000000", "cost": "1000", "fee": "1"}
        return {self.order_id: {**ids, **filled, "vol": order["volume"], "descr": asked, "trades": ["T1", "T2"]}}

    def _fill(self, size: str) -> Mapping[str, Any]:
        money = {"price": "2000.00", "cost": str(Decimal(size) * 2000), "fee": str(Decimal(size) * 2), "vol": size}
        return {"ordertxid": self.order_id, "pair": "XETHZUSDT", "time": 1688667796.8802, "type": "buy", **money}


@asynccontextmanager
async def at(wire: Wire) -> AsyncIterator[Exchange]:
    """The adapter, connected to `wire`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", wire.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    exchange = Exchange(
        wire.ccxt_id,
        wire.ccxt_id,
        [ETH],
        urls=wire.urls(f"http://127.0.0.1:{runner.addresses[0][1]}"),
        api_key="a key",
        secret="YSBzZWNyZXQ=",
        passphrase="a passphrase",
        timeout_ms=60_000,
        answers_within_s=60.0,
    )
    # What it would wait between two requests is of no interest here.
    exchange._client.enableRateLimit = False
    try:
        await exchange.connect(to_trade=True)
        yield exchange
    finally:
        await exchange.close()
        await runner.cleanup()


def _now_ms() -> str:
    return str(time.time_ns() // 10**6)


def _okx(data: list[Any]) -> Any:
    return {"code": "0", "msg": "", "data": data}


def _bybit(result: Any) -> Any:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": time.time_ns() // 10**6}


def _kraken(result: Any) -> Any:
    return {"error": [], "result": result}


_KRAKEN_ETH = {
    "altname": "ETHUSDT",
    "wsname": "ETH/USDT",
    "base": "XETH",
    "quote": "USDT",
    "pair_decimals": 2,
    "cost_decimals": 5,
    "lot_decimals": 8,
    "fees": [[0, 0.1]],
    "fees_maker": [[0, 0.1]],
    "ordermin": "0.002",
    "costmin": "0.5",
    "tick_size": "0.01",
    "status": "online",
}

_OKX_ETH = {
    "baseCcy": "ETH",
    "instId": "ETH-USDT",
    "instType": "SPOT",
    "lotSz": "0.000001",
    "maxLmtAmt": "20000000",
    "maxLmtSz": "5000",
    "maxMktSz": "1000000",
    "minSz": "0.0001",
    "quoteCcy": "USDT",
    "state": "live",
    "tickSz": "0.01",
}

_BYBIT_ETH = {
    "symbol": "ETHUSDT",
    "baseCoin": "ETH",
    "quoteCoin": "USDT",
    "status": "Trading",
    "marginTrading": "both",
    "lotSizeFilter": {
        "basePrecision": "0.00001",
        "quotePrecision": "0.0000001",
        "minOrderQty": "0.0001",
        "maxOrderQty": "800",
        "minOrderAmt": "1",
        "maxOrderAmt": "2000000",
    },
    "priceFilter": {"tickSize": "0.01"},
}

_GATE_ETH = {
    "id": "ETH_USDT",
    "base": "ETH",
    "quote": "USDT",
    "fee": "0.1",
    "min_base_amount": "0.001",
    "min_quote_amount": "3",
    "max_quote_amount": "5000000",
    "amount_precision": 6,
    "precision": 2,
    "trade_status": "tradable",
}
