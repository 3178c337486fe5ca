"""The local exchange: an HTTP and WebSocket server on loopback that answers as Binance spot does."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import orjson
from aiohttp import web

from chains.exchanges.local.accounts import Account, Balance
from chains.exchanges.local.api import Api
from chains.exchanges.local.book import ReplayedBook
from chains.exchanges.local.errors import BinanceError
from chains.exchanges.local.feed import Feed
from chains.exchanges.local.matching import Matcher
from chains.exchanges.local.replay import tapes
from chains.exchanges.local.requests import Params
from chains.exchanges.local.rules import RULES
from chains.exchanges.local.streams import Streams
from chains.exchanges.urls import ccxt_urls

VIP_9_TAKER_PPM = 230
VIP_9_MAKER_PPM = 110
TICK_S = 0.05
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _machine_ms() -> int:
    return time.time_ns() // 10**6


class LocalExchange:
    """Binance spot from a recording: ETHUSDT and BTCUSDT, about eleven minutes of August 2024, over and over.

    `anchors` gives, per symbol to serve, the factor every recorded price is multiplied by. Fees are in parts per
    million; the defaults are Binance's spot fees at VIP 9 in 2024 (taker 0.0230 %, maker 0.0110 %).

    Market time is an event clock that only `advance` moves; order, trade and event times are its. Only
    `/api/v3/time` and the check of request timestamps use `wall_ms`, the machine's time.
    """

    def __init__(
        self,
        anchors: Mapping[str, Decimal],
        *,
        taker_fee_ppm: int = VIP_9_TAKER_PPM,
        maker_fee_ppm: int = VIP_9_MAKER_PPM,
        wall_ms: Callable[[], int] = _machine_ms,
    ) -> None:
        unknown = sorted(set(anchors) - set(RULES))
        if unknown or not anchors:
            asked = ", ".join(unknown) or "no symbol at all"
            raise ValueError(f"no recording of {asked}; there are {', '.join(sorted(RULES))}")
        self.start_ms, self.loop_ms, recorded = tapes(anchors)
        """The event clock's start, in milliseconds since the epoch, and how long the recording lasts."""
        rules = {symbol: RULES[symbol] for symbol in anchors}
        self._feeds = {
            symbol: Feed(symbol, tape, ReplayedBook(Fraction(anchors[symbol]), rules[symbol].tick), self.start_ms)
            for symbol, tape in recorded.items()
        }
        books = {symbol: feed.book for symbol, feed in self._feeds.items()}
        self._matcher = Matcher(rules, books, taker_fee_ppm, maker_fee_ppm)
        self._elapsed_ms = 0
        self._wall_ms = wall_ms
        self._streams = Streams()
        self._api = Api(rules, self._feeds, self._matcher, taker_fee_ppm, maker_fee_ppm, self._event_ms, wall_ms)
        self._advancing = asyncio.Lock()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one. Raises `OSError` when the port is taken."""
        application = web.Application(middlewares=[self._middleware])
        for (method, path), public in self._api.public().items():
            application.router.add_route(method, path, self._open_to_all(public))
        for (method, path), signed in self._api.signed().items():
            application.router.add_route(method, path, self._for_signed(signed))
        application.router.add_get("/stream", self._combined_stream)
        application.router.add_get("/ws", self._raw_stream)
        application.router.add_get("/ws/{streams:.*}", self._raw_stream)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and end every connection."""
        await self.drop_streams()
        if self._runner:
            await self._runner.cleanup()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    @property
    def ccxt_urls(self) -> Mapping[str, Any]:
        """What `urls` of ccxt's `binance` must say for it to talk to this exchange instead."""
        return ccxt_urls(self.http_url, self.ws_url)

    def deposit(self, api_key: str, secret: str, currency: str, amount: int) -> None:
        """Credit `amount` units of 10^-8 to an account, which is made if it is new."""
        self._matcher.open_account(api_key, secret).credit(currency, amount)

    def balances(self, api_key: str) -> Mapping[str, Balance]:
        """What an account owns. Raises `KeyError` for an unknown key."""
        account = self._matcher.account(api_key)
        if account is None:
            raise KeyError("no account has this API key; make one with deposit()")
        return MappingProxyType(dict(account.balances))

    async def advance(self, to_ms: int) -> dict[str, int]:
        """Move the event clock to `to_ms` since its start and publish everything until then, in order.

        Returns the last update id of each symbol. Raises `ValueError` when that lies in the past.
        """
        async with self._advancing:
            if to_ms < self._elapsed_ms:
                raise ValueError(f"the event clock stands at {self._elapsed_ms} ms and cannot go back to {to_ms} ms")
            while (feed := min(self._feeds.values(), key=lambda each: each.next_ms)).next_ms <= to_ms:
                self._elapsed_ms = max(self._elapsed_ms, feed.next_ms)
                for stream, data in feed.advance():
                    listeners = self._streams.listeners(stream)
                    message = data() if listeners else {}
                    for subscriber in listeners:
                        await subscriber.send(stream, message)
                self._matcher.book_moved(feed.symbol, self._event_ms())
            self._elapsed_ms = to_ms
        return {symbol: feed.last_update_id for symbol, feed in self._feeds.items()}

    async def run_free(self, speed: float = 1.0) -> None:
        """Let the event clock follow the machine's, `speed` times as fast, until cancelled."""
        begun_s, begun_ms = time.monotonic(), self._elapsed_ms
        while True:
            await self.advance(begun_ms + int((time.monotonic() - begun_s) * 1000 * speed))
            await asyncio.sleep(TICK_S)

    async def drop_streams(self) -> None:
        """End every WebSocket connection, as Binance does once a day."""
        await self._streams.close()

    def _event_ms(self) -> int:
        return self.start_ms + self._elapsed_ms

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await self._answer(request, handler)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The one place where an answer leaves: refusals become Binance's JSON here."""
        try:
            return await handler(request)
        except BinanceError as error:
            return _json({"code": error.code, "msg": error.message}, error.http_status)

    def _open_to_all(self, endpoint: Callable[[Params], Any]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            return _json(endpoint(Params(request.rel_url.raw_query_string)))

        return handle

    def _for_signed(self, endpoint: Callable[[Params, Account], Any]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            params = Params(request.rel_url.raw_query_string, await request.text())
            account = self._authorised(request, params)
            return _json(endpoint(params, account))

        return handle

    def _authorised(self, request: web.Request, params: Params) -> Account:
        key = request.headers.get("X-MBX-APIKEY", "")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", key):
            raise BinanceError(-2014, "API-key format invalid.", 401)
        account = self._matcher.account(key)
        if account is None:
            raise BinanceError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        params.check_timestamp(self._wall_ms())
        params.check_signature(account.secret)
        return account

    async def _raw_stream(self, request: web.Request) -> web.StreamResponse:
        streams = set(filter(None, request.match_info.get("streams", "").split("/")))
        return await self._streams.serve(request, streams, wrap=False)

    async def _combined_stream(self, request: web.Request) -> web.StreamResponse:
        streams = set(filter(None, request.query.get("streams", "").split("/")))
        return await self._streams.serve(request, streams, wrap=True)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
