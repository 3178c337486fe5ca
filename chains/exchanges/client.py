"""ccxt's client of an exchange, told what spot trading needs and no more."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import ccxt.pro

from chains.exchanges.gaps import look_for_gaps
from chains.exchanges.troubles import ExchangeMisconfigured

QUIET: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "binance": {
            "rateLimiterAlgorithm": "rollingWindow",
            "options": {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]}},
        }
    }
)
"""ccxt settings, per exchange, that spare calls spot trading does not need and keep orders from queueing."""


LONGEST_WAIT_S = 3_600
"""An exchange that wants to be left alone for longer is asked again after this."""

FOLLOWED_DEPTH = 1_000
_FOLLOWED: Mapping[str, int] = MappingProxyType({"kucoin": 100, "bitfinex": 100, "bittrade": 150, "htx": 400})


def followed_depth(ccxt_id: str) -> int:
    """Levels that ccxt is to follow per side: what a snapshot lacks is missing until it changes, so more than are kept,
    as far as the exchange allows.
    """
    return _FOLLOWED.get(ccxt_id, FOLLOWED_DEPTH)


def client_of(
    name: str,
    ccxt_id: str,
    *,
    urls: Mapping[str, Any] | None,
    api_key: str,
    secret: str,
    passphrase: str,
    options: Mapping[str, Any] | None,
    timeout_ms: int,
) -> Any:
    """The client, not yet connected. Raises `ExchangeMisconfigured`."""
    if ccxt_id not in ccxt.pro.exchanges:
        close = difflib.get_close_matches(ccxt_id, ccxt.pro.exchanges, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ExchangeMisconfigured(f"{name}: ccxt.pro has no exchange {ccxt_id!r}{hint}")
    quiet = QUIET.get(ccxt_id, {})
    client = getattr(ccxt.pro, ccxt_id)(
        {
            **quiet,
            # What is asked in an account's name bears a time: the exchange's, whatever this machine's clock says.
            "options": {"adjustForTimeDifference": bool(api_key), **quiet.get("options", {}), **(options or {})},
            "urls": dict(urls or {}),
            "apiKey": api_key,
            "secret": secret,
            "password": passphrase,
            "timeout": timeout_ms,
            "enableRateLimit": True,
            "number": str,
        }
    )
    if api_key and not passphrase and client.requiredCredentials["password"]:
        raise ExchangeMisconfigured(f"{name}: its API keys have a passphrase; write where it is as `api_passphrase`")
    # At the level of debugging, ccxt logs every request with its headers, the key among them.
    client.logger = logging.Logger("ccxt", logging.INFO)
    look_for_gaps(client, ccxt_id)
    _handle_well(client)
    return client


def _handle_well(client: Any) -> None:
    """Have ccxt's client keep its live books in floats, as all of it that sorts them expects, and end a connection of
    which it cannot read a message: it would read nothing more of it, and the book would stand as if nothing happened.
    """
    handle, number = client.handle_message, client.number

    def handled(connection: Any, message: Any) -> None:
        # Who waits is told once all of a message is read, or hears that it cannot be.
        resolve, read = connection.resolve, list[tuple[Any, ...]]()
        connection.resolve, client.number = lambda *told: read.append(told), float
        try:
            handle(connection, message)
        except Exception as error:
            read.clear()
            connection.on_error(ccxt.NetworkError(f"a message cannot be read: {type(error).__name__}: {error}"))
        finally:
            connection.resolve, client.number = resolve, number
        for told in read:
            resolve(*told)

    client.handle_message = handled


async def taker_fees(client: Any, symbols: Iterable[str]) -> Mapping[str, str]:
    """What the account pays, by symbol, where the exchange tells. Raises what ccxt raises."""
    told: Mapping[str, Mapping[str, str | None]] = {}
    if client.has["fetchTradingFees"]:
        told = await client.fetch_trading_fees()
    elif client.has["fetchTradingFee"]:
        told = {symbol: await client.fetch_trading_fee(symbol) for symbol in symbols if symbol in client.markets}
    return {symbol: taker for symbol, fees in told.items() if (taker := fees.get("taker"))}


def asked_to_wait_s(client: Any) -> int:
    """For how long the exchange's last answer asks to be left alone, in seconds; 0 where it does not say."""
    headers = {name.lower(): said for name, said in (client.last_response_headers or {}).items()}
    said = str(headers.get("retry-after", ""))
    return min(int(said), LONGEST_WAIT_S) if said.isdecimal() else 0


async def list_anew(client: Any, symbols: Iterable[str]) -> None:
    """Read the markets again. Those of `symbols` that are not listed now stay as they were known: what is traded again
    later could not be followed otherwise. Raises what ccxt raises.
    """
    known = {symbol: client.markets[symbol] for symbol in symbols if symbol in client.markets}
    await client.load_markets(True)
    missing = [market for symbol, market in known.items() if symbol not in client.markets]
    if missing:
        client.set_markets([*client.markets.values(), *missing])
