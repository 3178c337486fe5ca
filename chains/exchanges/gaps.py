"""Updates of order books that are missing, at exchanges where ccxt's client goes on without them.

What they removed would stay in the book for good. The client is made to stumble instead, and the book is begun anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import ccxt

_NUMBERED: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "bybit": ("data", "s", "u", "u"),
        "gate": ("result", "s", "U", "u"),
        "kucoin": ("data", "symbol", "sequenceStart", "sequenceEnd"),
    }
)
"""Exchanges that number the updates of a book without gaps, at which ccxt does not look: where an update stands in a
message, and by what names it tells its market, its first number and its last."""

_SUMMED_LEVELS = 10
"""So many of the best on each side are in Kraken's checksum."""
_EXACT = 2**53
"""What floats tell apart."""


def look_for_gaps(client: Any, ccxt_id: str) -> None:
    """Have ccxt's client raise `ccxt.ChecksumError` over a message that shows that updates are missing."""
    if ccxt_id in _NUMBERED:
        _count(client, ccxt_id)
    elif ccxt_id == "kraken":
        _sum_up(client)


def _count(client: Any, ccxt_id: str) -> None:
    handle = client.handle_order_book
    inside, name, first_of, last_of = _NUMBERED[ccxt_id]

    def checked(connection: Any, message: Mapping[str, Any]) -> None:
        update = client.safe_dict(message, inside, {})
        market_id = client.safe_string(update, name, "").removeprefix("ob.").partition(".")[0]
        symbol = client.safe_symbol(market_id, None, None, "spot")
        known = client.safe_integer(client.orderbooks.get(symbol), "nonce")
        first = client.safe_integer(update, first_of)
        whole = message.get("type") == "snapshot" or update.get("full")
        if not whole and known is not None and first is not None and first > known + 1:
            raise ccxt.ChecksumError(f"updates {known + 1} to {first - 1} of {symbol} are missing")
        handle(connection, message)
        if ccxt_id == "bybit" and symbol in client.orderbooks:
            client.orderbooks[symbol]["nonce"] = client.safe_integer(update, last_of)

    client.handle_order_book = checked


def _sum_up(client: Any) -> None:
    handle = client.handle_order_book
    understood = set[str]()
    """Symbols whose snapshot had the checksum that is told with it."""

    def checked(connection: Any, message: Mapping[str, Any]) -> None:
        handle(connection, message)
        told = message["data"][0]
        symbol, book = told["symbol"], client.orderbooks[told["symbol"]]
        own = _kraken_checksum(book, client.markets.get(symbol, {}).get("info") or {})
        if message["type"] == "snapshot":
            (understood.add if own == told.get("checksum") else understood.discard)(symbol)
        elif own not in (None, told.get("checksum")) and symbol in understood:
            raise ccxt.ChecksumError(f"updates of {symbol} are missing: its checksum is another")

    client.handle_order_book = checked


def _kraken_checksum(book: Mapping[str, Sequence[Sequence[float]]], market: Mapping[str, Any]) -> int | None:
    """Of the digits of prices and amounts, those of the asks first; None where floats do not tell them."""
    decimals = int(market.get("pair_decimals", 0)), int(market.get("lot_decimals", 0))
    digits = list[str]()
    for level in (*book["asks"][:_SUMMED_LEVELS], *book["bids"][:_SUMMED_LEVELS]):
        units = [round(value * 10**places) for value, places in zip(level, decimals, strict=False)]
        if max(units) >= _EXACT:
            return None
        digits += map(str, units)
    return zlib.crc32("".join(digits).encode())
