from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
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


Numbered = Callable[[int, int], Mapping[str, Any]]
CHANGES = {"bids": [["1990", "1"]], "asks": []}
SHORT = {"b": [["1990", "1"]], "a": []}


def _bybit(first: int, last: int) -> Mapping[str, Any]:
    return {"topic": "orderbook.1000.ETHUSDT", "type": "delta", "ts": 1, "data": {"s": "ETHUSDT", "u": last, **SHORT}}


def _gate(first: int, last: int) -> Mapping[str, Any]:
    update = {"t": 1, "s": "ob.ETH_USDT.50", "U": first, "u": last, **SHORT}
    return {"channel": "spot.obu", "event": "update", "time_ms": 1, "result": update}


def _kucoin(first: int, last: int) -> Mapping[str, Any]:
    update = {"sequenceStart": first, "sequenceEnd": last, "symbol": "ETH-USDT", "time": 1, "changes": CHANGES}
    return {"type": "message", "topic": "/market/level2:ETH-USDT", "subject": "trade.l2update", "data": update}


def _coinbase(kind: str, *levels: tuple[str, str, str]) -> Mapping[str, Any]:
    updates = [{"side": side, "price_level": price, "new_quantity": amount} for side, price, amount in levels]
    event = {"type": kind, "product_id": "ETH-USDT", "updates": updates}
    return {"channel": "l2_data", "timestamp": "2023-02-09T20:32:50Z", "sequence_num": 0, "events": [event]}


def _kraken(kind: str, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> Mapping[str, Any]:
    sides = {
        side: [{"price": price, "qty": amount} for price, amount in levels]
        for side, levels in (("bids", bids), ("asks", asks))
    }
    return {"channel": "book", "type": kind, "data": [{"symbol": "ETH/USDT", **sides, "checksum": 1}]}


class Connection:
    """As much of ccxt's as books need."""

    url = "wss://stream.test/v5/public/spot"

    def __init__(self) -> None:
        self.subscriptions: dict[str, object] = {}
        self.ended: list[Exception] = []
        self.told = 0

    def on_error(self, error: Exception) -> None:
        self.ended.append(error)

    def resolve(self, result: object, message_hash: str) -> None:
        self.told += 1


def _knowing(ccxt_id: str, market_id: str) -> Any:
    """A client that knows a book as it was after update 108."""
    client = _client(ccxt_id)
    client.set_markets([{**MARKET, "id": market_id}])
    state = {"symbol": "ETH/USDT", "bids": [[2000, 1]], "asks": [[2001, 1]], "nonce": 108}
    client.orderbooks["ETH/USDT"] = client.order_book(state)
    return client


@pytest.mark.parametrize(
    ("ccxt_id", "market_id", "update"),
    [("bybit", "ETHUSDT", _bybit), ("gate", "ETH_USDT", _gate), ("kucoin", "ETH-USDT", _kucoin)],
)
async def test_a_connection_on_which_updates_of_a_book_are_missing_is_ended(
    ccxt_id: str, market_id: str, update: Numbered
) -> None:
    """The exchange numbers them, and ccxt does not look: what the missing ones removed would stay for good."""
    client, connection = _knowing(ccxt_id, market_id), Connection()
    client.handle_message(connection, update(109, 109))
    client.handle_message(connection, update(110, 110))
    assert (connection.ended, connection.told, client.orderbooks["ETH/USDT"]["nonce"]) == ([], 2, 110)
    client.handle_message(connection, update(112, 112))
    (error,) = connection.ended
    assert isinstance(error, ccxt.NetworkError) and "updates 111 to 111 of ETH/USDT are missing" in str(error)
    assert (connection.told, client.orderbooks["ETH/USDT"]["nonce"]) == (2, 110)
    await client.close()


@pytest.mark.parametrize(
    ("ccxt_id", "market_id", "whole", "update"),
    [
        ("bybit", "ETHUSDT", {**_bybit(200, 200), "type": "snapshot"}, _bybit),
        ("gate", "ETH_USDT", {**_gate(200, 200), "result": {**_gate(200, 200)["result"], "full": True}}, _gate),
    ],
    ids=("bybit", "gate"),
)
async def test_a_whole_book_may_come_with_any_number(
    ccxt_id: str, market_id: str, whole: Mapping[str, Any], update: Numbered
) -> None:
    client, connection = _knowing(ccxt_id, market_id), Connection()
    client.handle_message(connection, whole)
    client.handle_message(connection, update(201, 201))
    assert (connection.ended, connection.told, client.orderbooks["ETH/USDT"]["nonce"]) == ([], 2, 201)
    assert [price for price, *_ in client.orderbooks["ETH/USDT"]["bids"]] == [1990]
    await client.close()


@pytest.mark.parametrize(
    ("ccxt_id", "market_id", "said"),
    [
        (
            "bitfinex",
            "tETHUST",
            [
                [1, [[2000.1, 1, 0.5], [2001.2, 1, -0.7]]],
                [1, [1999.3, 2, 4]],
                [1, [2001.2, 0, -1]],
                [1, [2002.4, 1, -3]],
            ],
        ),
        (
            "coinbase",
            "ETH-USDT",
            [
                _coinbase("snapshot", ("bid", "2000.1", "0.5"), ("offer", "2001.2", "0.7")),
                _coinbase("update", ("bid", "1999.3", "4"), ("offer", "2001.2", "0"), ("offer", "2002.4", "3")),
            ],
        ),
        (
            "kraken",
            "XETHZUSDT",
            [
                _kraken("snapshot", [(2000.1, 0.5)], [(2001.2, 0.7)]),
                _kraken("update", [(1999.3, 4.0)], [(2001.2, 0.0), (2002.4, 3.0)]),
            ],
        ),
    ],
    ids=("bitfinex", "coinbase", "kraken"),
)
async def test_a_live_book_is_kept_in_numbers_that_ccxt_can_sort(ccxt_id: str, market_id: str, said: list[Any]) -> None:
    """What is asked for by request stays text."""
    client, connection = _client(ccxt_id), Connection()
    client.set_markets([{**MARKET, "id": market_id}])
    connection.subscriptions = {"1": {"channel": "book", "symbol": "tETHUST", "prec": "P0", "len": "100"}}
    for message in said:
        client.handle_message(connection, message)
    book = client.orderbooks["ETH/USDT"]
    assert (connection.ended, connection.told) == ([], len(said))
    assert [level[:2] for level in book["bids"]] == [[2000.1, 0.5], [1999.3, 4.0]]
    assert [level[:2] for level in book["asks"]] == [[2002.4, 3.0]]
    assert client.number is str
    await client.close()


ASKS = """45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911 45290.2 0.15890660
45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000 45297.5 0.09945542 45299.5 0.18772827"""
BIDS = """45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000 45280.3 1.54592586
45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000 45277.3 1.54602737 45276.6 0.15445238"""
"""The example of Kraken's guide to its checksum, which comes to `SUM`."""
SUM = 3310070434


@pytest.mark.parametrize("pair_decimals", [1, 2], ids=["understood", "not understood"])
async def test_a_book_of_kraken_whose_checksum_is_another_is_begun_anew(pair_decimals: int) -> None:
    """Where not even a snapshot has the checksum it is told with, it says nothing."""
    client, connection = _client("kraken"), Connection()
    info = {"pair_decimals": pair_decimals, "lot_decimals": 8}
    client.set_markets([{**MARKET, "id": "XETHZUSDT", "info": info}])
    asks, bids = (
        [(float(price), float(amount)) for price, amount in zip(it[::2], it[1::2], strict=True)]
        for it in (ASKS.split(), BIDS.split())
    )

    def say(kind: str, told: list[tuple[float, float]], checksum: int) -> None:
        message = _kraken(kind, told, asks if kind == "snapshot" else [])
        client.handle_message(connection, {**message, "data": [{**message["data"][0], "checksum": checksum}]})

    def summed(sides: str) -> int:
        return zlib.crc32("".join(word.replace(".", "").lstrip("0") for word in sides.split()).encode())

    assert summed(f"{ASKS} {BIDS}") == SUM
    say("snapshot", bids, SUM)
    say("update", [(45283.5, 0.0)], summed(f"{ASKS} {BIDS.partition('0.10000000')[2]}"))
    assert connection.ended == [] and client.orderbooks["ETH/USDT"]["bids"][0][0] == 45283.4
    say("update", [(45282.1, 0.0)], SUM)
    if pair_decimals == 1:
        (error,) = connection.ended
        assert "its checksum is another" in str(error) and connection.told == 2
    else:
        assert connection.ended == [] and connection.told == 3
    await client.close()


def _client(ccxt_id: str) -> Any:
    return client_of(ccxt_id, ccxt_id, urls=None, api_key="", secret="", passphrase="", options=None, timeout_ms=1_000)
