"""Orders against the replayed books: filters, locks, fills and fees. Knows nothing of HTTP.

Resting orders are not shown in the published book; they fill, as maker and at their limit, when it crosses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from chains.exchanges.local.accounts import Account
from chains.exchanges.local.book import Level, ReplayedBook
from chains.exchanges.local.errors import BinanceError, filter_failure, rejected
from chains.exchanges.local.orders import NewOrder, Order, OrderKind, Status, TimeInForce, Trade
from chains.exchanges.local.rules import SymbolRules, quote_amount, quote_to_lock

PPM = 10**6
FIRST_ORDER_ID = 1_000_000
FIRST_TRADE_ID = 5_000_000_000


def commission(amount: int, fee_ppm: int) -> int:
    """The fee on an amount received. Binance documents no rounding; here it is up, so that no cost is understated."""
    return -(-amount * fee_ppm // PPM)


class Matcher:
    """Every account's orders. Time is the event clock's, given with each call in milliseconds since the epoch."""

    def __init__(
        self,
        rules: Mapping[str, SymbolRules],
        books: Mapping[str, ReplayedBook],
        taker_fee_ppm: int,
        maker_fee_ppm: int,
    ) -> None:
        self._rules = rules
        self._books = books
        self._taker_fee_ppm = taker_fee_ppm
        self._maker_fee_ppm = maker_fee_ppm
        self._accounts: dict[str, Account] = {}
        self._orders: dict[int, Order] = {}
        self._open: dict[int, Order] = {}
        self._trades = 0

    def open_account(self, api_key: str, secret: str) -> Account:
        """The account of `api_key`, made if it is new. Its secret becomes `secret`."""
        account = self._accounts.setdefault(api_key, Account(api_key, secret))
        account.secret = secret
        return account

    def account(self, api_key: str) -> Account | None:
        return self._accounts.get(api_key)

    def orders(self, account: Account, symbol: str | None = None) -> Iterator[Order]:
        """The account's orders, oldest first; of one symbol, or of all."""
        for order in self._orders.values():
            if order.api_key == account.api_key and symbol in (None, order.new.symbol):
                yield order

    def open_orders(self, account: Account, symbol: str | None = None) -> Iterator[Order]:
        """As `orders`, of those that may still fill."""
        for order in self._open.values():
            if order.api_key == account.api_key and symbol in (None, order.new.symbol):
                yield order

    def find(self, account: Account, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """The order with that id, or the newest with that client id."""
        found = None
        for order in self.orders(account, symbol):
            if order.id == order_id or (order_id is None and order.new.client_id == client_id):
                found = order
        return found

    def place(self, account: Account, new: NewOrder, now_ms: int) -> Order:
        """Check, lock, match. Raises `BinanceError` (-1013 filters, -2010 rejections), having changed nothing."""
        if any(order.new.client_id == new.client_id for order in self.open_orders(account, new.symbol)):
            raise rejected("Duplicate order sent.")
        new = self._sized(new)
        self._check_filters(account, new)
        limit_price = None if new.kind is OrderKind.MARKET else new.price
        fills = self._books[new.symbol].fills(buy=new.buy, limit_price=limit_price, quantity=new.quantity)
        if new.kind is OrderKind.LIMIT_MAKER and fills:
            raise rejected("Order would immediately match and take.")
        locked = self._needed(new, fills)
        account.lock(self._spent(new), locked)
        order_id = FIRST_ORDER_ID + len(self._orders)
        order = Order(order_id, account.api_key, new, new.quantity, Status.NEW, now_ms, now_ms, locked)
        if new.time_in_force is not TimeInForce.FOK or sum(quantity for _, quantity in fills) == new.quantity:
            self._books[new.symbol].take(fills, buy=new.buy)
            for price, quantity in fills:
                order = self._filled(order, price, quantity, self._taker_fee_ppm, now_ms, is_maker=False)
        if order.is_open and (new.kind is OrderKind.MARKET or new.time_in_force is not TimeInForce.GTC):
            order = replace(order, status=Status.EXPIRED)
        return self._settled(order)

    def cancel(self, order: Order, now_ms: int) -> Order:
        """End an open order. Raises `BinanceError` -2011 when it has ended already."""
        if not order.is_open:
            raise BinanceError(-2011, "Unknown order sent.")
        return self._settled(replace(order, status=Status.CANCELED, updated_ms=now_ms))

    def book_moved(self, symbol: str, now_ms: int) -> None:
        """Fill resting orders that the book now crosses: best price first, then oldest first."""
        resting = [order for order in self._open.values() if order.new.symbol == symbol]
        book = self._books[symbol]
        for order in sorted(resting, key=lambda each: (-each.new.price if each.new.buy else each.new.price, each.id)):
            fills = book.fills(buy=order.new.buy, limit_price=order.new.price, quantity=order.remaining)
            if fills:
                book.take(fills, buy=order.new.buy)
                quantity = sum(taken for _, taken in fills)
                self._settled(
                    self._filled(order, order.new.price, quantity, self._maker_fee_ppm, now_ms, is_maker=True)
                )

    def _sized(self, new: NewOrder) -> NewOrder:
        """A market order by quote amount becomes one for the most whole lots that amount pays for."""
        if not new.quote_quantity:
            return new
        lot, left, lots = self._rules[new.symbol].lot, new.quote_quantity, 0
        side = self._books[new.symbol].asks if new.buy else self._books[new.symbol].bids
        for price, offered in side.up_to(None):
            taken = min(offered // lot, left // quote_amount(price, lot))
            lots += taken
            left -= taken * quote_amount(price, lot)
            if taken < offered // lot:
                break
        return replace(new, quantity=lots * lot)

    def _check_filters(self, account: Account, new: NewOrder) -> None:
        rules, is_market = self._rules[new.symbol], new.kind is OrderKind.MARKET
        if not is_market and (not 0 < new.price <= rules.max_price or new.price % rules.tick):
            raise filter_failure("PRICE_FILTER")
        if not rules.lot <= new.quantity <= rules.max_quantity or new.quantity % rules.lot:
            raise filter_failure("LOT_SIZE")
        if is_market and new.quantity > rules.max_market_quantity:
            raise filter_failure("MARKET_LOT_SIZE")
        mid = self._books[new.symbol].mid()
        if mid is not None and not is_market:
            up, down = rules.price_band
            if not mid <= new.price * down or new.price > mid * up:
                raise filter_failure("PERCENT_PRICE_BY_SIDE")
        if quote_amount(mid or 0 if is_market else new.price, new.quantity) < rules.min_notional:
            raise filter_failure("NOTIONAL")
        if len(list(self.open_orders(account, new.symbol))) >= rules.max_open_orders:
            raise filter_failure("MAX_NUM_ORDERS")

    def _needed(self, new: NewOrder, fills: list[Level]) -> int:
        """What an order must own to be accepted, in the currency it spends."""
        if not new.buy:
            return new.quantity
        if new.kind is OrderKind.MARKET:
            return sum(quote_amount(price, quantity) for price, quantity in fills)
        return quote_to_lock(new.price, new.quantity)

    def _spent(self, new: NewOrder) -> str:
        rules = self._rules[new.symbol]
        return rules.quote if new.buy else rules.base

    def _filled(self, order: Order, price: int, quantity: int, fee_ppm: int, now_ms: int, *, is_maker: bool) -> Order:
        rules, account = self._rules[order.new.symbol], self._accounts[order.api_key]
        cost = quote_amount(price, quantity)
        spent, received = (cost, quantity) if order.new.buy else (quantity, cost)
        received_currency = rules.base if order.new.buy else rules.quote
        fee = commission(received, fee_ppm)
        account.spend_locked(self._spent(order.new), spent)
        account.credit(received_currency, received - fee)
        trade = Trade(FIRST_TRADE_ID + self._trades, price, quantity, cost, fee, received_currency, now_ms, is_maker)
        self._trades += 1
        done = quantity == order.remaining
        return replace(
            order,
            status=Status.FILLED if done else Status.PARTIALLY_FILLED,
            updated_ms=now_ms,
            locked=order.locked - spent,
            trades=(*order.trades, trade),
        )

    def _settled(self, order: Order) -> Order:
        """Give back what the order no longer needs, and remember it."""
        needed = 0
        if order.is_open:
            needed = quote_to_lock(order.new.price, order.remaining) if order.new.buy else order.remaining
        self._accounts[order.api_key].unlock(self._spent(order.new), order.locked - needed)
        order = replace(order, locked=needed)
        self._orders[order.id] = order
        self._open.pop(order.id, None)
        if order.is_open:
            self._open[order.id] = order
        return order
