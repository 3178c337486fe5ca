"""What can be wrong with an exchange, as a value and as exceptions, apart from the library that talks to it."""

from __future__ import annotations

from dataclasses import dataclass


class ExchangeUnavailable(ConnectionError):
    """The exchange cannot be reached or does not answer as it should."""


class ExchangeMisconfigured(ValueError):
    """The exchange is there, but what was configured does not fit it: a symbol, a key, a ccxt id."""


@dataclass(frozen=True, slots=True)
class FeedTrouble:
    """A book stream broke or missed something; it is being repaired. `detail` is one line for a person."""

    exchange: str
    symbol: str
    detail: str
