"""What an exchange keeps back, delays, pages or answers with something else: nothing of it is taken for an answer."""

from __future__ import annotations

import asyncio
import json
import re
import time
from decimal import Decimal
from types import SimpleNamespace

import ccxt.pro
import pytest
from aiohttp import web

from chains.exchanges.adapter import NOBODYS
from chains.exchanges.asking import Asking
from chains.exchanges.client import asked_to_wait_s
from chains.exchanges.local import LocalExchange
from chains.exchanges.local.server import Handler
from chains.exchanges.lost import OVER_AFTER_S, Lost
from chains.exchanges.orders import Fill, OrderStatus
from chains.exchanges.troubles import ExchangeUnavailable
from tests.chains.exchanges.making import ANCHORS, COIN, ETH, KEY, SECRET, an_order, broken, patient


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


async def test_an_order_for_which_no_connection_could_be_made_was_not_sent() -> None:
    local = LocalExchange(ANCHORS)
    async with broken(local) as exchange:
        order = an_order(await exchange.fetch_book(ETH), "buy", COIN)
        await local.close()
        report = await exchange.place(order)
    assert report.status is OrderStatus.REJECTED
    assert report.detail.startswith("it was not sent: ClientConnectorError: Cannot connect to host")


async def test_an_order_whose_connection_was_made_and_broke_is_unknown() -> None:
    async with broken(HangingUp(ANCHORS)) as exchange:
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
    assert report.status is OrderStatus.UNKNOWN


class HangingUp(LocalExchange):
    """Breaks the connection instead of answering an order."""

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await super()._answer(request, handler)
        if request.method == "POST" and request.transport is not None:
            request.transport.abort()
        return answer


class Deaf(LocalExchange):
    """Hears no orders while a proxy before it answers 504, or `duplicate` that it has them already."""

    duplicate = False

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST" and self.duplicate:
            return web.json_response({"code": -2010, "msg": "Duplicate order sent."}, status=400)
        if request.method == "POST":
            return web.Response(status=504, text="<html>504 Gateway Time-out</html>", content_type="text/html")
        return await super()._answer(request, handler)


async def test_an_order_that_the_exchange_does_not_know_long_after_it_could_take_it_was_refused() -> None:
    async with broken(Deaf(ANCHORS)) as exchange:
        patient(exchange)
        sent = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert sent.status is OrderStatus.UNKNOWN and await exchange.find("one", ETH) is None
        now_ns = time.monotonic_ns()
        exchange._monotonic_ns = lambda: now_ns + int((OVER_AFTER_S - 5) * 10**9)
        assert await exchange.find("one", ETH) is None
        exchange._monotonic_ns = lambda: now_ns + int((OVER_AFTER_S + 5) * 10**9)
        for report in (await exchange.find("one", ETH), await exchange.cancel("one", ETH)):
            assert report is not None and (report.status, report.fills) == (OrderStatus.REJECTED, ())
            assert "binance does not know it" in report.detail
        assert await exchange.find("another process sent this", ETH) is None


async def test_so_was_one_that_an_earlier_process_may_have_sent() -> None:
    async with broken(Deaf(ANCHORS)) as exchange:
        patient(exchange)
        exchange.sent_before(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert await exchange.find("one", ETH) is None
        now_ns = time.monotonic_ns()
        exchange._monotonic_ns = lambda: now_ns + int((OVER_AFTER_S + 5) * 10**9)
        report = await exchange.find("one", ETH)
    assert report is not None and (report.status, report.fills) == (OrderStatus.REJECTED, ())


@pytest.mark.parametrize("before", ["seen", "a duplicate", "at another exchange"])
async def test_what_may_be_there_all_the_same_stays_unknown_for_good(before: str) -> None:
    local = Deaf(ANCHORS)
    async with broken(local) as exchange:
        patient(exchange)
        order, local.duplicate = an_order(await exchange.fetch_book(ETH), "buy", COIN), before == "a duplicate"
        if before == "at another exchange":
            exchange._lost = Lost("gate", "gate")
        assert (await exchange.place(order)).status is OrderStatus.UNKNOWN
        if before == "seen":
            exchange._lost.seen("one")
        now_ns = time.monotonic_ns()
        exchange._monotonic_ns = lambda: now_ns + 10**6 * 10**9
        assert await exchange.find("one", ETH) is None


async def test_an_order_that_is_found_late_is_what_it_did_and_never_taken_for_refused() -> None:
    local = Lossy(ANCHORS)
    async with broken(local) as exchange:
        await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        patient(exchange)
        now_ns = time.monotonic_ns()
        exchange._monotonic_ns = lambda: now_ns + 10**6 * 10**9
        found = await exchange.find("one", ETH)
        assert found is not None and found.status is OrderStatus.FILLED
        local._matcher._orders.clear()
        assert await exchange.find("one", ETH) is None


async def test_an_accepted_order_whose_trades_are_refused_is_unknown_not_rejected() -> None:
    async with broken(Secretive(ANCHORS)) as exchange:
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert report.status is OrderStatus.UNKNOWN
        with pytest.raises(ExchangeUnavailable):
            await exchange.find("one", ETH)


class Slow(LocalExchange):
    """Says what became of orders once it is `told` to; `asked` counts."""

    def __init__(self) -> None:
        super().__init__(ANCHORS)
        self.told = asyncio.Event()
        self.asked = 0

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "GET" and request.path.endswith("/order") and NOBODYS not in request.query_string:
            self.asked += 1
            await self.told.wait()
        return await super()._answer(request, handler)


async def test_a_look_up_that_is_not_answered_soon_is_heard_by_who_asks_next_and_holds_nobody_up() -> None:
    local = Slow()
    async with broken(local) as exchange:
        exchange._client.timeout = 60_000
        exchange._asking = Asking(0.2)
        placed = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        for _ in range(3):
            with pytest.raises(ExchangeUnavailable, match="has not said yet what became of one"):
                await exchange.find("one", ETH)
        assert local.asked == 1
        local.told.set()
        await asyncio.wait([exchange._asking._asked["one"]])
        assert await exchange.find("one", ETH) == placed and local.asked == 1
        assert await exchange.find("one", ETH) == placed and local.asked == 2


class Throttling(LocalExchange):
    """Takes no orders, and says so with `status`."""

    def __init__(self, status: int, code: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(ANCHORS)
        said = "System is under maintenance." if code == 1 else "Too many requests."
        self._said = {"status": status, "data": {"code": code, "msg": said}, "headers": headers}
        self.asked = 0

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked += 1
        if request.method == "POST":
            return web.json_response(**self._said)
        return await super()._answer(request, handler)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (429, -1003, OrderStatus.REJECTED),
        (418, -1003, OrderStatus.REJECTED),
        (400, -1015, OrderStatus.REJECTED),
        (200, 1, OrderStatus.REJECTED),
        (503, -1001, OrderStatus.UNKNOWN),
        (503, -1007, OrderStatus.UNKNOWN),
    ],
)
async def test_an_order_over_a_rate_limit_or_under_maintenance_was_refused_and_is_no_riddle(
    status: int, code: int, told: OrderStatus
) -> None:
    async with broken(Throttling(status, code)) as exchange:
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
    assert report.status is told


@pytest.mark.parametrize("status", [429, 418])
async def test_an_exchange_that_wants_to_be_left_alone_is_for_as_long_as_it_says(status: int) -> None:
    local = Throttling(status, -1003, {"Retry-After": "60"})
    async with broken(local) as exchange:
        order = an_order(await exchange.fetch_book(ETH), "buy", COIN)
        await exchange.place(order)
        asked, now_ns = local.asked, time.monotonic_ns()
        refused = await exchange.place(order)
        assert (refused.status, "as it said, for" in refused.detail) == (OrderStatus.REJECTED, True)
        with pytest.raises(ExchangeUnavailable):
            await exchange.find("one", ETH)
        assert local.asked == asked
        exchange._monotonic_ns = lambda: now_ns + 61 * 10**9
        assert await exchange.find("one", ETH) is None


@pytest.mark.parametrize(
    ("said", "asks_s"), [("0", 0), ("7", 7), ("999999999", 3_600), ("Mon, 23 Nov 2026", 0), ("-5", 0)]
)
def test_how_long_an_exchange_wants_to_be_left_alone(said: str, asks_s: int) -> None:
    for name in ("Retry-After", "retry-after"):
        assert asked_to_wait_s(SimpleNamespace(last_response_headers={name: said})) == asks_s


@pytest.mark.parametrize("kept_back", [r',"tradeId":\d+', r',"commission":"[\d.]+"', r',"commissionAsset":"ETH"'])
async def test_what_an_answer_keeps_back_of_trades_is_asked_for(kept_back: str) -> None:
    async with broken(Sparing(kept_back), told="FULL") as exchange:
        book = await exchange.fetch_book(ETH)
        one, two = [await exchange.place(an_order(book, "buy", COIN, name)) for name in ("one", "two")]
        assert await exchange.find("one", ETH) == one and one.filled == two.filled == COIN
        ids = [fill.trade_id for report in (one, two) for fill in report.fills]
    assert len(set(ids)) == len(ids) and "None" not in ids


async def test_an_order_that_ended_and_does_not_say_what_it_filled_is_asked_about_and_not_taken_for_unfilled() -> None:
    async with broken(Sparing(r',"executedQty":"[\d.]+"')) as exchange:
        patient(exchange)
        placed = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert placed.status is OrderStatus.UNKNOWN and "not told what it filled" in placed.detail
        found = await exchange.find("one", ETH)
    assert found is not None and (found.status, found.filled) == (OrderStatus.FILLED, COIN)


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


class Stuttering(LocalExchange):
    """Tells each trade twice."""

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await super()._answer(request, handler)
        if request.path.endswith("/myTrades") and isinstance(answer, web.Response) and answer.text is not None:
            return web.json_response(json.loads(answer.text) * 2)
        return answer


@pytest.mark.parametrize("by_order", [True, False])
async def test_a_trade_that_is_told_twice_is_one(by_order: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with broken(Stuttering(ANCHORS)) as exchange:
        monkeypatch.setitem(exchange._client.has, "fetchOrderTrades", by_order)
        report = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
    assert (report.status, report.filled) == (OrderStatus.FILLED, COIN)
    assert len({fill.trade_id for fill in report.fills}) == len(report.fills)


async def test_an_exchange_that_tells_the_same_page_of_trades_again_and_again_is_not_asked_for_ever() -> None:
    local = Paged("/myTrades")
    async with broken(local) as exchange:
        local.deposit(KEY, SECRET, "USDT", 10**6 * COIN)
        first, *others = (await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", 100 * COIN))).fills
        assert others
        local.page = json.dumps([_as_binance_tells(first)])
        with pytest.raises(ExchangeUnavailable, match="its trades do not add up"):
            await asyncio.wait_for(exchange.find("one", ETH), 30)


def _as_binance_tells(fill: Fill) -> dict[str, object]:
    return {
        **{"symbol": "ETHUSDT", "id": int(fill.trade_id), "orderId": 1, "price": str(fill.price), "time": 1},
        **{"qty": str(Decimal(fill.amount) / COIN), "quoteQty": str(Decimal(fill.cost) / COIN)},
        **{"commission": str(Decimal(fill.fee_units) / COIN), "commissionAsset": fill.fee_currency, "isBuyer": True},
    }


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


@pytest.mark.parametrize("page", [*PAGES, "[]", "[null]"])
async def test_a_page_where_the_keys_rights_should_be_tells_nothing_of_them(page: str) -> None:
    local = Paged("/apiRestrictions")
    async with broken(local) as exchange:
        patient(exchange)
        local.page = page
        await exchange.connect(to_trade=True)
        assert await exchange.may_trade() is None and await exchange.free() == {"USDT": 10_000 * COIN}


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
