"""What the optimum trades through: pools as they are, and order books made to look like them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

from bot.market.books import usable
from chains.assets import Token
from chains.exchanges.books import Book, Level, Unquotable
from chains.executor import Hop
from chains.pools.pool import PPM, AmountOutOfRange, InsufficientLiquidity, Piece, UnknownToken


class Venue(Protocol):
    """One place to swap at one moment; every pool is one. Amounts are base units of the chain's tokens."""

    @property
    def venue(self) -> str: ...

    @property
    def tokens(self) -> tuple[Token, ...]: ...

    @property
    def fee_ppm(self) -> int: ...

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int: ...

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> Self: ...

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float: ...

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]: ...


@dataclass(frozen=True, slots=True)
class BookVenue:
    """An order book whose currencies stand for two tokens of the chain, `tokens` as (base, quote).

    An amount is rounded down to what the exchange can account for and trade; the rest of it is not sold, and counts
    as lost. Crossed and empty books have no prices.
    """

    book: Book
    tokens: tuple[Token, Token]

    family = "book"

    @property
    def venue(self) -> str:
        return f"{self.book.exchange}:{self.book.symbol}"

    @property
    def fee_ppm(self) -> int:
        return self.book.taker_fee_ppm

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What the exchange pays after its fee. Raises `PoolError`, below the exchange's minimum as well."""
        return self._traded(token_in, amount_in)[0]

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> BookVenue:
        """The book without the levels that were taken. Raises as `paid`."""
        return replace(self, book=self._traded(token_in, amount_in)[1])

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units of the chain's tokens out per unit in, after the fee; 0.0 if nothing is offered."""
        pieces = self.pieces(token_in)
        return pieces[0].rate if pieces else 0.0

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """One straight piece per level, after the fee and before any rounding."""
        if not usable(self.book):
            return ()
        book, selling = self.book, self._sells(token_in)
        unit_in, unit_out = (10.0**token.decimals for token in (self.tokens if selling else self.tokens[::-1]))
        kept = 1.0 - book.taker_fee_ppm / PPM
        found = []
        for ticks, lots in book.bids if selling else book.asks:
            base = float(book.base.whole(lots * book.lot))
            price = float(book.price(ticks))
            rate, most = (price, base) if selling else (1.0 / price, base * price)
            found.append(Piece(rate * kept * unit_out / unit_in, 0.0, most * unit_in))
        return tuple(found)

    def _traded(self, token_in: Token, amount_in: int) -> tuple[int, Book]:
        book, selling = self.book, self._sells(token_in)
        if amount_in <= 0 or not usable(book):
            raise AmountOutOfRange(f"{amount_in} of {token_in} cannot be traded at {self.venue}")
        try:
            if selling:
                lots = book.whole_lots(_units(amount_in, token_in, book.base))
                received = book.sell_base(lots).received
                return _units(received, book.quote, self.tokens[1]), replace(book, bids=_rest(book.bids, lots, book))
            lots = book.affordable(_units(amount_in, token_in, book.quote))
            received = book.buy_base(lots).received
            return _units(received, book.base, self.tokens[0]), replace(book, asks=_rest(book.asks, lots, book))
        except Unquotable as error:
            raise InsufficientLiquidity(str(error)) from None

    def _sells(self, token_in: Token) -> bool:
        if token_in not in self.tokens:
            raise UnknownToken(f"{token_in} is not traded at {self.venue}")
        return token_in == self.tokens[0]


def hop_of(venue: Venue, token_in: Token, token_out: Token) -> Hop | None:
    """How the executor swaps there; None at an exchange. Raises `PoolError`."""
    hop = getattr(venue, "hop", None)
    made: Hop | None = None if hop is None else hop(token_in, token_out)
    return made


def _units(amount: int, one: Token, other: Token) -> int:
    """`amount` of `one` in base units of `other`, rounded down."""
    shift = other.decimals - one.decimals
    return amount * int(10**shift) if shift >= 0 else amount // int(10**-shift)


def _rest(levels: tuple[Level, ...], taken: int, book: Book) -> tuple[Level, ...]:
    """The levels without the first `taken` base units."""
    left, rest = taken // book.lot, []
    for ticks, offered in levels:
        used = min(left, offered)
        left -= used
        if offered > used:
            rest.append((ticks, offered - used))
    return tuple(rest)
