"""How ccxt is asked for one order by its client id: mostly for the order itself, where it cannot, for lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import ccxt

_IN_LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bybit": ("fetch_open_orders", "fetch_canceled_and_closed_orders"),
        "kraken": ("fetch_open_orders", "fetch_closed_orders"),
    }
)
"""Where an order is sought, in the way that it goes: one that ends meanwhile is in the next."""

_CALLED: Mapping[str, str] = MappingProxyType({"bybit": "orderLinkId"})

_BESIDES: Mapping[str, Mapping[str, str]] = MappingProxyType({"kraken": {"oflags": "fciq"}})
"""What else an order says: at Kraken that its fee is charged in the quote currency, which is what ccxt reads it as."""


def named(ccxt_id: str, client_id: str) -> dict[str, str]:
    """The parameter by which ccxt names an order of that client id, in whatever it asks."""
    # Kraken takes 18 characters. What is left out of ours is the same in all, or marks where their count begins.
    told = client_id.removeprefix("isthmus").replace("x", "") if ccxt_id == "kraken" else client_id
    return {_CALLED.get(ccxt_id, "clientOrderId"): told}


def at_once(ccxt_id: str, client_id: str) -> dict[str, str]:
    """The parameters of an order that trades immediately or never."""
    return {"timeInForce": "IOC", **named(ccxt_id, client_id), **_BESIDES.get(ccxt_id, {})}


async def order_of(client: Any, ccxt_id: str, client_id: str, symbol: str) -> Any:
    """ccxt's order. Raises `OrderNotFound`, and what else ccxt raises."""
    asked = named(ccxt_id, client_id)
    if ccxt_id not in _IN_LISTS:
        return await client.fetch_order(None, symbol, asked)
    for where in _IN_LISTS[ccxt_id]:
        for order in await getattr(client, where)(symbol, None, None, asked):
            if order["clientOrderId"] in asked.values():
                return order
    raise ccxt.OrderNotFound(f"{ccxt_id} knows no order {client_id}")
