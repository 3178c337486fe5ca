from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chains.exchanges.local.accounts import Account, Balance
from chains.exchanges.local.book import ReplayedBook
from chains.exchanges.local.errors import BinanceError
from chains.exchanges.local.matching import Matcher
from chains.exchanges.local.orders import NewOrder, Order, OrderKind, Status, TimeInForce
from chains.exchanges.local.rules import RULES

COIN = 10**8
LOT = RULES["ETHUSDT"].lot
TAKER, MAKER = 230, 110


class Market:
    """ETHUSDT with a hand-drawn book and one account of 10 ETH and 50,000 USDT."""

    def __init__(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        self.book = ReplayedBook(Fraction(1), RULES["ETHUSDT"].tick)
        self.draw(bids, asks)
        self.matcher = Matcher(RULES, {"ETHUSDT": self.book, "BTCUSDT": self.book}, TAKER, MAKER)
        self.account: Account = self.matcher.open_account("key", "secret")
        self.account.credit("ETH", 10 * COIN)
        self.account.credit("USDT", 50_000 * COIN)
        self.ordered = 0

    def draw(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Prices in dollars, quantities in ETH."""
        self.book.replace(
            [(price * COIN, quantity * COIN) for price, quantity in bids.items()],
            [(price * COIN, quantity * COIN) for price, quantity in asks.items()],
        )

    def place(
        self,
        *,
        buy: bool,
        eth: str = "0",
        at: int = 0,
        kind: OrderKind = OrderKind.LIMIT,
        force: TimeInForce = TimeInForce.GTC,
        usdt: int = 0,
    ) -> Order:
        self.ordered += 1
        quantity = int(Decimal(eth) * COIN)
        new = NewOrder("ETHUSDT", buy, kind, force, at * COIN, quantity, usdt * COIN, f"order-{self.ordered}")
        return self.matcher.place(self.account, new, now_ms=0)

    def owned(self, currency: str) -> Balance:
        return self.account.balances[currency]


@pytest.fixture
def market() -> Market:
    return Market(bids={1999: 1, 1998: 5}, asks={2001: 1, 2002: 5})


def test_an_immediate_order_fills_what_is_there_and_expires(market: Market) -> None:
    order = market.place(buy=True, eth="3", at=2001, force=TimeInForce.IOC)
    assert (order.status, order.executed) == (Status.EXPIRED, COIN)
    assert market.owned("USDT") == Balance(47_999 * COIN, 0)
    assert market.owned("ETH") == Balance(11 * COIN - 23_000, 0)


def test_a_buyer_pays_each_levels_price_and_gets_the_rest_of_the_lock_back(market: Market) -> None:
    order = market.place(buy=True, eth="2", at=2010, force=TimeInForce.IOC)
    assert [(trade.price // COIN, trade.quantity) for trade in order.trades] == [(2001, COIN), (2002, COIN)]
    assert market.owned("USDT") == Balance((50_000 - 4_003) * COIN, 0)


def test_a_seller_pays_the_fee_in_what_is_received(market: Market) -> None:
    market.place(buy=False, eth="1", at=1999, force=TimeInForce.IOC)
    assert market.owned("ETH") == Balance(9 * COIN, 0)
    assert market.owned("USDT") == Balance(51_999 * COIN - 45_977_000, 0)


def test_fill_or_kill_does_all_or_nothing(market: Market) -> None:
    assert market.place(buy=True, eth="7", at=2002, force=TimeInForce.FOK).status is Status.EXPIRED
    assert market.owned("USDT") == Balance(50_000 * COIN, 0)
    assert market.place(buy=True, eth="6", at=2002, force=TimeInForce.FOK).status is Status.FILLED


def test_liquidity_taken_is_not_there_for_the_next_order(market: Market) -> None:
    market.place(buy=True, eth="1", at=2001, force=TimeInForce.IOC)
    assert market.place(buy=True, eth="1", at=2001, force=TimeInForce.IOC).executed == 0


def test_a_resting_order_fills_as_maker_at_its_limit_when_the_book_crosses_it(market: Market) -> None:
    order = market.place(buy=True, eth="2", at=2000)
    assert (order.status, market.owned("USDT").locked) == (Status.NEW, 4_000 * COIN)
    market.matcher.book_moved("ETHUSDT", 5)
    assert market.matcher.find(market.account, "ETHUSDT", order.id, None) == order
    market.draw(bids={1990: 1}, asks={1995: 1})
    market.matcher.book_moved("ETHUSDT", 6)
    partly = market.matcher.find(market.account, "ETHUSDT", order.id, None)
    assert partly is not None
    assert [(trade.price // COIN, trade.quantity, trade.is_maker) for trade in partly.trades] == [(2000, COIN, True)]
    assert (partly.status, partly.updated_ms) == (Status.PARTIALLY_FILLED, 6)
    assert market.owned("ETH").free == 11 * COIN - 11_000
    assert market.owned("USDT") == Balance(46_000 * COIN, 2_000 * COIN)


def test_the_better_priced_then_the_older_order_fills_first(market: Market) -> None:
    worse, older, newer = (market.place(buy=True, eth="1", at=price) for price in (1990, 1995, 1995))
    market.draw(bids={1900: 1}, asks={1980: 1})
    market.matcher.book_moved("ETHUSDT", 1)
    filled = [market.matcher.find(market.account, "ETHUSDT", order.id, None) for order in (worse, older, newer)]
    assert [order.executed if order else None for order in filled] == [0, COIN, 0]


def test_cancelling_returns_what_was_set_aside(market: Market) -> None:
    order = market.place(buy=True, eth="2", at=1900)
    assert market.matcher.cancel(order, 9).status is Status.CANCELED
    assert market.owned("USDT") == Balance(50_000 * COIN, 0)


def test_a_maker_only_order_that_would_take_is_rejected(market: Market) -> None:
    with pytest.raises(BinanceError, match="Order would immediately match and take"):
        market.place(buy=True, eth="1", at=2001, kind=OrderKind.LIMIT_MAKER)


def test_a_market_order_by_amount_of_quote_spends_at_most_that(market: Market) -> None:
    order = market.place(buy=True, kind=OrderKind.MARKET, usdt=3_000)
    spent = sum(trade.quote_quantity for trade in order.trades)
    assert order.status is Status.FILLED
    assert 3_000 * COIN - 2002 * LOT < spent <= 3_000 * COIN


def test_a_limit_order_needs_its_limits_worth_even_if_it_would_fill_cheaper(market: Market) -> None:
    with pytest.raises(BinanceError, match="insufficient balance"):
        market.place(buy=True, eth="5.0001", at=10_000, force=TimeInForce.IOC)
    assert market.place(buy=True, eth="5", at=10_000, force=TimeInForce.IOC).status is Status.FILLED


class RandomOrders(RuleBasedStateMachine):
    """Whatever is ordered, cancelled or recorded, balances are what the trades say, to the last unit."""

    def __init__(self) -> None:
        super().__init__()
        self.market = Market(bids={1999: 1, 1998: 5}, asks={2001: 1, 2002: 5})

    @rule(
        buy=st.booleans(),
        lots=st.integers(100, 60_000),
        at=st.integers(1990, 2010),
        force=st.sampled_from(TimeInForce),
    )
    def limit(self, buy: bool, lots: int, at: int, force: TimeInForce) -> None:
        self._try(buy=buy, eth=str(Decimal(lots) / 10_000), at=at, force=force)

    @rule(buy=st.booleans(), usdt=st.integers(1, 5_000))
    def by_quote(self, buy: bool, usdt: int) -> None:
        self._try(buy=buy, kind=OrderKind.MARKET, usdt=usdt)

    @rule(bid=st.integers(1985, 2005), spread=st.integers(1, 5), size=st.integers(1, 3))
    def record(self, bid: int, spread: int, size: int) -> None:
        self.market.draw(bids={bid: size, bid - 1: size}, asks={bid + spread: size, bid + spread + 1: size})
        self.market.matcher.book_moved("ETHUSDT", 1)

    @precondition(lambda self: any(self.market.matcher.open_orders(self.market.account)))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        resting = list(self.market.matcher.open_orders(self.market.account))
        self.market.matcher.cancel(data.draw(st.sampled_from(resting)), 1)

    def _try(self, **order: object) -> None:
        before = dict(self.market.account.balances)
        try:
            self.market.place(**order)  # type: ignore[arg-type]
        except BinanceError:
            assert self.market.account.balances == before

    @invariant()
    def balances_are_what_the_trades_say(self) -> None:
        eth, usdt, locked_eth, locked_usdt = Decimal(10), Decimal(50_000), Decimal(0), Decimal(0)
        for order in self.market.matcher.orders(self.market.account):
            for trade in order.trades:
                quantity, price = Decimal(trade.quantity) / COIN, Decimal(trade.price) / COIN
                rate = Decimal(MAKER if trade.is_maker else TAKER) / 10**6
                received = quantity if order.new.buy else quantity * price
                fee = (received * rate).quantize(Decimal("0.00000001"), ROUND_CEILING)
                assert fee == Decimal(trade.commission) / COIN
                eth += quantity - fee if order.new.buy else -quantity
                usdt += -quantity * price if order.new.buy else quantity * price - fee
            if order.is_open:
                rest = Decimal(order.remaining) / COIN
                locked_eth += 0 if order.new.buy else rest
                locked_usdt += rest * Decimal(order.new.price) / COIN if order.new.buy else 0
        self._owns("ETH", eth, locked_eth)
        self._owns("USDT", usdt, locked_usdt)

    def _owns(self, currency: str, total: Decimal, locked: Decimal) -> None:
        balance = self.market.owned(currency)
        assert (balance.free + balance.locked, balance.locked) == (total * COIN, locked * COIN)
        assert balance.free >= 0


RandomOrders.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestRandomOrders = RandomOrders.TestCase
