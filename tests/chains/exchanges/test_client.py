from __future__ import annotations

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

    client = client_of(
        ccxt_id, ccxt_id, urls=None, api_key="", secret="", passphrase="", options=None, timeout_ms=1_000
    )
    for way in ("watch", "watch_multiple", "negotiate", "fetch"):
        setattr(client, way, reached)
    client.set_markets([MARKET])
    with pytest.raises(Reached):
        await client.watch_order_book("ETH/USDT", followed_depth(ccxt_id))
    await client.close()
