"""What Binance spot allows per symbol, and how its numbers are written: eight decimals, carried here as integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

SCALE = 10**8
"""Prices, quantities and balances are integers in units of 10^-8."""

DEPTH_LIMITS = (5000, 100)
"""Most, and default, levels of `/api/v3/depth`."""


def units(text: str) -> int:
    """Binance's own eight-decimal text, such as `2683.80000000`, as an integer of 10^-8."""
    return int(text.replace(".", ""))


def text(amount: int) -> str:
    """The inverse of `units`, for amounts that are not negative."""
    return f"{amount // SCALE}.{amount % SCALE:08d}"


def quote_amount(price: int, quantity: int) -> int:
    """Quote units for `quantity` base units at `price`. Exact: every rule has tick · lot divisible by `SCALE`."""
    return price * quantity // SCALE


def quote_to_lock(price: int, quantity: int) -> int:
    """As `quote_amount`, rounded up, for prices and quantities nobody checked yet."""
    return -(-price * quantity // SCALE)


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """One symbol's filters in units of 10^-8, as Binance served them for spot in August 2024."""

    symbol: str
    base: str
    quote: str
    tick: int
    lot: int
    max_price: int
    max_quantity: int
    max_market_quantity: int
    min_notional: int
    max_open_orders: int = 200
    price_band: tuple[int, int] = (5, 5)
    """A limit may be at most `price_band[0]` times, and at least 1/`price_band[1]` of, the mid-price."""


def _usdt(base: str, lot: int, max_market_quantity: str) -> SymbolRules:
    return SymbolRules(
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        tick=units("0.01000000"),
        lot=lot,
        max_price=units("1000000.00000000"),
        max_quantity=units("9000.00000000"),
        max_market_quantity=units(max_market_quantity),
        min_notional=units("5.00000000"),
    )


RULES: Mapping[str, SymbolRules] = MappingProxyType(
    {
        "ETHUSDT": _usdt("ETH", units("0.00010000"), "1563.05015459"),
        "BTCUSDT": _usdt("BTC", units("0.00001000"), "114.12693879"),
    }
)
"""The symbols that are recorded. `MARKET_LOT_SIZE` changes daily at Binance; these are days of that year."""

RATE_LIMITS = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
)


def symbol_info(rules: SymbolRules) -> dict[str, Any]:
    """The symbol's entry in `/api/v3/exchangeInfo`. Only filters that are enforced here are listed."""
    up, down = rules.price_band
    band = {
        "bidMultiplierUp": str(up),
        "bidMultiplierDown": str(1 / down),
        "askMultiplierUp": str(up),
        "askMultiplierDown": str(1 / down),
        "avgPriceMins": 5,
    }
    lot, tick = text(rules.lot), text(rules.tick)
    return {
        "symbol": rules.symbol,
        "status": "TRADING",
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": text(rules.max_price), "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": text(rules.max_quantity), "stepSize": lot},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": text(0),
                "maxQty": text(rules.max_market_quantity),
                "stepSize": text(0),
            },
            {"filterType": "PERCENT_PRICE_BY_SIDE", **band},
            {
                "filterType": "NOTIONAL",
                "minNotional": text(rules.min_notional),
                "applyMinToMarket": True,
                "maxNotional": text(units("9000000.00000000")),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_open_orders},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }
