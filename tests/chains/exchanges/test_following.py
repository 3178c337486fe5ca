"""Streams that go on but say nothing that can be used: the book is followed again without anybody's help."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import ccxt
import pytest
from aiohttp import web

from chains.exchanges.adapter import Exchange
from chains.exchanges.books import Book
from chains.exchanges.following import Following
from chains.exchanges.local import LocalExchange
from chains.exchanges.troubles import ExchangeUnavailable, FeedTrouble
from tests.chains.exchanges.making import ANCHORS, ETH, book, rebuilt

STREAM = "ethusdt@depth@100ms"
AHEAD = '{"e":"depthUpdate","E":1,"s":"ETHUSDT","U":%d,"u":99999999999999,"b":[],"a":[]}'


class Odd(LocalExchange):
    """Says whatever it is given on the stream of books."""

    async def say(self, text: str) -> None:
        for listener in self._streams.listeners(STREAM):
            await listener._socket.send_str(text)


@pytest.fixture
async def odd() -> AsyncIterator[Odd]:
    local = Odd(ANCHORS)
    await local.start()
    yield local
    await local.close()


async def _followed(odd: Odd, said: str) -> list[FeedTrouble]:
    """What was told while the book was followed past `said`, to the recording's own state."""
    exchange = Exchange("binance", "binance", [ETH], urls=odd.ccxt_urls)
    troubles: list[FeedTrouble] = []
    try:
        await exchange.connect()
        await exchange.watch(lambda book: None, troubles.append)
        await odd.say(said % (exchange.books[ETH].nonce + 1) if "%d" in said else said)
        to_ms, last = 1_000, 0
        async with asyncio.timeout(30):
            while exchange.books[ETH].nonce != last:
                to_ms += 100
                last = (await odd.advance(to_ms))["ETHUSDT"]
                await asyncio.sleep(0.02)
        assert last == rebuilt("ETHUSDT").at(odd.start_ms + to_ms)[0]
    finally:
        await exchange.close()
    return troubles


async def test_a_stream_that_falls_silent_while_its_connection_stands_is_begun_anew(
    odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chains.exchanges.following.SILENT_FIRST_S", 0.5)
    troubles = await _followed(odd, AHEAD)
    assert [trouble.detail for trouble in troubles if "said nothing for 0.5 s" in trouble.detail]


@pytest.mark.parametrize("said", ["[]", "[null]", '{"e":"depthUpdate"}'], ids=["[]", "[null]", "bare"])
async def test_a_stream_is_begun_anew_at_once_after_a_message_that_nobody_can_read(odd: Odd, said: str) -> None:
    troubles = await _followed(odd, said)
    assert [trouble.detail for trouble in troubles if "a message cannot be read" in trouble.detail]


async def test_a_book_that_only_stands_is_left_alone_ever_longer(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chains.exchanges.following.SILENT_FIRST_S", 0.15)
    exchange = Exchange("binance", "binance", [ETH], urls=odd.ccxt_urls)
    troubles: asyncio.Queue[FeedTrouble] = asyncio.Queue()
    try:
        await exchange.connect()
        await exchange.watch(lambda book: None, troubles.put_nowait)
        async with asyncio.timeout(30):
            told = [(await troubles.get()).detail for _ in range(4)]
    finally:
        await exchange.close()
    waits = [float(detail.rpartition(" for ")[2].removesuffix(" s")) for detail in told]
    assert waits[1:] == [0.3, 0.6, 1.2]


class Bitget:
    """Answers every subscription with a snapshot of `bids` and `asks`, and nothing else."""

    def __init__(self) -> None:
        self.bids, self.asks = [["2000.00", "1"], ["1999.00", "2"]], [["2001.00", "1"]]
        self.sockets: list[web.WebSocketResponse] = []

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            (arg,) = json.loads(message.data)["args"]
            state = {"bids": self.bids, "asks": self.asks, "checksum": 0, "ts": "1695716059516"}
            await socket.send_json({"action": "snapshot", "arg": arg, "data": [state], "ts": 1695716059516})
        return socket


async def test_what_went_from_a_book_while_it_was_not_followed_is_not_in_the_next_one() -> None:
    """ccxt's client of Bitget lays a new snapshot over what it knew."""
    bitget, app = Bitget(), web.Application()
    app.router.add_get("/", bitget.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    exchange = Exchange("bitget", "bitget", [ETH], urls={"api": {"ws": {"public": url}}}, taker_fee_ppm=1_000)
    exchange._client.set_markets([exchange._client.safe_market_structure(_BITGET_ETH)])
    books: asyncio.Queue[Book] = asyncio.Queue()
    try:
        await exchange.connect()
        await exchange.watch(books.put_nowait)
        assert str((await books.get()).best_bid) == "2000.00000000"
        bitget.bids, bitget.asks = [["1990.00", "1"]], [["2003.00", "1"], ["2004.00", "1"]]
        await bitget.sockets[0].close()
        async with asyncio.timeout(20):
            book = await books.get()
        assert [book.price(ticks) for ticks, _ in (*book.bids, *book.asks)] == [1990, 2003, 2004]
    finally:
        await exchange.close()
        await runner.cleanup()


_BITGET_ETH = {
    **{"id": "ETHUSDT", "symbol": ETH, "base": "ETH", "quote": "USDT", "baseId": "ETH", "quoteId": "USDT"},
    **{"type": "spot", "spot": True, "active": True, "precision": {"price": "0.01", "amount": "0.0001"}},
    "limits": {"amount": {"min": "0.0001"}, "cost": {"min": "5"}},
}


async def test_a_start_that_hears_no_book_says_what_it_heard_instead() -> None:
    async def watched(symbol: str, depth: int) -> None:
        raise ccxt.NotSupported("it needs another package")

    exchange = Exchange("bitget", "bitget", [ETH], taker_fee_ppm=1_000)
    exchange._client.set_markets([exchange._client.safe_market_structure(_BITGET_ETH)])
    exchange._client.watch_order_book = watched
    try:
        await exchange.connect()
        with pytest.raises(
            ExchangeUnavailable, match=r"no book of ETH/USDT \(NotSupported: it needs another package\)"
        ):
            await exchange.watch(lambda book: None, first_within_s=0.01)
    finally:
        await exchange.close()


class Troubled:
    """As much of a ccxt client as following needs. `fails` says of which attempts, from the first, nothing comes."""

    def __init__(self, fails: Callable[[int], bool]) -> None:
        self.clients: dict[str, object] = {}
        self.orderbooks: dict[str, object] = {}
        self.attempts = 0
        self._fails = fails

    async def watch_order_book(self, symbol: str, depth: int) -> dict[str, object]:
        self.attempts += 1
        await asyncio.sleep(0)
        if self._fails(self.attempts):
            raise ccxt.ExchangeNotAvailable("maintenance")
        return {}


async def test_an_exchange_that_was_down_for_hours_is_followed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_FIRST_S", "RETRY_MOST_S"):
        monkeypatch.setattr(f"chains.exchanges.following.{name}", 0.0)
    following = _following(Troubled(lambda attempt: attempt <= 1_100))
    heard: list[Book] = []
    following.begin(heard.append, lambda trouble: None)
    try:
        async with asyncio.timeout(30):
            await following.reached(ETH, 1)
    finally:
        await following.close()
    assert heard


async def test_a_stream_that_breaks_after_each_book_is_begun_anew_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_FIRST_S", "RETRY_MOST_S"):
        monkeypatch.setattr(f"chains.exchanges.following.{name}", 3_600.0)
    client = Troubled(lambda attempt: attempt % 2 == 0)
    following = _following(client)
    troubles: list[FeedTrouble] = []
    following.begin(lambda book: None, troubles.append)
    try:
        for _ in range(100):
            await asyncio.sleep(0)
    finally:
        await following.close()
    assert (client.attempts, len(troubles)) == (4, 2)


def _following(client: Troubled) -> Following:
    return Following("binance", [ETH], client, 1, lambda symbol, raw: book([(1, 1)], [(2, 1)]), str)
