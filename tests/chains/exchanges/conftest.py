from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from chains.exchanges.adapter import Exchange
from chains.exchanges.local import LocalExchange
from tests.chains.exchanges.making import ANCHORS, COIN, KEY, SECRET, Caller


@pytest.fixture
async def local() -> AsyncIterator[LocalExchange]:
    """A running local exchange, with one account that owns 100 ETH, 2 BTC and 500,000 USDT."""
    exchange = LocalExchange(ANCHORS)
    await exchange.start()
    for currency, amount in (("ETH", 100), ("BTC", 2), ("USDT", 500_000)):
        exchange.deposit(KEY, SECRET, currency, amount * COIN)
    yield exchange
    await exchange.close()


@pytest.fixture
async def exchange(local: LocalExchange) -> AsyncIterator[Exchange]:
    """The adapter, connected to it."""
    adapter = Exchange("binance", "binance", ["ETH/USDT", "BTC/USDT"], urls=local.ccxt_urls, api_key=KEY, secret=SECRET)
    await adapter.connect()
    yield adapter
    await adapter.close()


@pytest.fixture
async def caller(local: LocalExchange) -> AsyncIterator[Caller]:
    """Plain requests in that account's name."""
    async with ClientSession() as session:
        yield Caller(session, local.http_url)
