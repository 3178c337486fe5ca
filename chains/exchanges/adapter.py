"""A centralised exchange through ccxt: books as they change, orders, balances. Any exchange ccxt.pro knows will do for
books; orders are placed where ccxt finds them by their client ids."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

import ccxt

from chains.assets import InvalidAmount, Token
from chains.concealing import Concealing
from chains.exchanges import reading
from chains.exchanges.asking import Asking
from chains.exchanges.books import CURRENCY_DECIMALS, Book
from chains.exchanges.client import asked_to_wait_s, client_of, followed_depth, list_anew, taker_fees
from chains.exchanges.following import Following
from chains.exchanges.lookup import at_once, order_of
from chains.exchanges.lost import Lost
from chains.exchanges.orders import ExchangeOrder, Fill, OrderReport, OrderStatus
from chains.exchanges.troubles import ExchangeMisconfigured, ExchangeUnavailable, FeedTrouble

DEPTH = 100
"""Levels kept per side."""
IDLE_S = 6.0
"""An account that is asked nothing for so long, at most for twice as long, is asked the time: soon after, the
connection that an order will need is closed (aiohttp keeps one for 15 s), and a new one first takes two round trips."""

JUDGES_EACH_ALONE = frozenset({"binance", "binanceus", "bybit"})
"""Exchanges to which a request is valid by its own timestamp, whatever came before it. Others may want a number that
rises with each, and refuse what was overtaken: there, what is asked of orders is asked one at a time."""

TRADES_BY_ID = frozenset({"binance", "binanceus"})
"""Exchanges that tell the newest trades of an order, and those from an id on, oldest first."""

TRADES_ASKED: Mapping[str, Mapping[str, Any]] = MappingProxyType({"bybit": {"paginate": True}})
"""What besides is asked for where an order's trades come in pages that ccxt goes through."""

NOBODYS = "isthmus0000000000000000x0"
"""A client id of the form that orders bear, and that none does."""

BROKEN_RULES = (ccxt.InvalidOrder, ccxt.BadRequest)
"""What ccxt raises for an order that is against the rules of its symbol, such as another tick than was read."""


class Exchange:
    """One exchange account and the books of `symbols` (ccxt's unified ones, such as `ETH/USDT`).

    `urls` and `options` are merged over ccxt's own. Amounts are integers in base units of `decimals`.
    `taker_fee_ppm` is believed instead of what the exchange reports. `answers_within_s` is how long a look-up may hold
    up who asks. Nothing is contacted before `connect`.
    """

    def __init__(
        self,
        name: str,
        ccxt_id: str,
        symbols: Sequence[str],
        *,
        urls: Mapping[str, Any] | None = None,
        api_key: str = "",
        secret: str = "",
        passphrase: str = "",
        options: Mapping[str, Any] | None = None,
        taker_fee_ppm: int | None = None,
        decimals: int = CURRENCY_DECIMALS,
        timeout_ms: int = 10_000,
        answers_within_s: float = 1.0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        client = client_of(
            name,
            ccxt_id,
            urls=urls,
            api_key=api_key,
            secret=secret,
            passphrase=passphrase,
            options=options,
            timeout_ms=timeout_ms,
        )
        self.name = name
        self.symbols = tuple(symbols)
        self.calls_made = 0
        """Requests sent so far, WebSocket messages not counted."""
        self._client = client
        self._ccxt_id = ccxt_id
        self._conceal = Concealing((api_key, secret, passphrase))
        self._fetch = client.fetch
        client.fetch = self._fetched
        self._has_key = bool(api_key)
        self._turn = contextlib.nullcontext() if ccxt_id in JUDGES_EACH_ALONE else asyncio.Lock()
        self._trades_asked = TRADES_ASKED.get(ccxt_id, {})
        self._trades_by_id = ccxt_id in TRADES_BY_ID
        self._answers_within_s = answers_within_s
        self._asking = Asking[OrderReport | None](answers_within_s)
        self._lost = Lost(name, ccxt_id)
        self._monotonic_ns = monotonic_ns
        self._left_alone_until_ns = 0
        self._taker_fee_ppm = taker_fee_ppm
        self._decimals = decimals
        self._terms: dict[str, reading.Terms] = {}
        self._reading_terms: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._following = Following(name, self.symbols, client, followed_depth(ccxt_id), self._book, self._told)
        self.books = self._following.books
        """The last book of each symbol watched."""

    async def connect(self, *, to_trade: bool = False) -> None:
        """Load and check the symbols' rules and fees, with a key that orders can be looked up, and `to_trade` that the
        key may place them.

        Raises `ExchangeUnavailable`, `ExchangeMisconfigured`.
        """
        try:
            await self._client.load_markets()
            fees = await taker_fees(self._client, self.symbols) if self._has_key else {}
        except ccxt.AuthenticationError as error:
            raise self._refuses_key(error) from None
        except Exception as error:
            # ccxt stumbles over what it does not expect, each time in another way.
            raise self._unavailable(error) from None
        for symbol in self.symbols:
            market = self._client.markets.get(symbol)
            if market is None:
                close = difflib.get_close_matches(symbol, self._client.markets, 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise ExchangeMisconfigured(f"{self.name} does not trade {symbol}{hint}")
            fee = fees.get(symbol) or market["taker"] if self._taker_fee_ppm is None else "0"
            try:
                terms = reading.terms(market, self._client.precisionMode, fee, self.token)
                if self._taker_fee_ppm is not None:
                    terms = replace(terms, taker_fee_ppm=self._taker_fee_ppm)
                self._terms[symbol] = terms
            except ValueError as error:
                raise ExchangeMisconfigured(f"{symbol} at {self.name} {error}") from None
            except ArithmeticError:
                raise ExchangeMisconfigured(f"{symbol} at {self.name} states a rule that is no number") from None
        if self._has_key:
            await self._require_lookups()
        if to_trade and await self.may_trade() is False:
            raise ExchangeMisconfigured(
                f"{self.name}: the API key may not trade; permit it spot trading there, or run with --mode dry"
            )

    async def watch(
        self,
        on_book: Callable[[Book], None],
        on_trouble: Callable[[FeedTrouble], None] = lambda trouble: None,
        first_within_s: float = 20.0,
    ) -> None:
        """Follow every symbol's book until `close`, and return once each has arrived once.

        `on_book` is called with every new state, `on_trouble` whenever a stream broke or a gap was found; both heal
        by themselves. Raises `ExchangeUnavailable` if a first book does not come in time.
        """
        if not self._terms:
            raise RuntimeError(f"{self.name}: connect() comes before watch()")
        said: dict[str, str] = {}

        def troubled(trouble: FeedTrouble) -> None:
            said[trouble.symbol] = trouble.detail
            on_trouble(trouble)

        self._following.begin(on_book, troubled)
        if self._has_key and self._client.has["fetchTime"]:
            self._tasks.append(asyncio.create_task(self._stay_connected()))
        try:
            async with asyncio.timeout(first_within_s):
                await asyncio.gather(*(self.reached(symbol, 0) for symbol in self.symbols))
        except TimeoutError:
            missing = [symbol for symbol in self.symbols if symbol not in self.books]
            silent = ", ".join(f"{it} ({said[it]})" if it in said else it for it in missing)
            raise ExchangeUnavailable(
                f"{self.name} sent no book of {silent} within {first_within_s:g} s; check its urls and the network"
            ) from None

    async def reached(self, symbol: str, nonce: int) -> None:
        """Return once the watched book of `symbol` has at least that update id. Raises what ended the watching."""
        await self._following.reached(symbol, nonce)

    async def fetch_book(self, symbol: str) -> Book:
        """The book by request. Raises `ExchangeUnavailable`."""
        try:
            return self._book(symbol, await self._client.fetch_order_book(symbol, DEPTH))
        except Exception as error:
            raise self._unavailable(error) from None

    async def place(self, order: ExchangeOrder) -> OrderReport:
        """Send an immediate-or-cancel limit order once, and say what is known of it.

        Never raises for what the exchange or the wire did: a refusal is `REJECTED`, and anything that leaves the
        outcome open, such as a time-out, is `UNKNOWN`, to be settled with `find`.
        """
        terms = self._terms[order.symbol]
        price = terms.quote.units(order.limit_price)
        if order.amount <= 0 or order.amount % terms.lot or price <= 0 or price % terms.tick:
            detail = (
                f"{terms.base.whole(order.amount)} at {order.limit_price} is not in whole lots of "
                f"{terms.base.whole(terms.lot)} and ticks of {terms.quote.whole(terms.tick)}"
            )
            return OrderReport(order.client_id, order.symbol, order.side, OrderStatus.REJECTED, detail=detail)
        async with self._turn:
            report = await self._place(order, terms)
        if report.status is OrderStatus.UNKNOWN and report.order_id:
            # Some say of an order only that they took it.
            with contextlib.suppress(ExchangeUnavailable):
                return await self.find(order.client_id, order.symbol) or report
        return report

    def sent_before(self, order: ExchangeOrder) -> None:
        """An earlier process may have sent `order`, of which nothing was ever heard; nobody sends it any more."""
        self._lost.note(order, self._monotonic_ns())

    async def find(self, client_id: str, symbol: str) -> OrderReport | None:
        """The order with that client id, or None if the exchange knows none. Raises `ExchangeUnavailable`.

        Of one whose answer was lost here, and that cannot be taken any more, not to be known is to be refused. It is
        not waited for longer than `answers_within_s`: the next one who asks hears what came since.
        """
        try:
            return await self._asking.ask(client_id, lambda: self._find(client_id, symbol))
        except TimeoutError as error:
            raise ExchangeUnavailable(f"{self.name} has not said yet what became of {client_id}: {error}") from None

    async def _find(self, client_id: str, symbol: str) -> OrderReport | None:
        asked_ns = self._monotonic_ns()
        try:
            async with self._turn:
                raw = await order_of(self._client, self._ccxt_id, client_id, symbol)
                self._lost.seen(client_id)
                return await self._report(raw, client_id)
        except ccxt.OrderNotFound:
            return self._lost.never_taken(client_id, asked_ns)
        except Exception as error:
            raise self._unavailable(error) from None

    async def cancel(self, client_id: str, symbol: str) -> OrderReport | None:
        """End an order if it is still open, and say how it ended; None if unknown. Raises `ExchangeUnavailable`."""
        try:
            async with self._turn:
                # By the exchange's own id: not every one, or ccxt, cancels by ours.
                known = await order_of(self._client, self._ccxt_id, client_id, symbol)
                await self._client.cancel_order(known["id"], symbol)
        except ccxt.InvalidOrder:
            pass  # ended already, or not found: `find` tells which
        except Exception as error:
            raise self._unavailable(error) from None
        return await self._find(client_id, symbol)

    async def balances(self) -> dict[str, int]:
        """What the account owns per currency, locked or not, zeros left out. Raises `ExchangeUnavailable`."""
        try:
            return await self._held("total")
        except Exception as error:
            raise self._unavailable(error) from None

    async def free(self) -> dict[str, int]:
        """What the account can spend now per currency, zeros left out. Raises `ExchangeUnavailable`, also where it does
        not answer within `answers_within_s`, and `ExchangeMisconfigured` where the key is refused or may not trade.
        """
        try:
            async with asyncio.timeout(self._answers_within_s):
                held, may_trade = await asyncio.gather(self._held("free"), self.may_trade())
        except TimeoutError:
            raise ExchangeUnavailable(f"{self.name} does not say what is free there") from None
        except Exception as error:
            raise self._refuses_key(error) if _is_of_key(error) else self._unavailable(error) from None
        if may_trade is False:
            raise ExchangeMisconfigured(f"{self.name}: the API key may not trade; permit it spot trading there")
        return held

    async def _held(self, how: Literal["free", "total"]) -> dict[str, int]:
        told = await self._client.fetch_balance()
        # Where only one of the two is told, it is both.
        held = {currency: told[how].get(currency) or total for currency, total in told["total"].items()}
        owned = {currency: self.token(currency).units(amount) for currency, amount in held.items()}
        return {currency: amount for currency, amount in sorted(owned.items()) if amount}

    async def clock_skew_ms(self) -> int:
        """How far the exchange's clock is ahead of this machine's, half a round trip allowed for."""
        begun = self._client.milliseconds()
        try:
            return int(await self._client.fetch_time() - (begun + self._client.milliseconds()) // 2)
        except Exception as error:
            raise self._unavailable(error) from None

    async def may_withdraw(self) -> bool | None:
        """Whether the API key could withdraw; `None` where the exchange does not tell."""
        return await self._may("enableWithdrawals")

    async def may_trade(self) -> bool | None:
        """Whether the API key could place orders; `None` where the exchange does not tell."""
        return await self._may("enableSpotAndMarginTrading")

    async def _may(self, right: str) -> bool | None:
        if not hasattr(self._client, "sapi_get_account_apirestrictions"):
            return None
        try:
            rights: Mapping[str, bool | None] = await self._client.sapi_get_account_apirestrictions()
            return rights.get(right)
        except Exception:
            return None

    async def close(self) -> None:
        """Stop following and hang up."""
        tasks = [*self._tasks, *([self._reading_terms] if self._reading_terms else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self._following.close(), self._asking.close(), return_exceptions=True)
        await self._client.close()

    def token(self, currency: str) -> Token:
        """The token a currency of this exchange is."""
        return Token(self.name, currency, currency, self._decimals)

    def market_id(self, symbol: str) -> str:
        """The exchange's own id of a symbol: `ETHUSDT` for `ETH/USDT`."""
        market_id: str = self._client.market(symbol)["id"]
        return market_id

    def currencies(self) -> tuple[Token, ...]:
        """The currencies of the symbols watched, each once."""
        codes = dict.fromkeys(code for symbol in self.symbols for code in symbol.split(":")[0].split("/"))
        return tuple(self.token(code) for code in codes)

    def symbol_of(self, market_id: str) -> str:
        """ccxt's symbol for the exchange's own id: `ETH/USDT` for `ETHUSDT`. Raises `KeyError`."""
        return next(symbol for symbol in self.symbols if self._client.market(symbol)["id"] == market_id)

    async def _require_lookups(self) -> None:
        """An order whose answer was lost is found by its client id, or never: not every exchange, or ccxt, can."""
        try:
            await order_of(self._client, self._ccxt_id, NOBODYS, self.symbols[0])
            why = f"it knows {NOBODYS}, which nobody placed"
        except ccxt.OrderNotFound:
            return
        except ccxt.AuthenticationError as error:
            raise self._refuses_key(error) from None
        except ccxt.NetworkError as error:
            raise self._unavailable(error) from None
        except Exception as error:
            why = self._told(error)
        raise ExchangeMisconfigured(
            f"{self.name} cannot look an order up by its client id ({why}); without an API key, its books can be used"
        )

    async def _stay_connected(self) -> None:
        while True:
            before = self.calls_made
            await asyncio.sleep(IDLE_S)
            if self.calls_made == before:
                with contextlib.suppress(Exception):
                    await self._client.fetch_time()

    def _book(self, symbol: str, raw: reading.Raw) -> Book:
        return self._terms[symbol].book(self.name, symbol, raw, DEPTH, self._monotonic_ns())

    async def _place(self, order: ExchangeOrder, terms: reading.Terms) -> OrderReport:
        try:
            raw = await self._client.create_order(
                order.symbol,
                "limit",
                order.side,
                format(terms.base.whole(order.amount), "f"),
                format(order.limit_price, "f"),
                at_once(self._ccxt_id, order.client_id),
            )
        except Exception as error:
            if isinstance(error, BROKEN_RULES):
                self._read_anew()
            report = reading.failure(order, error, self._conceal)
            if report.status is OrderStatus.UNKNOWN and not reading.is_duplicate(error):
                self._lost.note(order, self._monotonic_ns())
            return report
        try:
            return await self._report(raw, order.client_id)
        except Exception as error:
            return reading.unknown(order, error, self._conceal)

    def _read_anew(self) -> None:
        if self._reading_terms is None or self._reading_terms.done():
            self._reading_terms = asyncio.create_task(self._read_terms_again())

    async def _read_terms_again(self) -> None:
        """The exchange may have changed its rules since they were read: the next book brings them. Its time is read
        with them.
        """
        with contextlib.suppress(Exception):
            await list_anew(self._client, self.symbols)
        for symbol, known in self._terms.items():
            # One that is no longer traded as it was does not keep the others from theirs.
            with contextlib.suppress(LookupError, ValueError, ArithmeticError):
                terms = reading.terms(self._client.markets[symbol], self._client.precisionMode, "0", self.token)
                self._terms[symbol] = replace(terms, taker_fee_ppm=known.taker_fee_ppm)

    async def _report(self, raw: reading.Raw, client_id: str) -> OrderReport:
        symbol = raw["symbol"]
        terms = self._terms[symbol]
        try:
            fills = reading.fills(raw["trades"], terms, self.token)
        except ValueError:
            # Its trades tell, where an answer lacks their ids or fees, or their costs, which ccxt works out finer than
            # the exchange accounts for.
            fills = ()
        filled = terms.base.units(raw["filled"] or 0)
        # Of an answer that lacks it, ccxt may make nothing.
        if not filled and raw["status"] in reading.ENDED and (raw["filled"] is None or Decimal(raw["cost"] or 0)):
            raise ccxt.BadResponse(f"order {client_id} ended, but it is not told what it filled")
        if sum(fill.amount for fill in fills) != filled:
            fills = await self._trades_of(raw["id"], symbol, filled)
        if sum(fill.amount for fill in fills) != filled:
            raise ccxt.BadResponse(f"order {client_id} filled {raw['filled']}, but its trades do not add up to that")
        self._terms[symbol] = reading.charged(terms, fills)
        return reading.report(raw, client_id, fills)

    async def _trades_of(self, order_id: str, symbol: str, filled: int) -> tuple[Fill, ...]:
        """Page after page, until they come to what is `filled` or nothing new comes any more."""
        terms, client = self._terms[symbol], self._client
        if client.has["fetchOrderTrades"] is not True:
            trades = [trade for trade in await client.fetch_my_trades(symbol) if trade["order"] == order_id]
            return reading.fills(trades, terms, self.token)
        page = reading.fills(
            await client.fetch_order_trades(order_id, symbol, None, None, self._trades_asked), terms, self.token
        )
        found = {fill.trade_id: fill for fill in page}
        known, from_id = 0, 1
        while len(found) > known and self._trades_by_id and sum(fill.amount for fill in found.values()) < filled:
            known = len(found)
            trades = await client.fetch_order_trades(order_id, symbol, None, None, {"fromId": from_id})
            page = reading.fills(trades, terms, self.token)
            found |= {fill.trade_id: fill for fill in page}
            from_id = max((int(fill.trade_id) for fill in page), default=0) + 1
        return tuple(found.values())

    async def _fetched(self, *args: Any, **kwargs: Any) -> Any:
        """What ccxt asks for, counted. A page is no answer, nor is an object without anything in it: ccxt would take it
        for an empty account, or for a snapshot without an id, after which it waits for one for ever. While the exchange
        wants to be left alone it is: it bans who goes on asking, and ever longer.
        """
        left_s = (self._left_alone_until_ns - self._monotonic_ns()) / 1e9
        if left_s > 0:
            raise ccxt.RateLimitExceeded(f"{self.name} is not asked, as it said, for {left_s:.0f} s more")
        self.calls_made += 1
        try:
            said = await self._fetch(*args, **kwargs)
        except ccxt.InvalidNonce:
            self._read_anew()
            raise
        except (ccxt.RateLimitExceeded, ccxt.DDoSProtection):
            asked_ns = self._monotonic_ns() + asked_to_wait_s(self._client) * 10**9
            self._left_alone_until_ns = max(self._left_alone_until_ns, asked_ns)
            raise
        # Some tell the time as a bare number.
        if isinstance(said, list) or (isinstance(said, dict) and said):
            return said
        if isinstance(said, str) and said.strip().isdecimal():
            return said
        raise ccxt.ExchangeNotAvailable(f"no JSON, but {str(said)[:100]!r}")

    def _told(self, error: BaseException) -> str:
        return reading.told(error, self._conceal)

    def _refuses_key(self, error: Exception) -> ExchangeMisconfigured:
        return ExchangeMisconfigured(f"{self.name} refuses the API key ({self._told(error)}); check it")

    def _unavailable(self, error: Exception) -> ExchangeUnavailable:
        if isinstance(error, ccxt.InvalidNonce):
            remedy = "its time is read again; if this lasts, set this machine's clock (NTP)"
        elif _is_of_key(error):
            remedy = "check its API key"
        elif isinstance(error, InvalidAmount):
            remedy = f"raise `decimals` under [exchanges.{self.name}] in a file of the network's own"
        else:
            remedy = "check its urls and the network"
        return ExchangeUnavailable(f"{self.name} does not answer as it should ({self._told(error)}); {remedy}")


def _is_of_key(error: Exception) -> bool:
    """Whether the exchange refuses the key: what Binance says then, ccxt takes for a ban once it has taken the key."""
    return isinstance(error, ccxt.AuthenticationError) or "Invalid API-key" in str(error)
