from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession

from chains.exchanges.local import LocalExchange
from tests.chains.exchanges.making import COIN, KEY, Caller


def refusal(answer: tuple[int, Any]) -> tuple[int, str]:
    status, body = answer
    assert status in (400, 401)
    return body["code"], body["msg"]


async def test_exchange_info_states_binances_filters(caller: Caller) -> None:
    _, info = await caller.get("/api/v3/exchangeInfo")
    lots = {}
    for symbol in info["symbols"]:
        filters = {each["filterType"]: each for each in symbol["filters"]}
        assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
        assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
        lots[symbol["symbol"]] = filters["LOT_SIZE"]["stepSize"]
    assert lots == {"ETHUSDT": "0.00010000", "BTCUSDT": "0.00001000"}


async def test_the_time_is_the_machines(caller: Caller) -> None:
    _, body = await caller.get("/api/v3/time")
    assert abs(body["serverTime"] - time.time() * 1000) < 5_000


async def test_an_unknown_symbol_is_refused(caller: Caller) -> None:
    assert refusal(await caller.get("/api/v3/depth", symbol="ETHEUR")) == (-1121, "Invalid symbol.")


async def test_a_missing_parameter_is_named(caller: Caller) -> None:
    assert refusal(await caller.get("/api/v3/depth")) == (
        -1102,
        "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
    )


async def test_a_wrong_secret_is_refused(local: LocalExchange) -> None:
    async with ClientSession() as session:
        answer = await Caller(session, local.http_url, secret="wrong").signed("GET", "/api/v3/account")
    assert refusal(answer) == (-1022, "Signature for this request is not valid.")


async def test_a_tampered_request_is_refused(local: LocalExchange) -> None:
    query = f"timestamp={int(time.time() * 1000)}&signature={'0' * 64}"
    async with (
        ClientSession() as session,
        session.get(f"{local.http_url}/api/v3/account?{query}", headers={"X-MBX-APIKEY": KEY}) as answer,
    ):
        assert (await answer.json())["code"] == -1022


@pytest.mark.parametrize(("key", "code"), [("", -2014), ("with space", -2014), ("unknown", -2015)])
async def test_a_bad_key_is_refused(local: LocalExchange, key: str, code: int) -> None:
    async with ClientSession() as session:
        status, body = await Caller(session, local.http_url, key=key).signed("GET", "/api/v3/account")
    assert (status, body["code"]) == (401, code)


@pytest.mark.parametrize(
    ("offset_ms", "message"),
    [
        (-6_000, "Timestamp for this request is outside of the recvWindow."),
        (+3_000, "Timestamp for this request was 1000ms ahead of the server's time."),
    ],
)
async def test_a_timestamp_outside_the_window_is_refused(caller: Caller, offset_ms: int, message: str) -> None:
    timestamp = str(time.time_ns() // 10**6 + offset_ms)
    assert refusal(await caller.signed("GET", "/api/v3/account", timestamp=timestamp)) == (-1021, message)


async def test_a_wider_window_accepts_an_older_timestamp(caller: Caller) -> None:
    timestamp = str(time.time_ns() // 10**6 - 6_000)
    status, _ = await caller.signed("GET", "/api/v3/account", timestamp=timestamp, recvWindow="10000")
    assert status == 200


@pytest.mark.parametrize(
    ("order", "code", "message"),
    [
        ({"side": "BUY", "quantity": "1", "price": "1800.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"side": "BUY", "quantity": "1.00005", "price": "1800"}, -1013, "Filter failure: LOT_SIZE"),
        ({"side": "BUY", "quantity": "9000.0001", "price": "1800"}, -1013, "Filter failure: LOT_SIZE"),
        ({"side": "BUY", "quantity": "0.0027", "price": "1800"}, -1013, "Filter failure: NOTIONAL"),
        ({"side": "BUY", "quantity": "1", "price": "18000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"side": "BUY", "type": "MARKET", "quantity": "1600"}, -1013, "Filter failure: MARKET_LOT_SIZE"),
        (
            {"side": "BUY", "quantity": "1000", "price": "1800"},
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        ({"side": "HOLD", "quantity": "1", "price": "1800"}, -1117, "Invalid side."),
        ({"side": "BUY", "type": "STOP", "quantity": "1"}, -1116, "Invalid orderType."),
        (
            {"side": "BUY", "type": "LIMIT", "timeInForce": "GTX", "quantity": "1", "price": "1800"},
            -1115,
            "Invalid timeInForce.",
        ),
        (
            {"side": "BUY", "type": "MARKET", "quantity": "1", "price": "1800"},
            -1106,
            "Parameter 'price' sent when not required.",
        ),
        (
            {"side": "BUY", "quantity": "1.000000001", "price": "1800"},
            -1111,
            "Parameter 'quantity' has too much precision.",
        ),
        (
            {"side": "BUY", "quantity": "1e3", "price": "1800"},
            -1100,
            r"Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'.",
        ),
        (
            {"side": "BUY", "quantity": "1", "price": "1800", "newClientOrderId": "a b"},
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
        ),
    ],
)
async def test_a_bad_order_is_refused_with_binances_code_and_changes_nothing(
    local: LocalExchange, caller: Caller, order: dict[str, str], code: int, message: str
) -> None:
    before = local.balances(KEY)
    assert refusal(await caller.order(**order)) == (code, message)
    assert local.balances(KEY) == before


async def test_an_unknown_order_is_not_found(caller: Caller) -> None:
    by_id = await caller.signed("GET", "/api/v3/order", symbol="ETHUSDT", orderId="1")
    assert refusal(by_id) == (-2013, "Order does not exist.")
    cancelled = await caller.signed("DELETE", "/api/v3/order", symbol="ETHUSDT", origClientOrderId="none")
    assert refusal(cancelled) == (-2011, "Unknown order sent.")
    neither = await caller.signed("GET", "/api/v3/order", symbol="ETHUSDT")
    assert refusal(neither)[0] == -1102


async def test_a_client_id_is_refused_while_an_order_with_it_is_open(caller: Caller) -> None:
    order = {"side": "BUY", "quantity": "0.01", "price": "1000", "newClientOrderId": "mine"}
    assert (await caller.order(**order))[0] == 200
    assert refusal(await caller.order(**order)) == (-2010, "Duplicate order sent.")
    status, cancelled = await caller.signed("DELETE", "/api/v3/order", symbol="ETHUSDT", origClientOrderId="mine")
    assert (status, cancelled["status"], cancelled["origClientOrderId"]) == (200, "CANCELED", "mine")
    assert (await caller.order(**order))[0] == 200


async def test_the_lists_show_what_was_ordered_and_traded(caller: Caller) -> None:
    _, resting = await caller.order(side="BUY", quantity="0.01", price="1000")
    _, bought = await caller.order(side="BUY", quantity="0.5", type="MARKET")
    _, open_orders = await caller.signed("GET", "/api/v3/openOrders")
    assert [order["orderId"] for order in open_orders] == [resting["orderId"]]
    _, every_order = await caller.signed("GET", "/api/v3/allOrders", symbol="ETHUSDT")
    assert [order["status"] for order in every_order] == ["NEW", "FILLED"]
    _, trades = await caller.signed("GET", "/api/v3/myTrades", symbol="ETHUSDT", orderId=str(bought["orderId"]))
    assert sum(Decimal(trade["qty"]) for trade in trades) == Decimal("0.5")
    assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in bought["fills"]]


async def test_an_accounts_orders_are_its_own(local: LocalExchange, caller: Caller) -> None:
    _, order = await caller.order(side="BUY", quantity="0.01", price="1000")
    local.deposit("other-key", "other-secret", "USDT", COIN)
    async with ClientSession() as session:
        other = Caller(session, local.http_url, "other-key", "other-secret")
        found = await other.signed("GET", "/api/v3/order", symbol="ETHUSDT", orderId=str(order["orderId"]))
    assert refusal(found)[0] == -2013


async def test_both_fee_endpoints_state_the_tier(caller: Caller) -> None:
    _, fees = await caller.signed("GET", "/sapi/v1/asset/tradeFee", symbol="ETHUSDT")
    assert fees == [{"symbol": "ETHUSDT", "makerCommission": "0.00011000", "takerCommission": "0.00023000"}]
    _, rates = await caller.signed("GET", "/api/v3/account/commission", symbol="ETHUSDT")
    assert rates["standardCommission"]["taker"] == "0.00023000"


async def test_a_symbol_without_a_recording_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no recording of DOGEUSDT; there are BTCUSDT, ETHUSDT"):
        LocalExchange({"DOGEUSDT": Decimal(1)})
