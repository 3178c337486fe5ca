"""A paper account at an exchange: real books, orders filled against them here, nothing sent. For fork and dry runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from chains.assets import Token
from chains.exchanges.books import Book, Level
from chains.exchanges.orders import ExchangeOrder, Fill, OrderReport, OrderStatus

REPORTS_KEPT = 4_096
"""So many of the newest: what became of an order is asked soon after it was placed."""


class PaperExchange:
    """Fills immediate-or-cancel orders against the newest book, level by level, with the taker fee.

    `book_of` gives the newest book of a symbol; `balances` are base units per currency at the start. What is filled
    here leaves no trace in the book, so two orders at once may meet the same liquidity.
    """

    def __init__(self, name: str, book_of: Callable[[str], Book], balances: Mapping[str, int]) -> None:
        self.name = name
        self._book_of = book_of
        self._balances = dict(balances)
        self._reports: dict[str, OrderReport] = {}

    async def balances(self) -> dict[str, int]:
        """Base units per currency."""
        return dict(self._balances)

    async def free(self) -> dict[str, int]:
        """As `balances`: nothing is ever locked."""
        return await self.balances()

    async def find(self, client_id: str, symbol: str) -> OrderReport | None:
        """The report of an order placed before; None if there was none."""
        return self._reports.get(client_id)

    def sent_before(self, order: ExchangeOrder) -> None:
        """Nothing is sent, and nothing lost."""

    async def cancel(self, client_id: str, symbol: str) -> OrderReport | None:
        """As `find`: none is ever open."""
        return await self.find(client_id, symbol)

    async def place(self, order: ExchangeOrder) -> OrderReport:
        """Fill what the book offers up to the limit price, and cancel the rest."""
        book = self._book_of(order.symbol)
        fills = tuple(self._fills(order, book))
        filled = sum(fill.amount for fill in fills)
        status = OrderStatus.FILLED if filled == order.amount else OrderStatus.CANCELLED
        report = OrderReport(order.client_id, order.symbol, order.side, status, order.client_id, fills)
        for fill in fills:
            self._settle(order, book, fill)
        self._reports[order.client_id] = report
        if len(self._reports) > REPORTS_KEPT:
            del self._reports[next(iter(self._reports))]
        return report

    def _fills(self, order: ExchangeOrder, book: Book) -> list[Fill]:
        selling = order.side == "sell"
        left, fills = order.amount, list[Fill]()
        for ticks, lots in book.bids if selling else book.asks:
            price = book.price(ticks)
            amount = min(left, lots * book.lot)
            if not amount or (price < order.limit_price if selling else price > order.limit_price):
                break
            fills.append(self._fill(order, book, (ticks, amount // book.lot), price, len(fills)))
            left -= amount
        return fills

    def _fill(self, order: ExchangeOrder, book: Book, level: Level, price: Decimal, index: int) -> Fill:
        amount = level[1] * book.lot
        cost = amount * level[0] * book.tick // 10**book.base.decimals
        received: Token = book.quote if order.side == "sell" else book.base
        gross = cost if order.side == "sell" else amount
        fee = -(-gross * book.taker_fee_ppm // 10**6)
        return Fill(f"{order.client_id}-{index}", price, amount, cost, received.address, fee)

    def _settle(self, order: ExchangeOrder, book: Book, fill: Fill) -> None:
        sign = -1 if order.side == "sell" else 1
        for currency, units in (
            (book.base.address, sign * fill.amount),
            (book.quote.address, -sign * fill.cost),
            (fill.fee_currency, -fill.fee_units),
        ):
            self._balances[currency] = self._balances.get(currency, 0) + units
