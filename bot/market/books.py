"""Order books as edges: constant-price pieces per level for sizing, and the exact two-sided trade in whole lots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.market.exact import Amounts, Route, backward, forward
from bot.market.graph import VenueId
from bot.market.kernels import Curve
from bot.plan import Order, Side
from chains.assets import Token
from chains.exchanges.books import Book, Unquotable
from chains.exchanges.books import Piece as Level
from chains.pools.pool import Piece


def book_id(exchange: str, symbol: str) -> VenueId:
    """The name under which the market knows an order book."""
    return f"{exchange}:{symbol}"


def books_of(orders: Iterable[Order]) -> frozenset[VenueId]:
    """The books that `orders` go to."""
    return frozenset(book_id(order.exchange, order.symbol) for order in orders)


def directions(book: Book) -> tuple[tuple[Token, Token], tuple[Token, Token]]:
    """The book's two edges as (token in, token out): selling its base, and buying it."""
    return (book.base, book.quote), (book.quote, book.base)


def usable(book: Book) -> bool:
    """Whether the book has both sides, and they do not cross."""
    return bool(book.bids and book.asks) and not book.is_crossed


def selling(book: Book) -> Curve:
    """Base in, quote out: one piece per bid, after the taker fee. Whole units."""
    return _curve(book.pieces("sell"), book.base, book.quote)


def buying(book: Book) -> Curve:
    """Quote in, base out: one piece per ask, after the taker fee. Whole units."""
    return _curve(book.pieces("buy"), book.quote, book.base)


def _curve(levels: Iterable[Level], token_in: Token, token_out: Token) -> Curve:
    unit_in, unit_out = 10.0**token_in.decimals, 10.0**token_out.decimals
    return tuple(
        Piece(level.amount_out / unit_out / (level.amount_in / unit_in), 0.0, level.amount_in / unit_in)
        for level in levels
        if level.amount_in and level.amount_out
    )


@dataclass(frozen=True, slots=True)
class TwoSided:
    """A route on the chain against one order: exact base units on both sides, fees included."""

    amounts: Amounts
    order: Order
    order_in: int
    order_out: int

    def deltas(self, route: Route) -> tuple[tuple[Token, int], ...]:
        """What each balance changes by."""
        sells = self.order.side is Side.SELL
        spent, received = (self.order.base, self.order.quote) if sells else (self.order.quote, self.order.base)
        return (
            (route[0].token_in, -self.amounts[0]),
            (route[-1].token_out, self.amounts[-1]),
            (spent, -self.order_in),
            (received, self.order_out),
        )


def two_sided(route: Route, book: Book, side: Side, lots: int) -> TwoSided | None:
    """`lots` lots of the book's base, traded on the chain against an order of that `side`.

    Against a selling order the route buys at least that much base on the chain; against a buying one it sells
    exactly that much. None where a pool or the book cannot take it, or the order would be below the venue's minimum.
    """
    amount = lots * book.lot
    base_token = route[-1].token_out if side is Side.SELL else route[0].token_in
    on_chain = _converted(amount, book.base, base_token)
    if lots <= 0 or on_chain is None:
        return None
    amount_in = backward(route, on_chain) if side is Side.SELL else on_chain
    amounts = forward(route, amount_in) if amount_in else None
    if amounts is None or (side is Side.SELL and amounts[-1] < on_chain):
        return None
    return _against(book, side, amount, amounts)


def _against(book: Book, side: Side, amount: int, amounts: Amounts) -> TwoSided | None:
    """The order's half; None where the book cannot take it."""
    try:
        if side is Side.SELL:
            sold = book.sell_base(amount)
            before_fee = replace(book, taker_fee_ppm=0).sell_base(amount).received
            order = Order(book.exchange, book.symbol, side, book.base, book.quote, amount, sold.limit_price, before_fee)
            return TwoSided(amounts, order, amount, sold.received)
        bought = book.buy_base(amount)
    except Unquotable:
        return None
    order = Order(book.exchange, book.symbol, side, book.base, book.quote, amount, bought.limit_price, bought.cost)
    return TwoSided(amounts, order, bought.cost, bought.received)


def _converted(amount: int, one: Token, other: Token) -> int | None:
    """`amount` of `one` in base units of `other`; None where that is no whole number."""
    shifted = Decimal(amount).scaleb(other.decimals - one.decimals)
    return int(shifted) if shifted == shifted.to_integral_value() else None
