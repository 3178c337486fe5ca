"""The order that pays a debt, by the newest book: whom it goes to, what it may spend, what is too little for any."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Protocol

from bot.execution.debts import Debt
from bot.ledger.records import PlacedOrder
from bot.plan import Order, Side
from chains.assets import Token
from chains.exchanges.books import Book, Unquotable
from chains.exchanges.orders import ExchangeOrder, OrderReport

_PPM = 10**6
MOST_PAST_PLAN_PPM = 100_000
"""How much worse than its plan's price a hedge may be, until the chain could not take the trade back either."""


class TradingAccount(Protocol):
    """The part of an exchange that hedging needs: `chains.exchanges.Exchange`, or a paper one."""

    name: str

    async def place(self, order: ExchangeOrder) -> OrderReport: ...

    def sent_before(self, order: ExchangeOrder) -> None: ...

    async def find(self, client_id: str, symbol: str) -> OrderReport | None: ...

    async def cancel(self, client_id: str, symbol: str) -> OrderReport | None: ...

    async def balances(self) -> dict[str, int]: ...

    async def free(self) -> dict[str, int]:
        """Raises `ExchangeUnavailable`, and `ExchangeMisconfigured` where our key may not trade."""


def priced(debt: Debt, book: Book, tolerance_ppm: int, held: int) -> Order | None:
    """An order for what is owed, as far as one may be of it and `held` base units of what it spends go, which reaches
    so far past the book's price, yet not far past its plan's; None where the book cannot take it, or what is held buys
    no order.
    """
    most = book.most_order()
    owed = book.whole_lots(debt.remaining if most is None else min(debt.remaining, most))
    selling = debt.order.side is Side.SELL
    amount = min(owed, book.whole_lots(max(held, 0))) if selling else owed
    try:
        limit = (book.sell_base(amount) if selling else book.buy_base(amount)).limit_price
    except Unquotable:
        return None
    tick = book.quote.whole(book.tick)
    widened = limit * (_PPM - tolerance_ppm if selling else _PPM + tolerance_ppm) / _PPM
    rounding = ROUND_FLOOR if selling else ROUND_CEILING
    reached = (widened / tick).to_integral_value(rounding) * tick
    if not debt.back and not debt.unwind_failed:
        # A book may have lost all but its last levels for a moment: the chain takes it back for less than that.
        way = Decimal(_PPM - MOST_PAST_PLAN_PPM if selling else _PPM + MOST_PAST_PLAN_PPM) / _PPM
        worst = (debt.order.limit_price * way / tick).to_integral_value(rounding) * tick
        reached = max(reached, worst) if selling else min(reached, worst)
    if not selling:
        affordable = int(book.quote.whole(max(held, 0)) / reached * 10**book.base.decimals)
        amount = min(amount, book.whole_lots(affordable))
    if amount < owed and amount < max(book.lot, book.min_amount, book.least_order("sell" if selling else "buy")):
        return None
    if selling:
        # Exchanges value an order at its limit: one of the least amount may not reach below the book's price.
        reached = max(reached, book.price(-(-book.min_notional * 10**book.base.decimals // (amount * book.tick))))
    return replace(debt.order, amount=amount, limit_price=reached)


def is_dust(debt: Debt, book: Book) -> bool:
    """Whether less is owed than the exchange would trade."""
    least = book.least_order("sell" if debt.order.side is Side.SELL else "buy")
    if debt.order.expected_quote * debt.remaining >= 2 * book.min_notional * debt.order.amount:
        # By its plan it is worth an order: where all but the last bids are gone for a moment, everything would be dust.
        least = 0
    return debt.remaining < max(book.lot, book.min_amount, least)


def most_spent(of: Order, placed: PlacedOrder) -> tuple[Token, int]:
    """What `placed`, one `of` those that pay a debt, would spend were it carried out."""
    if placed.side is Side.SELL:
        return of.base, placed.amount
    spent = of.base.whole(placed.amount) * placed.limit_price
    return of.quote, int(spent.scaleb(of.quote.decimals).to_integral_value(ROUND_CEILING))
