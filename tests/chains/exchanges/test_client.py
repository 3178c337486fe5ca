from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ccxt
import pytest

from chains.exchanges.client import client_of, followed_depth

MARKET = {
    **{"id": "ETHUSDT", "lowercaseId": "ethusdt", "symbol": "ETH/USDT", "base": "ETH", "quote": "USDT"},
    **{"baseId": "ETH", "quoteId": "USDT", "type": "spot", "spot": True, "active": True, "info": {}},
    "precision": {"price": "0.01", "amount": "0.0001"},
    "limits": {"amount": {}, "cost": {}, "price": {}, "leverage": {}},
}
"""As ccxt has it of any exchange."""


class Reached(Exception):
    """The exchange would have been asked now."""


@pytest.mark.parametrize(
    "ccxt_id",
    [
        "binance",
        "bitfinex",
        "bitget",
        "bittrade",
        "bybit",
        "coinbase",
        "gate",
        "htx",
        "kraken",
        "kucoin",
        "mexc",
        "okx",
    ],
)
async def test_ccxt_follows_books_as_deep_as_it_is_asked_to(ccxt_id: str) -> None:
    async def reached(*args: object, **kwargs: object) -> None:
        raise Reached

    client = _client(ccxt_id)
    for way in ("watch", "watch_multiple", "negotiate", "fetch"):
        setattr(client, way, reached)
    client.set_markets([MARKET])
    with pytest.raises(Reached):
        await client.watch_order_book("ETH/USDT", followed_depth(ccxt_id))
    await client.close()


async def test_a_connection_on_which_updates_of_a_book_are_missing_is_ended() -> None:
    """KuCoin numbers them, and ccxt does not look: what the missing ones removed would stay in the book for good."""
    client, ended = _client("kucoin"), list[Exception]()
    client.set_markets([{**MARKET, "id": "ETH-USDT"}])
    state = {"symbol": "ETH/USDT", "bids": [[2000, 1]], "asks": [[2001, 1]], "nonce": 108}
    book = client.orderbooks["ETH/USDT"] = client.order_book(state)
    resolved = list[object]()
    connection = SimpleNamespace(on_error=ended.append, resolve=lambda *told: resolved.append(told))

    def update(first: int, last: int) -> None:
        data = {"sequenceStart": first, "sequenceEnd": last, "symbol": "ETH-USDT", "time": 1}
        changes = {"bids": [["1990", "1", str(last)]], "asks": []}
        message = {
            "topic": "/market/level2:ETH-USDT",
            "subject": "trade.l2update",
            "data": {**data, "changes": changes},
        }
        client.handle_message(connection, {"type": "message", **message})

    for first, last in ((109, 110), (109, 110), (108, 112)):
        update(first, last)
    assert not ended and book["nonce"] == 112 and len(resolved) == 2
    update(114, 114)
    (error,) = ended
    assert isinstance(error, ccxt.NetworkError) and "updates 113 to 113 of ETH/USDT are missing" in str(error)
    assert book["nonce"] == 112 and len(resolved) == 2
    await client.close()


def _client(ccxt_id: str) -> Any:
    return client_of(ccxt_id, ccxt_id, urls=None, api_key="", secret="", passphrase="", options=None, timeout_ms=1_000)
