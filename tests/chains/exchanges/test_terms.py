from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import ccxt
import pytest
from aiohttp import web

from chains.assets import Token
from chains.exchanges import reading
from chains.exchanges.adapter import Exchange
from chains.exchanges.local import LocalExchange
from chains.exchanges.local.rules import SymbolRules
from chains.exchanges.local.server import Handler
from chains.exchanges.orders import ExchangeOrder, Fill, OrderStatus
from chains.exchanges.troubles import ExchangeMisconfigured, ExchangeUnavailable
from tests.chains.exchanges.making import ANCHORS, COIN, ETH, KEY, SECRET, an_order, broken, patient

MARKET = {
    "base": "ETH",
    "quote": "USDT",
    "spot": True,
    "precision": {"price": "0.01", "amount": "0.0001"},
    "limits": {"amount": {"min": None}, "cost": {"min": None}},
}


class Ruling(LocalExchange):
    """Changes its rules while it runs."""

    def rule(self, **now: int) -> None:
        rules = self._api.rules
        assert isinstance(rules, dict)
        rules["ETHUSDT"] = replace(rules["ETHUSDT"], **now)

    def delist(self, symbol: str) -> SymbolRules:
        rules = self._api.rules
        assert isinstance(rules, dict)
        delisted: SymbolRules = rules.pop(symbol)
        return delisted

    def enlist(self, symbol: str, rules: SymbolRules) -> None:
        assert isinstance(self._api.rules, dict)
        self._api.rules[symbol] = rules

    def charge(self, taker_fee_ppm: int) -> None:
        self._matcher._taker_fee_ppm = taker_fee_ppm


@pytest.mark.parametrize(
    "now",
    [{"tick": COIN // 10}, {"lot": COIN // 100}, {"min_notional": 200 * COIN}],
    ids=["tick coarsened", "lot coarsened", "least notional raised"],
)
async def test_rules_that_changed_since_they_were_read_cost_one_order(now: dict[str, int]) -> None:
    local = Ruling(ANCHORS)
    async with broken(local) as exchange:
        local.rule(**now)
        order = ExchangeOrder(ETH, "buy", 123 * COIN // 10_000, Decimal("1890.01"), "before")
        assert (await exchange.place(order)).status is OrderStatus.REJECTED
        book = await exchange.fetch_book(ETH)
        async with asyncio.timeout(20):
            while (book.tick, book.lot, book.min_notional) == (COIN // 100, COIN // 10_000, 5 * COIN):
                book = await exchange.fetch_book(ETH)
        assert {name: getattr(book, name) for name in now} == now
        assert book.taker_fee_ppm == 230
        placed = await exchange.place(an_order(book, "buy", COIN, "after"))
        assert (placed.status, placed.filled) == (OrderStatus.FILLED, COIN)


async def test_a_symbol_that_is_delisted_does_not_keep_the_others_from_their_new_rules() -> None:
    local = Ruling(ANCHORS)
    await local.start()
    exchange = Exchange("binance", "binance", ["BTC/USDT", ETH], urls=local.ccxt_urls, api_key=KEY, secret=SECRET)
    try:
        local.deposit(KEY, SECRET, "USDT", COIN)
        await exchange.connect()
        local.rule(tick=COIN // 10)
        local.delist("BTCUSDT")
        refused = await exchange.place(ExchangeOrder(ETH, "buy", COIN, Decimal("1890.01"), "before"))
        assert refused.status is OrderStatus.REJECTED
        async with asyncio.timeout(20):
            while (await exchange.fetch_book(ETH)).tick == COIN // 100:
                pass
    finally:
        await exchange.close()
        await local.close()


async def test_a_symbol_that_was_not_listed_for_a_while_is_traded_and_followed_again() -> None:
    local = Ruling(ANCHORS)
    async with broken(local) as exchange:
        book = await exchange.fetch_book(ETH)
        rules = local.delist("ETHUSDT")
        refused = await exchange.place(an_order(book, "buy", COIN, "before"))
        assert refused.status is OrderStatus.REJECTED
        assert exchange._reading_terms is not None
        await exchange._reading_terms
        local.enlist("ETHUSDT", rules)
        await exchange.watch(lambda book: None)
        placed = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN, "after"))
        assert placed.status is OrderStatus.FILLED


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_fee_that_became_dearer_while_it_runs_is_learnt_from_what_was_charged(side: str) -> None:
    local = Ruling(ANCHORS)
    async with broken(local) as exchange:
        local.deposit(KEY, SECRET, "ETH", 10 * COIN)
        book = await exchange.fetch_book(ETH)
        assert book.taker_fee_ppm == 230
        await exchange.place(an_order(book, side, COIN, "as told"))
        assert (await exchange.fetch_book(ETH)).taker_fee_ppm == 230
        local.charge(1_000)
        await exchange.place(an_order(book, side, COIN // 10, "dearer"))
        assert (await exchange.fetch_book(ETH)).taker_fee_ppm == 1_000


def test_a_fee_rounded_up_in_a_tiny_trade_is_no_dearer_one() -> None:
    terms = reading.terms(MARKET, ccxt.TICK_SIZE, "0.00023", lambda code: Token("cex", code, code, 8))
    tiny = Fill("1", Decimal(2_000), 100, 200_000, "ETH", 1)
    in_bnb = Fill("2", Decimal(2_000), COIN, 2_000 * COIN, "BNB", COIN)
    assert reading.charged(terms, [tiny]) == reading.charged(terms, [in_bnb]) == terms


@pytest.mark.parametrize(("currency", "fee_units"), [("ETH", COIN // 1_000), ("USDT", 2 * COIN)])
def test_a_dearer_fee_is_learnt_in_whichever_of_the_two_it_was_charged(currency: str, fee_units: int) -> None:
    """KuCoin charges what is sold for, also of who buys."""
    terms = reading.terms(MARKET, ccxt.TICK_SIZE, "0.00023", lambda code: Token("cex", code, code, 8))
    fill = Fill("1", Decimal(2_000), COIN, 2_000 * COIN, currency, fee_units)
    assert reading.charged(terms, [fill]).taker_fee_ppm == 1_000


_AT_GATE = {"id": "1", "order_id": "5", "currency_pair": "ETH_USDT", "side": "buy", "amount": "1", "price": "2000"}


@pytest.mark.parametrize(
    ("charged", "told"),
    [
        ({"fee": "0.001", "fee_currency": "ETH", "gt_fee": "0", "point_fee": "0"}, ("ETH", COIN // 1_000)),
        ({"fee": "0", "fee_currency": "ETH", "gt_fee": "0.3", "point_fee": "0"}, ("GT", 3 * COIN // 10)),
        ({"fee": "0", "fee_currency": "ETH", "gt_fee": "0", "point_fee": "2"}, ("GATEPOINT", 2 * COIN)),
        ({"fee": "0", "fee_currency": "ETH", "gt_fee": "0", "point_fee": "0"}, ("ETH", 0)),
        ({"fee": "0.001", "fee_currency": "ETH", "gt_fee": "0.3", "point_fee": "0"}, None),
        ({}, None),
    ],
)
def test_where_a_fee_may_be_paid_in_several_currencies_it_is_the_one_that_paid(
    charged: dict[str, str], told: tuple[str, int] | None
) -> None:
    gate = ccxt.gate({"number": str})
    gate.set_markets([{**MARKET, "id": "ETH_USDT", "symbol": ETH, "type": "spot", "contract": False}])
    trade = gate.parse_trade({**_AT_GATE, **charged}, gate.market(ETH))
    terms = reading.terms(MARKET, ccxt.TICK_SIZE, "0.002", lambda code: Token("gate", code, code, 8))
    if told is None:
        with pytest.raises(ValueError, match="without its id or its fee"):
            reading.fills([trade], terms, lambda code: Token("gate", code, code, 8))
        return
    (fill,) = reading.fills([trade], terms, lambda code: Token("gate", code, code, 8))
    assert (fill.fee_currency, fill.fee_units) == told


async def test_prices_between_two_ticks_are_taken_for_the_worse() -> None:
    local = Ruling(ANCHORS)
    await local.start()
    exact = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls)
    coarse = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls)
    try:
        await exact.connect()
        local.rule(tick=COIN // 10)
        await coarse.connect()
        fine, rounded = await exact.fetch_book(ETH), await coarse.fetch_book(ETH)
    finally:
        await exact.close()
        await coarse.close()
        await local.close()
    pairs = [(fine.price(a), rounded.price(b)) for (a, _), (b, _) in zip(fine.asks, rounded.asks, strict=True)]
    assert all(low <= high < low + Decimal("0.1") for low, high in pairs)
    pairs = [(fine.price(a), rounded.price(b)) for (a, _), (b, _) in zip(fine.bids, rounded.bids, strict=True)]
    assert all(low <= high < low + Decimal("0.1") for high, low in pairs)


async def test_a_fill_whose_cost_is_finer_than_the_quote_currency_costs_what_the_exchange_says() -> None:
    local = Ruling(ANCHORS)
    local.rule(lot=1)
    async with broken(local, told="FULL") as exchange:
        book = await exchange.fetch_book(ETH)
        before = await exchange.balances()
        report = await exchange.place(an_order(book, "buy", COIN + 1))
        assert (report.status, report.filled) == (OrderStatus.FILLED, COIN + 1)
        assert report.cost == before["USDT"] - (await exchange.balances())["USDT"]


class Blind(LocalExchange):
    """Knows orders by its own ids only."""

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "GET" and request.path.endswith("/order"):
            return web.json_response({"code": -1102, "msg": "Mandatory parameter 'orderId' was not sent."}, status=400)
        return await super()._answer(request, handler)


async def test_an_exchange_that_does_not_find_an_order_by_its_client_id_is_not_traded_at() -> None:
    local = Blind(ANCHORS)
    with pytest.raises(ExchangeMisconfigured, match="binance cannot look an order up by its client id"):
        async with broken(local):
            pass
    await local.start()
    exchange = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls)
    await exchange.connect()
    await exchange.close()
    await local.close()


class ReadOnly(LocalExchange):
    """Lets its key look, and place nothing."""

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith("/apiRestrictions"):
            return web.json_response({"enableReading": True, "enableSpotAndMarginTrading": False})
        return await super()._answer(request, handler)


async def test_a_key_that_may_not_place_orders_is_refused_to_who_wants_to_trade_and_to_nobody_else(
    local: LocalExchange, exchange: Exchange
) -> None:
    await exchange.connect(to_trade=True)
    assert await exchange.may_trade() is True
    async with broken(ReadOnly(ANCHORS)) as looking:
        assert await looking.may_trade() is False and await looking.may_withdraw() is None
        with pytest.raises(ExchangeMisconfigured, match="binance: the API key may not trade"):
            await looking.connect(to_trade=True)


class Revoking(ReadOnly):
    """Lets its key trade until it is `refused` everything, or `told` that it may not trade."""

    refused = told = False

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.refused and request.headers.get("X-MBX-APIKEY"):
            said = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
            return web.json_response(said, status=401)
        return await (super() if self.told else super(ReadOnly, self))._answer(request, handler)


async def test_a_key_that_is_revoked_or_may_trade_no_more_is_told_of_when_it_is_asked_what_is_free() -> None:
    local = Revoking(ANCHORS)
    async with broken(local) as exchange:
        patient(exchange)
        assert await exchange.free() == {"USDT": 10_000 * COIN}
        local.told = True
        with pytest.raises(ExchangeMisconfigured, match="binance: the API key may not trade"):
            await exchange.free()
        local.refused = True
        with pytest.raises(ExchangeMisconfigured, match="binance refuses the API key"):
            await exchange.free()
        for asked in (exchange.balances(), exchange.find("one", ETH)):
            with pytest.raises(ExchangeUnavailable, match="check its API key"):
                await asked


class Muttering(LocalExchange):
    """Says `other` in place of `said` in whatever it lists."""

    def __init__(self, said: str, other: str) -> None:
        super().__init__(ANCHORS)
        self._instead = said, other

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await super()._answer(request, handler)
        assert isinstance(answer, web.Response) and answer.text is not None
        return web.Response(text=answer.text.replace(*self._instead), content_type="application/json")


@pytest.mark.parametrize(
    ("said", "other", "told"),
    [
        ('"baseAssetPrecision":8', '"baseAssetPrecision":"eight"', "binance does not answer as it should"),
        ('"filters":[{', '"filters":[null,{', "binance does not answer as it should"),
        ('"tickSize":"0.01000000"', '"tickSize":"abc"', "ETH/USDT at binance states a rule that is no number"),
        ('"tickSize":"0.01000000"', '"tickSize":"-1"', "ETH/USDT at binance states steps of -1"),
        ('"stepSize":"0.00010000"', '"stepSize":"-1"', "ETH/USDT at binance states steps of 0.01"),
    ],
)
async def test_an_exchange_that_lists_what_cannot_be_read_is_named_and_no_bug(said: str, other: str, told: str) -> None:
    with pytest.raises((ExchangeUnavailable, ExchangeMisconfigured), match=told):
        async with broken(Muttering(said, other)):
            raise AssertionError("it was connected to")


def test_levels_that_offer_nothing_or_ask_for_nothing_are_none() -> None:
    terms = reading.terms(MARKET, ccxt.TICK_SIZE, "0.001", lambda code: Token("cex", code, code, 8))
    said = {
        "bids": [[2000.0, -1.0], [1999.0, 2.0], [0.004, 1.0], [-1.0, 1.0]],
        "asks": [[-1.0, 1.0], [0.0, 1.0], [2001.0, 3.0], [2002.0, 0.00004]],
        "nonce": 1,
    }
    book = terms.book("cex", ETH, said, 100, 1)
    assert (book.bids, book.asks) == (((199_900, 20_000),), ((200_100, 30_000),))


@pytest.mark.parametrize(
    ("amount", "cost", "left"),
    [
        (None, None, [20_000, 30_000]),
        ("0", "0", [20_000, 30_000]),
        ("9.99999999", None, [20_000, 30_000]),
        ("3", "1e9", [20_000, 10_000]),
        ("2", None, [20_000]),
        (None, "4444.44", [19_999]),
    ],
)
def test_what_one_order_could_not_take_of_a_book_is_left_out(
    amount: str | None, cost: str | None, left: list[int]
) -> None:
    """A plan that counted on more would be refused its hedge, and be taken back at a loss."""
    limits = {"amount": {"min": None, "max": amount}, "cost": {"min": None, "max": cost}}
    terms = reading.terms(
        {**MARKET, "limits": limits}, ccxt.TICK_SIZE, "0.001", lambda code: Token("cex", code, code, 8)
    )
    said = {"bids": [[1999.0, 2.0], [1998.0, 3.0]], "asks": [[2000.0, 2.0], [2001.0, 3.0]], "nonce": 1}
    book = terms.book("cex", ETH, said, 100, 1)
    assert [lots for _, lots in book.bids] == [lots for _, lots in book.asks] == left


def test_a_fee_finer_than_a_part_per_million_is_rounded_up() -> None:
    terms = reading.terms(MARKET, ccxt.TICK_SIZE, "0.0002301", lambda code: Token("cex", code, code, 8))
    assert terms.taker_fee_ppm == 231


async def test_what_the_account_pays_is_asked_symbol_by_symbol_where_it_is_not_told_at_once(
    local: LocalExchange,
) -> None:
    exchange = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls, api_key=KEY, secret=SECRET)
    exchange._client.has["fetchTradingFees"] = False
    try:
        await exchange.connect()
        assert (await exchange.fetch_book(ETH)).taker_fee_ppm == 230
    finally:
        await exchange.close()


async def test_a_fee_that_only_ccxt_knows_is_taken_by_its_digits(local: LocalExchange) -> None:
    exchange = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls)
    try:
        await exchange.connect()
        assert (await exchange.fetch_book(ETH)).taker_fee_ppm == 1_000
    finally:
        await exchange.close()


@pytest.mark.parametrize("stated", [None, 500])
async def test_where_no_fee_is_told_it_must_be_stated(local: LocalExchange, stated: int | None) -> None:
    exchange = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls, taker_fee_ppm=stated)
    exchange._client.fees["trading"]["taker"] = None
    try:
        if stated is None:
            with pytest.raises(ExchangeMisconfigured, match="states no taker fee; write it as `taker_fee_ppm`"):
                await exchange.connect()
        else:
            await exchange.connect()
            assert (await exchange.fetch_book(ETH)).taker_fee_ppm == stated
    finally:
        await exchange.close()
