from __future__ import annotations

import asyncio
from decimal import Decimal

import ccxt.pro
import pytest

from chains.exchanges.adapter import DEPTH, Exchange
from chains.exchanges.books import Book
from chains.exchanges.local import LocalExchange
from chains.exchanges.orders import ExchangeOrder, OrderStatus
from chains.exchanges.troubles import ExchangeMisconfigured, ExchangeUnavailable, FeedTrouble
from tests.chains.exchanges.making import ANCHORS, COIN, ETH, KEY, SECRET, Caller, an_order, rebuilt


async def caught_up(local: LocalExchange, exchange: Exchange, to_ms: int) -> None:
    """Advance the market and wait until the adapter's books show it."""
    ids = await local.advance(to_ms)
    async with asyncio.timeout(20):
        await asyncio.gather(*(exchange.reached(exchange.symbol_of(each), ids[each]) for each in ids))


def in_decimals(levels: tuple[tuple[int, int], ...], book: Book) -> list[tuple[Decimal, Decimal]]:
    return [(book.price(ticks), book.base.whole(lots * book.lot)) for ticks, lots in levels]


async def test_connecting_takes_four_calls_and_reads_the_terms(exchange: Exchange) -> None:
    assert exchange.calls_made == 4
    book = await exchange.fetch_book(ETH)
    assert (book.tick, book.lot, book.min_notional, book.taker_fee_ppm) == (COIN // 100, COIN // 10_000, 5 * COIN, 230)
    assert exchange.calls_made == 5


async def test_a_configured_fee_is_believed_instead_of_the_reported_one(local: LocalExchange) -> None:
    exchange = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls, taker_fee_ppm=1_000)
    try:
        await exchange.connect()
        assert (await exchange.fetch_book(ETH)).taker_fee_ppm == 1_000
    finally:
        await exchange.close()


async def test_watched_books_equal_the_recording_rebuilt_apart(local: LocalExchange, exchange: Exchange) -> None:
    await exchange.watch(lambda book: None)
    for to_ms in (0, 700, 12_000, 60_000):
        await caught_up(local, exchange, to_ms)
        for symbol in ANCHORS:
            last, bids, asks = rebuilt(symbol).at(local.start_ms + to_ms)
            book = exchange.books[exchange.symbol_of(symbol)]
            assert book.nonce == last
            assert in_decimals(book.bids, book) == bids[:DEPTH]
            assert in_decimals(book.asks, book) == asks[:DEPTH]
    assert exchange.calls_made == 6


async def test_every_new_book_is_handed_on_with_its_time(local: LocalExchange, exchange: Exchange) -> None:
    seen: list[Book] = []
    await exchange.watch(seen.append)
    await caught_up(local, exchange, 1_000)
    ours = [book for book in seen if book.symbol == ETH]
    assert [book.nonce for book in ours] == sorted({book.nonce for book in ours})
    assert local.start_ms < ours[-1].at_ms <= local.start_ms + 1_000
    assert ours[0].arrived_ns < ours[-1].arrived_ns


async def test_a_gap_where_the_recording_starts_over_is_noticed_and_healed(
    local: LocalExchange, exchange: Exchange
) -> None:
    await local.advance(local.loop_ms - 1_000)
    troubles: list[FeedTrouble] = []
    await exchange.watch(lambda book: None, troubles.append)
    await caught_up(local, exchange, local.loop_ms - 100)
    assert troubles == []
    await caught_up(local, exchange, local.loop_ms + 500)
    assert {trouble.symbol for trouble in troubles} == {"ETH/USDT", "BTC/USDT"}
    _, bids, asks = rebuilt("ETHUSDT").at(local.start_ms + 500)
    book = exchange.books[ETH]
    assert in_decimals(book.bids, book) == bids[:DEPTH]
    assert in_decimals(book.asks, book) == asks[:DEPTH]


async def test_a_dropped_connection_is_noticed_and_healed(local: LocalExchange, exchange: Exchange) -> None:
    noticed = asyncio.Event()
    await exchange.watch(lambda book: None, lambda trouble: noticed.set())
    await local.drop_streams()
    async with asyncio.timeout(10):
        await noticed.wait()
    await caught_up(local, exchange, 2_000)
    assert exchange.books[ETH].nonce == rebuilt("ETHUSDT").at(local.start_ms + 2_000)[0]


async def test_a_fill_costs_what_the_book_said_to_the_last_unit(local: LocalExchange, exchange: Exchange) -> None:
    for client_id, side, amount in (("a", "buy", 40 * COIN), ("b", "sell", 7 * COIN // 10_000 * 10_000)):
        book = await exchange.fetch_book(ETH)
        before = await exchange.balances()
        report = await exchange.place(an_order(book, side, amount, client_id))
        after = await exchange.balances()
        assert (report.status, report.filled) == (OrderStatus.FILLED, amount)
        assert len(report.fills) > 1
        if side == "buy":
            cost, received, _ = book.buy_base(amount)
            assert (report.cost, report.filled - report.fee("ETH")) == (cost, received)
        else:
            cost, received = -book.sell_base(amount).received, -amount
            assert report.cost - report.fee("USDT") == -cost
        assert (after["ETH"] - before["ETH"], before["USDT"] - after["USDT"]) == (received, cost)


async def test_an_immediate_order_reports_exactly_the_part_that_filled(exchange: Exchange) -> None:
    book = await exchange.fetch_book(ETH)
    ticks, lots = book.asks[0]
    order = ExchangeOrder(ETH, "buy", (lots + 5_000) * book.lot, book.price(ticks), "part")
    report = await exchange.place(order)
    assert (report.status, report.filled) == (OrderStatus.CANCELLED, lots * book.lot)
    again = await exchange.place(ExchangeOrder(ETH, "buy", COIN, book.price(ticks), "none"))
    assert (again.status, again.filled, again.fills) == (OrderStatus.CANCELLED, 0, ())


async def test_an_order_is_found_by_its_client_id_with_its_fills(exchange: Exchange) -> None:
    placed = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", 35 * COIN))
    assert await exchange.find("one", ETH) == placed
    assert await exchange.cancel("one", ETH) == placed
    assert await exchange.find("another", ETH) is None
    assert await exchange.cancel("another", ETH) is None


@pytest.mark.parametrize(
    ("amount", "price", "said"),
    [
        (COIN + 1, "1890.00", "not in whole lots"),
        (COIN, "1890.001", "not in whole lots"),
        (20 * COIN // 10_000, "1890.00", "Filter failure: NOTIONAL"),
        (1_000 * COIN, "1890.00", "insufficient balance"),
    ],
)
async def test_a_refused_order_says_why(exchange: Exchange, amount: int, price: str, said: str) -> None:
    report = await exchange.place(ExchangeOrder(ETH, "buy", amount, Decimal(price), "refused"))
    assert report.status is OrderStatus.REJECTED
    assert said in report.detail


async def test_a_duplicate_of_an_open_order_is_unknown_until_looked_up(exchange: Exchange, caller: Caller) -> None:
    await caller.order(side="BUY", quantity="0.01", price="1000", newClientOrderId="twice")
    report = await exchange.place(ExchangeOrder(ETH, "buy", COIN, Decimal("1000.00"), "twice"))
    assert report.status is OrderStatus.UNKNOWN
    found = await exchange.find("twice", ETH)
    assert found is not None
    assert found.status is OrderStatus.OPEN
    ended = await exchange.cancel("twice", ETH)
    assert ended is not None
    assert ended.status is OrderStatus.CANCELLED


async def test_an_unreachable_exchange_is_named_without_its_signature() -> None:
    urls = {"api": {"public": "http://127.0.0.1:1/api/v3"}}
    exchange = Exchange("binance", "binance", [ETH], urls=urls, timeout_ms=500)
    with pytest.raises(ExchangeUnavailable, match=r"binance does not answer as it should .*check its urls"):
        await exchange.connect()
    await exchange.close()


async def test_a_wrong_secret_is_named(local: LocalExchange) -> None:
    exchange = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls, api_key=KEY, secret="wrong")
    with pytest.raises(ExchangeMisconfigured, match="binance refuses the API key") as refused:
        await exchange.connect()
    await exchange.close()
    assert "signature=" not in str(refused.value)


async def test_an_unknown_symbol_is_named_with_the_nearest(local: LocalExchange) -> None:
    exchange = Exchange("binance", "binance", ["ETH/USTD"], urls=local.ccxt_urls)
    with pytest.raises(ExchangeMisconfigured, match="does not trade ETH/USTD; did you mean ETH/USDT"):
        await exchange.connect()
    await exchange.close()


def test_an_unknown_exchange_is_named_with_the_nearest() -> None:
    with pytest.raises(ExchangeMisconfigured, match="no exchange 'binanc'; did you mean 'binance'"):
        Exchange("cex", "binanc", [ETH])


async def test_the_key_is_seen_to_be_unable_to_withdraw(exchange: Exchange) -> None:
    assert await exchange.may_withdraw() is False


async def test_the_clocks_agree_on_one_machine(exchange: Exchange) -> None:
    assert abs(await exchange.clock_skew_ms()) < 1_000


async def test_an_error_in_the_listener_reaches_whoever_waits(local: LocalExchange, exchange: Exchange) -> None:
    def listen(book: Book) -> None:
        raise LookupError("a bug in the listener")

    with pytest.raises(LookupError, match="a bug in the listener"):
        await exchange.watch(listen)


async def test_waiting_ends_when_the_exchange_is_closed(local: LocalExchange, exchange: Exchange) -> None:
    await exchange.watch(lambda book: None)
    waiting = asyncio.create_task(exchange.reached(ETH, 10**15))
    await asyncio.sleep(0)
    await exchange.close()
    with pytest.raises(ExchangeUnavailable, match="no longer watched"):
        await waiting


async def test_ccxt_with_nothing_but_its_urls_changed_trades_there(local: LocalExchange) -> None:
    client = ccxt.pro.binance({"urls": local.ccxt_urls, "apiKey": KEY, "secret": SECRET})
    try:
        book = await client.watch_order_book(ETH)
        order = await client.create_order(ETH, "limit", "buy", 0.5, book["asks"][0][0], {"timeInForce": "IOC"})
        assert (order["status"], order["filled"]) == ("closed", 0.5)
        balance = await client.fetch_balance()
        assert balance["ETH"]["free"] == pytest.approx(100.5 - 0.000115)
    finally:
        await client.close()
