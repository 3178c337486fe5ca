"""Order books from a file, each checked; the format is docs/scan.md. A book that cannot be true is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Any

from bot.market.dual.venues import BookVenue
from chains.assets import Token
from chains.exchanges.books import PPM, Book, Level
from chains.snapshot.codec import integer, reference, require_fields, require_object, text
from chains.snapshot.document import read_json
from chains.snapshot.errors import SnapshotError

FORMAT = "isthmus-books"
VERSION = 1

_FIELDS = frozenset(
    {
        "exchange",
        "symbol",
        "base",
        "quote",
        "tick",
        "lot",
        "min_amount",
        "min_notional",
        "taker_fee_ppm",
        "bids",
        "asks",
    }
)
_CURRENCY = frozenset({"currency", "decimals", "token"})
_MOST_DECIMALS = 36


class BooksError(SnapshotError):
    """A file that is not of this format; the message says where."""


class BookRefused(ValueError):
    """One book that cannot be used. `code` names the reason for machines."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Books:
    """The books that can be used, and for the others, by exchange and symbol, `code: why`."""

    venues: tuple[BookVenue, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def read_books(file: Path, tokens: Sequence[Token]) -> Books:
    """The books in `file` whose currencies stand for `tokens`. Raises `SnapshotError`, `OSError`."""
    document = require_object(read_json(file), str(file))
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise BooksError(f"{file}: not books; its format is {FORMAT!r}, version {VERSION}, as docs/scan.md says")
    require_fields(document, {"format", "version", "books"}, str(file))
    if not isinstance(document["books"], list):
        raise BooksError(f"{file}: books: it is not a list")
    by_name = {reference(token): token for token in tokens}
    found: dict[str, BookVenue] = {}
    refused: dict[str, str] = {}
    for number, raw in enumerate(document["books"]):
        where = f"{file}: books[{number}]"
        given = require_object(raw, where)
        require_fields(given, _FIELDS, where)
        name = f"{text(given['exchange'], where)}:{text(given['symbol'], where)}"
        if name in found or name in refused:
            raise BooksError(f"{where}: {name} stands there twice; keep one state of it")
        try:
            found[name] = _book(given, by_name, where)
        except BookRefused as refusal:
            refused[name] = f"{refusal.code}: {refusal}"
    return Books(tuple(found.values()), refused)


def _book(given: Mapping[str, Any], tokens: Mapping[str, Token], where: str) -> BookVenue:
    """Raises `BookRefused`, `SnapshotError`."""
    exchange = str(given["exchange"])
    base, base_token = _currency(given["base"], exchange, tokens, f"{where}.base")
    quote, quote_token = _currency(given["quote"], exchange, tokens, f"{where}.quote")
    if base_token == quote_token:
        raise BookRefused("equal_tokens", f"{base_token} is on both sides")
    fee_ppm = integer(given["taker_fee_ppm"], f"{where}.taker_fee_ppm")
    if not 0 <= fee_ppm < PPM:
        raise BookRefused("bad_fee", f"a taker fee of {fee_ppm} ppm is not in 0 to {PPM - 1}")
    tick, lot = _units(given["tick"], quote, "tick"), _units(given["lot"], base, "lot")
    book = Book(
        exchange=exchange,
        symbol=str(given["symbol"]),
        base=base,
        quote=quote,
        bids=_levels(given["bids"], _Grid(quote, tick, base, lot), f"{where}.bids"),
        asks=_levels(given["asks"], _Grid(quote, tick, base, lot), f"{where}.asks"),
        tick=tick,
        lot=lot,
        min_amount=_units(given["min_amount"], base, "min_amount", zero=True),
        min_notional=_units(given["min_notional"], quote, "min_notional", zero=True),
        taker_fee_ppm=fee_ppm,
        nonce=0,
    )
    _require_true(book)
    return BookVenue(book, (base_token, quote_token))


@dataclass(frozen=True, slots=True)
class _Grid:
    """What prices and amounts are whole multiples of."""

    quote: Token
    tick: int
    base: Token
    lot: int


def _currency(raw: Any, exchange: str, tokens: Mapping[str, Token], where: str) -> tuple[Token, Token]:
    """The currency, and the token it stands for."""
    given = require_object(raw, where)
    require_fields(given, _CURRENCY, where)
    name, stands_for = text(given["currency"], where), text(given["token"], where)
    decimals = integer(given["decimals"], f"{where}.decimals")
    if not 0 <= decimals <= _MOST_DECIMALS:
        raise BookRefused("bad_decimals", f"{name} has {decimals} decimals, not 0 to {_MOST_DECIMALS}")
    if stands_for not in tokens:
        raise BookRefused("unknown_token", f"{stands_for!r}, for which {name} stands, is not in the snapshot")
    return Token(exchange, name, name, decimals), tokens[stands_for]


def _levels(raw: Any, grid: _Grid, where: str) -> tuple[Level, ...]:
    if not isinstance(raw, list) or not all(isinstance(level, list) and len(level) == 2 for level in raw):
        raise BooksError(f"{where}: it is not a list of [price, amount]")
    return tuple(
        (
            _multiple(_units(price, grid.quote, "a price"), grid.tick, f"price {price}", "tick"),
            _multiple(_units(amount, grid.base, "an amount"), grid.lot, f"amount {amount}", "lot"),
        )
        for price, amount in raw
    )


def _units(raw: Any, token: Token, what: str, *, zero: bool = False) -> int:
    """A positive decimal number in base units. Raises `BookRefused`."""
    try:
        value = Decimal(str(raw)) if not isinstance(raw, bool) else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise BookRefused("not_a_number", f"{what} is {str(raw)[:40]!r}")
    if value < 0 or (value == 0 and not zero):
        raise BookRefused("not_positive", f"{what} is {raw}")
    if abs(value.adjusted()) > _MOST_DECIMALS * 2:
        raise BookRefused("out_of_range", f"{what} is {raw}")
    try:
        return token.units(value)
    except ValueError as error:
        raise BookRefused("too_fine", f"{what}: {error}") from None


def _multiple(units: int, of: int, what: str, grain: str) -> int:
    if units % of:
        raise BookRefused(f"off_{grain}", f"{what} is no multiple of the {grain}")
    return units // of


def _require_true(book: Book) -> None:
    """Raises `BookRefused` for what no true book shows."""
    for side, levels, sign in (("bids", book.bids, -1), ("asks", book.asks, 1)):
        if not levels:
            raise BookRefused("empty", f"there are no {side}")
        if any((after[0] - before[0]) * sign <= 0 for before, after in pairwise(levels)):
            raise BookRefused("unsorted", f"the {side} are not best price first, one level a price")
    if book.is_crossed:
        raise BookRefused("crossed", f"the best bid {book.best_bid} reaches the best ask {book.best_ask}")
