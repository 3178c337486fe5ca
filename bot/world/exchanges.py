"""From an exchange's settings to the adapter that talks to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bot.config.model import ExchangeSettings
from chains.exchanges.books import CURRENCY_DECIMALS
from chains.networks import Network

if TYPE_CHECKING:
    from chains.exchanges.adapter import Exchange


def exchange_of(
    settings: ExchangeSettings,
    network: Network,
    *,
    urls: Mapping[str, Any] | None = None,
    key: tuple[str, str] | None = None,
) -> Exchange:
    """The exchange as `network` knows it, not yet contacted; `urls` and the `key` with its secret stand in place of the
    settings' own.

    Raises `UnreadableSecret`, `ExchangeMisconfigured`.
    """
    # Here, because ccxt loads all the exchanges it knows, and most runs name none.
    from chains.exchanges.adapter import Exchange

    return Exchange(
        settings.name,
        settings.ccxt_id or settings.name,
        settings.symbols,
        taker_fee_ppm=settings.taker_fee_ppm,
        decimals=network.exchange_decimals.get(settings.name, CURRENCY_DECIMALS),
        urls=urls or settings.urls,
        api_key=key[0] if key else settings.api_key.read() if settings.api_key else "",
        secret=key[1] if key else settings.api_secret.read() if settings.api_secret else "",
        passphrase=settings.api_passphrase.read() if settings.api_passphrase and not key else "",
    )
