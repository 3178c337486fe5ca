"""Where ccxt finds an exchange that is not at its usual addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def ccxt_urls(http_url: str, ws_url: str) -> Mapping[str, Any]:
    """The `urls` with which ccxt's `binance` talks to a Binance at other addresses."""
    return {
        "api": {
            "public": f"{http_url}/api/v3",
            "private": f"{http_url}/api/v3",
            "v1": f"{http_url}/api/v1",
            "sapi": f"{http_url}/sapi/v1",
            "fapiPublic": f"{http_url}/fapi/v1",
            "dapiPublic": f"{http_url}/dapi/v1",
            "ws": {"spot": f"{ws_url}/ws"},
        }
    }
