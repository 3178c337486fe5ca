"""An exchange that accounts for currencies finer than Binance does, such as OKX and Gate."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from chains.exchanges.adapter import Exchange
from chains.exchanges.local import LocalExchange
from chains.exchanges.local.server import Handler
from chains.exchanges.orders import OrderStatus
from chains.exchanges.troubles import ExchangeUnavailable
from tests.chains.exchanges.making import ANCHORS, COIN, ETH, KEY, SECRET, an_order

FEE, HELD = "0.000000123456789", "10000.123456789012"


class Finer(LocalExchange):
    """Charges `FEE` for each trade and holds `HELD` in USDT, whatever it traded."""

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        said = await super()._answer(request, handler)
        if not isinstance(said, web.Response) or not said.text:
            return said
        return web.json_response(_finer(json.loads(said.text)), status=said.status)


def _finer(said: Any) -> Any:
    if isinstance(said, dict):
        said = {key: _finer(value) for key, value in said.items()}
        if "commission" in said:
            said["commission"] = FEE
        if said.get("asset") == "USDT":
            said["free"] = HELD
        return said
    return [_finer(each) for each in said] if isinstance(said, list) else said


async def _opened(local: LocalExchange, decimals: int) -> Exchange:
    await local.start()
    local.deposit(KEY, SECRET, "USDT", 10_000 * COIN)
    exchange = Exchange(
        "fine", "binance", [ETH], urls=local.ccxt_urls, api_key=KEY, secret=SECRET, decimals=decimals, timeout_ms=2_000
    )
    await exchange.connect()
    return exchange


async def test_balances_and_fees_are_exact_in_the_exchanges_own_decimals() -> None:
    local = Finer(ANCHORS)
    exchange = await _opened(local, 18)
    try:
        assert (await exchange.balances())["USDT"] == Decimal(HELD).scaleb(18)
        book = await exchange.fetch_book(ETH)
        report = await exchange.place(an_order(book, "buy", 10**18))
        assert (report.status, report.filled) == (OrderStatus.FILLED, 10**18)
        assert report.fee("ETH") == len(report.fills) * Decimal(FEE).scaleb(18)
        assert await exchange.find("one", ETH) == report
    finally:
        await exchange.close()
        await local.close()


async def test_what_is_finer_than_the_stated_decimals_is_refused_with_the_remedy() -> None:
    local = Finer(ANCHORS)
    exchange = await _opened(local, 8)
    try:
        with pytest.raises(ExchangeUnavailable, match=r"raise `decimals` under \[exchanges.fine\]"):
            await exchange.balances()
    finally:
        await exchange.close()
        await local.close()
