"""What the exchange tests share: an account, a caller, books drawn by hand, the recording rebuilt by other means."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientSession

from chains.assets import Token
from chains.exchanges.adapter import Exchange
from chains.exchanges.asking import Asking
from chains.exchanges.books import Book
from chains.exchanges.local import LocalExchange
from chains.exchanges.orders import ExchangeOrder

ETH = "ETH/USDT"
KEY, SECRET = "test-key", "test-secret"
COIN = 10**8
ANCHORS = {"ETHUSDT": Decimal("0.704369453026646679"), "BTCUSDT": Decimal("0.496805164472346667")}
DATA = Path(__file__).parents[3] / "chains" / "exchanges" / "data"
TICK = Decimal("0.01")


def book(bids: list[tuple[int, int]], asks: list[tuple[int, int]], fee_ppm: int = 230) -> Book:
    """ETH/USDT with Binance's terms; levels are (cents, 0.0001 ETH)."""
    return Book(
        exchange="binance",
        symbol="ETH/USDT",
        base=Token("binance", "ETH", "ETH", 8),
        quote=Token("binance", "USDT", "USDT", 8),
        bids=tuple(bids),
        asks=tuple(asks),
        tick=COIN // 100,
        lot=COIN // 10_000,
        min_amount=COIN // 10_000,
        min_notional=5 * COIN,
        taker_fee_ppm=fee_ppm,
        nonce=1,
    )


class Rebuilt:
    """One symbol's recorded book in decimals, straight from the file, at any time of the first round."""

    def __init__(self, symbol: str) -> None:
        lines = gzip.decompress((DATA / f"{symbol.lower()}.jsonl.gz").read_bytes()).splitlines()
        self.snapshot: dict[str, Any] = json.loads(lines[0])
        self.events = [event for event in map(json.loads, lines[1:]) if event["e"] == "depthUpdate"]
        self._factor = ANCHORS[symbol]

    def at(self, time_ms: int) -> tuple[int, list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Last update id, bids and asks, best first and re-anchored, after everything up to `time_ms` (epoch)."""
        sides = {name: dict(self.snapshot[name]) for name in ("bids", "asks")}
        last = self.snapshot["lastUpdateId"]
        for event in self.events:
            if event["E"] > time_ms:
                break
            for name, key in (("bids", "b"), ("asks", "a")):
                sides[name].update(event[key])
            last = event["u"]
        return last, self._served(sides["bids"], ROUND_FLOOR), self._served(sides["asks"], ROUND_CEILING)

    def _served(self, side: dict[str, str], rounding: str) -> list[tuple[Decimal, Decimal]]:
        served: dict[Decimal, Decimal] = {}
        for price, quantity in side.items():
            if Decimal(quantity):
                at = (Decimal(price) * self._factor).quantize(TICK, rounding)
                served[at] = served.get(at, Decimal(0)) + Decimal(quantity)
        return sorted(served.items(), reverse=rounding == ROUND_FLOOR)


def rows(raw: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    """Binance's levels as decimals."""
    return [(Decimal(price), Decimal(quantity)) for price, quantity in raw]


@cache
def rebuilt(symbol: str) -> Rebuilt:
    return Rebuilt(symbol)


class Caller:
    """Plain HTTP requests to the local exchange, signed as Binance's documentation says."""

    def __init__(self, session: ClientSession, url: str, key: str = KEY, secret: str = SECRET) -> None:
        self._session = session
        self._url = url
        self._key = key
        self._secret = secret

    async def get(self, path: str, **params: str) -> tuple[int, Any]:
        """An unsigned request: status and JSON."""
        async with self._session.get(self._url + path, params=params) as answer:
            return answer.status, await answer.json()

    async def signed(self, method: str, path: str, **params: str) -> tuple[int, Any]:
        """A signed request: the query for GET and DELETE, a form for POST."""
        query = urlencode({"timestamp": str(time.time_ns() // 10**6), **params})
        query += "&signature=" + hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        body = query if method == "POST" else None
        url = self._url + path + ("" if body else "?" + query)
        form = "application/x-www-form-urlencoded"
        headers = {"X-MBX-APIKEY": self._key, **({"Content-Type": form} if body else {})}
        async with self._session.request(method, url, data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def order(self, **params: str) -> tuple[int, Any]:
        """Place an ETHUSDT order, by default a limit order good till cancelled."""
        limit = {"type": "LIMIT", "timeInForce": "GTC"} if "type" not in params else {}
        return await self.signed("POST", "/api/v3/order", **{"symbol": "ETHUSDT", **limit, **params})


def an_order(book: Book, side: str, amount: int, client_id: str = "one") -> ExchangeOrder:
    price = (book.buy_base if side == "buy" else book.sell_base)(amount).limit_price
    return ExchangeOrder(ETH, side, amount, price, client_id)  # type: ignore[arg-type]


@asynccontextmanager
async def broken(local: LocalExchange, told: str = "RESULT") -> AsyncIterator[Exchange]:
    """The adapter, impatient and `told` no fills in answers to orders, connected to a `local` that misbehaves."""
    await local.start()
    local.deposit(KEY, SECRET, "USDT", 10_000 * COIN)
    adapter = Exchange(
        "binance",
        "binance",
        [ETH],
        urls=local.ccxt_urls,
        api_key=KEY,
        secret=SECRET,
        options={"newOrderRespType": {"limit": told}},
        timeout_ms=500,
    )
    try:
        await adapter.connect()
        yield adapter
    finally:
        await adapter.close()
        await local.close()


def patient(exchange: Exchange) -> None:
    """From now on it waits for answers as long as a busy machine may take."""
    exchange._client.timeout = 60_000
    exchange._answers_within_s = 60.0
    exchange._asking = Asking(60.0)
