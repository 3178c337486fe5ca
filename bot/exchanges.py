"""From an exchange's settings to the adapter that talks to it."""

from __future__ import annotations

from bot.config.model import ExchangeSettings
from chains.exchanges.adapter import Exchange


def exchange_of(settings: ExchangeSettings) -> Exchange:
    """The exchange, not yet contacted. Raises `UnreadableSecret`, `ExchangeMisconfigured`."""
    return Exchange(
        settings.name,
        settings.ccxt_id or settings.name,
        settings.symbols,
        taker_fee_ppm=settings.taker_fee_ppm,
        urls=settings.urls,
        api_key=settings.api_key.read() if settings.api_key else "",
        secret=settings.api_secret.read() if settings.api_secret else "",
    )
