"""ccxt's dictionaries and exceptions read into exact values. ccxt is run with `number: str`, so money stays text."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt

from chains.assets import Token
from chains.concealing import Concealing
from chains.exchanges.books import PPM, Book, Level
from chains.exchanges.orders import ExchangeOrder, Fill, OrderReport, OrderStatus

Raw = Mapping[str, Any]

REFUSALS = (
    ccxt.InsufficientFunds,
    ccxt.InvalidOrder,
    ccxt.BadRequest,
    ccxt.AuthenticationError,
    ccxt.ArgumentsRequired,
    ccxt.NotSupported,
    ccxt.OperationRejected,
)
"""What ccxt raises only when the exchange, or ccxt before it, definitely refused an order."""

ANSWERED = (ccxt.InvalidNonce, ccxt.RateLimitExceeded, ccxt.DDoSProtection, ccxt.OnMaintenance)
"""Refused for its timestamp, as one request too many, or since nothing is traded there now: ccxt files these under
network errors, but the exchange did answer, and what it asks before it places an order comes before that. Left unknown,
one too many would have been looked for until a person settled it.
"""

NEVER_LEFT = (aiohttp.ClientConnectorError, socket.gaierror)
"""Why no connection was made: not a byte of the request left this machine."""

ENDED = ("closed", "canceled", "expired")
"""What ccxt calls an order that trades no more."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange asks of orders in one symbol, in the units of `Book`."""

    base: Token
    quote: Token
    tick: int
    lot: int
    min_amount: int
    min_notional: int
    taker_fee_ppm: int
    max_amount: int | None = None
    max_notional: int | None = None

    def book(self, exchange: str, symbol: str, raw: Raw, depth: int, arrived_ns: int) -> Book:
        """A book of at most `depth` levels a side from ccxt's order book, as far as one order reaches."""
        return Book(
            exchange=exchange,
            symbol=symbol,
            base=self.base,
            quote=self.quote,
            bids=self._levels(raw["bids"][:depth], math.floor),
            asks=self._levels(raw["asks"][:depth], math.ceil),
            tick=self.tick,
            lot=self.lot,
            min_amount=self.min_amount,
            min_notional=self.min_notional,
            taker_fee_ppm=self.taker_fee_ppm,
            nonce=raw["nonce"] or 0,
            at_ms=raw.get("timestamp") or 0,
            arrived_ns=arrived_ns,
            max_amount=self.max_amount,
            max_notional=self.max_notional,
        ).of_one_order()

    def _levels(self, rows: list[list[Any]], whole: Callable[[Decimal], int]) -> tuple[Level, ...]:
        # What rested before a tick was coarsened may lie between two: `whole` makes it no better than it is.
        # ccxt keeps its live books in floats; `str` gives back the digits the exchange sent, as they are at most 15
        tick, lot = self.quote.whole(self.tick), self.base.whole(self.lot)
        levels = ((whole(Decimal(str(row[0])) / tick), int(Decimal(str(row[1])) / lot)) for row in rows)
        return tuple((ticks, lots) for ticks, lots in levels if ticks > 0 and lots > 0)


def terms(market: Raw, precision_mode: int, taker_fee: str | None, token: Callable[[str], Token]) -> Terms:
    """Read a ccxt market. A fee finer than a part per million is rounded up. Raises `ValueError` with the reason."""
    base, quote = token(market["base"]), token(market["quote"])
    if not market.get("spot"):
        raise ValueError("is not a spot market")
    if taker_fee is None:
        raise ValueError("states no taker fee; write it as `taker_fee_ppm`")
    tick = quote.units(_step(market["precision"]["price"], precision_mode))
    lot = base.units(_step(market["precision"]["amount"], precision_mode))
    if tick <= 0 or lot <= 0:
        raise ValueError(f"states steps of {quote.whole(tick)} for prices and {base.whole(lot)} for amounts")
    return Terms(
        base=base,
        quote=quote,
        tick=tick,
        lot=lot,
        min_amount=base.units(market["limits"]["amount"]["min"] or 0),
        min_notional=quote.units(market["limits"]["cost"]["min"] or 0),
        # ccxt's own idea of a fee is a float
        taker_fee_ppm=math.ceil(Decimal(str(taker_fee)) * PPM),
        max_amount=_most(market["limits"]["amount"], base),
        max_notional=_most(market["limits"]["cost"], quote),
    )


def _most(limits: Raw, token: Token) -> int | None:
    """The upper one, in base units, rounded down; zero is how some say that there is none."""
    return int(Decimal(limits.get("max") or 0).scaleb(token.decimals)) or None


def _step(precision: str | None, mode: int) -> Decimal:
    if precision is None:
        raise ValueError("states no price or amount precision")
    if mode == ccxt.TICK_SIZE:
        return Decimal(precision)
    if mode == ccxt.DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(precision))
    raise ValueError("rounds to significant digits, which is not supported")


def fills(trades: list[Raw], terms: Terms, token: Callable[[str], Token]) -> tuple[Fill, ...]:
    """ccxt's trades of one order, in its order, each once. Raises `ValueError` for one without an id, which could not
    be told from another, and for one whose fee is not told, or not in what it was charged.
    """
    read = dict[str, Fill]()
    for trade in trades:
        fee = _fee(trade)
        if trade["id"] is None or fee is None:
            raise ValueError("a trade without its id or its fee")
        read[str(trade["id"])] = Fill(
            trade_id=str(trade["id"]),
            price=Decimal(trade["price"]),
            amount=terms.base.units(trade["amount"]),
            cost=terms.quote.units(trade["cost"]),
            fee_currency=fee["currency"] or terms.quote.address,
            fee_units=token(fee["currency"]).units(fee["cost"]),
        )
    return tuple(read.values())


def charged(terms: Terms, fills: Iterable[Fill]) -> Terms:
    """`terms` with the fee that trades were charged in what they brought, or in what they cost, where it is dearer."""
    fills = tuple(fills)
    rates = [terms.taker_fee_ppm]
    for token in (terms.base, terms.quote):
        paid = [fill for fill in fills if fill.fee_currency == token.address]
        gross = sum(fill.amount if token == terms.base else fill.cost for fill in paid)
        if gross:
            # Each may have been rounded up by a unit.
            rates.append(-(-(sum(fill.fee_units for fill in paid) - len(paid)) * PPM // gross))
    return replace(terms, taker_fee_ppm=max(rates))


def _fee(trade: Raw) -> Raw | None:
    """What a trade was charged; None where that is not told. Some exchanges list all currencies that could pay it, such
    as Gate its own coin and points, of which one does. Nothing may be charged in no currency.
    """
    told: list[Raw | None] = trade.get("fees") or [trade.get("fee") or None]
    fees = [fee for fee in told if fee is not None and fee["cost"] is not None]
    paid = [fee for fee in fees if Decimal(fee["cost"])]
    if len(fees) < len(told) or len(paid) > 1 or any(fee["currency"] is None for fee in paid):
        return None
    return paid[0] if paid else fees[0]


def report(raw: Raw, client_id: str, trades: tuple[Fill, ...]) -> OrderReport:
    """A report of ccxt's order `raw` with its trades. A status ccxt cannot name is `UNKNOWN`."""
    match raw["status"]:
        case "open":
            status = OrderStatus.OPEN
        case ended if ended in ENDED:
            whole = Decimal(raw["filled"]) == Decimal(raw["amount"])
            status = OrderStatus.FILLED if whole else OrderStatus.CANCELLED
        case "rejected":
            status = OrderStatus.REJECTED
        case _:
            status = OrderStatus.UNKNOWN
    return OrderReport(client_id, raw["symbol"], raw["side"], status, str(raw["id"]), trades)


def failure(order: ExchangeOrder, error: Exception, conceal: Concealing) -> OrderReport:
    """What an exception says of the order whose placing raised it: `REJECTED` on the venue's word, else `UNKNOWN`."""
    if isinstance(error.__cause__, NEVER_LEFT):
        detail = f"it was not sent: {told(error.__cause__, conceal)}"
        return OrderReport(order.client_id, order.symbol, order.side, OrderStatus.REJECTED, detail=detail)
    refused = isinstance(error, REFUSALS) or type(error) in ANSWERED
    if not refused or is_duplicate(error):
        return unknown(order, error, conceal)
    return OrderReport(order.client_id, order.symbol, order.side, OrderStatus.REJECTED, detail=told(error, conceal))


def is_duplicate(error: Exception) -> bool:
    """A refused duplicate did nothing, but says that an order of this id exists, whose fate is not known here."""
    said = str(error).lower()
    return isinstance(error, ccxt.DuplicateOrderId) or "duplicate" in said or "already exist" in said


def unknown(order: ExchangeOrder, error: Exception, conceal: Concealing) -> OrderReport:
    """The report of an order whose fate `error` left open."""
    return OrderReport(order.client_id, order.symbol, order.side, OrderStatus.UNKNOWN, detail=told(error, conceal))


def told(error: BaseException, conceal: Concealing) -> str:
    """An exception in one line, without what `conceal` hides and the query strings, which hold signatures."""
    message = re.sub(r"\?\S*", "", conceal(str(error))).replace("\n", " ").strip()
    return f"{type(error).__name__}: {message[:300]}" if message else type(error).__name__
