"""Streams that go on but say nothing that can be used: the book is followed again without anybody's help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import ccxt
import pytest

from chains.exchanges.adapter import Exchange
from chains.exchanges.books import Book
from chains.exchanges.following import Following
from chains.exchanges.local import LocalExchange
from chains.exchanges.troubles import FeedTrouble
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


@pytest.mark.parametrize("said", ["[]", "[null]", '{"e":"depthUpdate"}', AHEAD], ids=["[]", "[null]", "bare", "ahead"])
async def test_a_stream_that_falls_silent_while_its_connection_stands_is_begun_anew(
    odd: Odd, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chains.exchanges.following.SILENT_FIRST_S", 0.5)
    # ccxt's own stumbling is what is looked at here.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    troubles = await _followed(odd, said)
    assert [trouble.detail for trouble in troubles if "said nothing for 0.5 s" in trouble.detail]


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


class Troubled:
    """As much of a ccxt client as following needs. `fails` says of which attempts, from the first, nothing comes."""

    def __init__(self, fails: Callable[[int], bool]) -> None:
        self.clients: dict[str, object] = {}
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
