from __future__ import annotations

import asyncio
import re
from decimal import Decimal

import ccxt.pro
import pytest
from aiohttp import web

from chains.exchanges.adapter import DEPTH, NOBODYS, Exchange
from chains.exchanges.books import Book
from chains.exchanges.local import LocalExchange
from chains.exchanges.local.server import Handler
from chains.exchanges.orders import ExchangeOrder, OrderStatus
from chains.exchanges.troubles import ExchangeMisconfigured, ExchangeUnavailable, FeedTrouble
from tests.chains.exchanges.making import ANCHORS, COIN, ETH, KEY, SECRET, Caller, an_order, broken, rebuilt


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


class Lossy(LocalExchange):
    """Accepts orders and never answers: what it would have said is lost on the way."""

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await super()._answer(request, handler)
        if request.method == "POST":
            await asyncio.sleep(30)
        return answer


class Secretive(LocalExchange):
    """Accepts orders and refuses to show their trades."""

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith("/myTrades"):
            return web.json_response({"code": -1102, "msg": "Mandatory parameter 'x' was not sent."}, status=400)
        return await super()._answer(request, handler)


class Sparing(LocalExchange):
    """Tells what an order traded in its answer, but not all of it."""

    def __init__(self, kept_back: str) -> None:
        super().__init__(ANCHORS)
        self._kept_back = kept_back

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await super()._answer(request, handler)
        if request.method != "POST" or not isinstance(answer, web.Response) or answer.text is None:
            return answer
        return web.Response(text=re.sub(self._kept_back, "", answer.text), content_type="application/json")


class Crowded(LocalExchange):
    """Answers what is asked of orders once `crowd` such requests have been before it together; `most` were."""

    def __init__(self, crowd: int) -> None:
        super().__init__(ANCHORS)
        self.most = self._waiting = 0
        self._crowd = crowd
        self._crowded = asyncio.Event()

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.endswith("/order") or NOBODYS in request.query_string:
            return await super()._answer(request, handler)
        self._waiting += 1
        self.most = max(self.most, self._waiting)
        if self._waiting >= self._crowd:
            self._crowded.set()
        await self._crowded.wait()
        await asyncio.sleep(0.05)
        self._waiting -= 1
        return await super()._answer(request, handler)


class Untimely(LocalExchange):
    """Counts how often it is asked the time once it is `silent`, and does not tell it then."""

    def __init__(self) -> None:
        super().__init__(ANCHORS)
        self.silent = False
        self.asked = asyncio.Semaphore(0)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.silent or not request.path.endswith("/time"):
            return await super()._answer(request, handler)
        self.asked.release()
        raise web.HTTPServiceUnavailable


class Paged(LocalExchange):
    """Says `page` instead of what is asked of it at `path`, while there is one."""

    def __init__(self, path: str) -> None:
        super().__init__(ANCHORS)
        self.path = path
        self.page: str | None = None
        self.status = 200

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.page is None or request.method != "GET" or not request.path.endswith(self.path):
            return await super()._answer(request, handler)
        return web.Response(text=self.page, status=self.status, content_type="application/json")


PAGES = ["<html>Checking your browser before accessing the exchange.</html>", "", "{}", '{"lastUpdateId": 5, "bids": [']


async def test_a_time_out_after_acceptance_is_unknown_and_its_fills_are_found() -> None:
    async with broken(Lossy(ANCHORS)) as exchange:
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert report.status is OrderStatus.UNKNOWN
        assert "signature" not in report.detail
        found = await exchange.find("one", ETH)
    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.FILLED, COIN)


async def test_an_accepted_order_whose_trades_are_refused_is_unknown_not_rejected() -> None:
    async with broken(Secretive(ANCHORS)) as exchange:
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert report.status is OrderStatus.UNKNOWN
        with pytest.raises(ExchangeUnavailable):
            await exchange.find("one", ETH)


class Throttling(LocalExchange):
    """Takes no orders, and says so with `status`."""

    def __init__(self, status: int, code: int) -> None:
        super().__init__(ANCHORS)
        self._said = {"status": status, "data": {"code": code, "msg": "Too many requests."}}

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST":
            return web.json_response(**self._said)
        return await super()._answer(request, handler)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (429, -1003, OrderStatus.REJECTED),
        (418, -1003, OrderStatus.REJECTED),
        (400, -1015, OrderStatus.REJECTED),
        (503, -1001, OrderStatus.UNKNOWN),
        (503, -1007, OrderStatus.UNKNOWN),
    ],
)
async def test_an_order_over_a_rate_limit_was_refused_and_is_no_riddle(
    status: int, code: int, told: OrderStatus
) -> None:
    async with broken(Throttling(status, code)) as exchange:
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
    assert report.status is told


@pytest.mark.parametrize("kept_back", [r',"tradeId":\d+', r',"commission":"[\d.]+"', r',"commissionAsset":"ETH"'])
async def test_what_an_answer_keeps_back_of_trades_is_asked_for(kept_back: str) -> None:
    async with broken(Sparing(kept_back), told="FULL") as exchange:
        book = await exchange.fetch_book(ETH)
        one, two = [await exchange.place(an_order(book, "buy", COIN, name)) for name in ("one", "two")]
        assert await exchange.find("one", ETH) == one and one.filled == two.filled == COIN
        ids = [fill.trade_id for report in (one, two) for fill in report.fills]
    assert len(set(ids)) == len(ids) and "None" not in ids


async def test_fills_an_answer_does_not_hold_are_asked_for() -> None:
    async with broken(LocalExchange(ANCHORS)) as exchange:
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert (report.status, report.filled) == (OrderStatus.FILLED, COIN)


async def test_trades_that_come_in_pages_are_all_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalExchange(ANCHORS)
    async with broken(local) as exchange:
        local.deposit(KEY, SECRET, "USDT", 10**6 * COIN)
        order = an_order(await exchange.fetch_book(ETH), "buy", 100 * COIN)
        monkeypatch.setattr("chains.exchanges.local.api.LIST_LIMIT", 2)
        report = await exchange.place(order)
        assert (report.status, report.filled) == (OrderStatus.FILLED, 100 * COIN)
        assert len({fill.trade_id for fill in report.fills}) == len(report.fills) > 5


async def test_where_trades_are_not_told_by_order_it_is_those_of_the_account_that_are_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with broken(LocalExchange(ANCHORS)) as exchange:
        book = await exchange.fetch_book(ETH)
        monkeypatch.setitem(exchange._client.has, "fetchOrderTrades", False)
        monkeypatch.setattr(exchange._client, "fetch_order_trades", ccxt.Exchange().fetch_order_trades)
        reports = [await exchange.place(an_order(book, "buy", COIN, name)) for name in ("one", "two")]
        assert [report.filled for report in reports] == [COIN, COIN]
        assert [await exchange.find(name, ETH) for name in ("one", "two")] == reports


@pytest.mark.parametrize(("alone", "together"), [({"binance"}, 4), (set[str](), 1)])
async def test_orders_wait_for_each_other_only_where_a_request_may_not_overtake_another(
    monkeypatch: pytest.MonkeyPatch, alone: set[str], together: int
) -> None:
    monkeypatch.setattr("chains.exchanges.adapter.JUDGES_EACH_ALONE", alone)
    local = Crowded(together)
    async with broken(local) as exchange:
        book = await exchange.fetch_book(ETH)
        orders = [an_order(book, "buy", COIN // 10, name) for name in ("one", "two", "three")]
        *reports, found = await asyncio.gather(*map(exchange.place, orders), exchange.find("none", ETH))
    assert local.most == together
    assert [report.status for report in reports] == [OrderStatus.FILLED] * 3 and found is None


async def test_an_idle_account_is_asked_the_time_to_keep_its_connection_and_followed_whatever_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chains.exchanges.adapter.IDLE_S", 0.01)
    local = Untimely()
    async with broken(local) as exchange:
        local.silent = True
        await exchange.watch(lambda book: None)
        for _ in range(3):
            await asyncio.wait_for(local.asked.acquire(), 30)
        await exchange.reached(ETH, exchange.books[ETH].nonce)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("path", ["/order", "/myTrades"])
async def test_a_page_where_an_order_should_be_is_no_answer(path: str, page: str) -> None:
    local = Paged(path)
    async with broken(local) as exchange:
        await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        local.page = page
        with pytest.raises(ExchangeUnavailable):
            await exchange.find("one", ETH)
        local.page = None
        found = await exchange.find("one", ETH)
    assert found is not None and found.filled == COIN


async def test_an_order_that_cannot_be_read_is_no_answer() -> None:
    local = Paged("/order")
    async with broken(local) as exchange:
        local.page = '{"symbol": "ETHUSDT", "orderId": 1, "executedQty": "0", "status": "EXPIRED"}'
        with pytest.raises(ExchangeUnavailable):
            await exchange.find("one", ETH)


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_where_balances_should_be_is_no_empty_account(page: str) -> None:
    local = Paged("/account")
    async with broken(local) as exchange:
        assert await exchange.balances() == {"USDT": 10_000 * COIN}
        local.page = page
        with pytest.raises(ExchangeUnavailable):
            await exchange.balances()


@pytest.mark.parametrize(("page", "status"), [*((page, 200) for page in PAGES), ('{"code": "odd"}', 400)])
async def test_a_page_where_a_snapshot_should_be_is_noticed_and_healed(page: str, status: int) -> None:
    local = Paged("/depth")
    async with broken(local) as exchange:
        noticed = asyncio.Semaphore(0)
        await exchange.watch(lambda book: None, lambda trouble: noticed.release())
        local.page, local.status = page, status
        await local.drop_streams()
        async with asyncio.timeout(10):
            await noticed.acquire()
            await noticed.acquire()
            local.page = None
            await exchange.reached(ETH, (await local.advance(2_000))["ETHUSDT"])


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
