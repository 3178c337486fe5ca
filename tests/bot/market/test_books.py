"""Order books in the market: two-sided trades in whole lots, exact on both sides."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.market.books import buying, selling
from bot.plan import Side
from chains.assets import Asset, Assets, Token
from chains.exchanges.books import BelowMinimum
from chains.executor import HopKind
from tests.bot.market.samples import (
    DAI,
    ETH,
    ETH_AT_EXCHANGE,
    USD,
    USD_AT_EXCHANGE,
    USDC,
    WBTC,
    WETH,
    book,
    market,
    v2,
    v3,
)
from tests.chains.pools.test_wrapping import LIDO, STETH, WSTETH

WEI = 10**18
PLENTY = {
    WETH: 10**24,
    USDC: 10**15,
    ETH_AT_EXCHANGE: 10**14,
    USD_AT_EXCHANGE: 10**16,
}


def pool_at(price, fee_ppm=500):
    return v2(1, USDC, WETH, (price * 5_000 * 10**6, 5_000 * WEI), fee_ppm)


RICH_BIDS = book([("1950.10", "2"), ("1949", "3"), ("1940", "50")], [("1951", "5")])
POOR_ASKS = book([("1850", "5")], [("1851.30", "2"), ("1853", "3"), ("1860", "50")])


def only(made, **question):
    found = list(made.cycles(books=1, **question))
    assert len(found) == 1
    return found[0]


def test_buying_on_the_chain_and_selling_at_the_exchange():
    found = only(market(pool_at(1900), RICH_BIDS), inventory=PLENTY)
    order, (swap,) = found.order(), found.swaps()
    assert order.side is Side.SELL and order.amount % RICH_BIDS.lot == 0
    assert (swap.token_in, swap.token_out) == (USDC, WETH)
    assert swap.amount_out >= order.amount * 10**10 > swap.amount_out * (1 - 1e-9)
    sold = RICH_BIDS.sell_base(order.amount)
    assert order.limit_price == sold.limit_price and order.expected_quote > sold.received
    assert found.steps[-1].amount_out == sold.received
    dollars = Decimal(sold.received).scaleb(-8) - Decimal(swap.amount_in).scaleb(-6)
    assert found.gain_wei == pytest.approx(float(dollars) / 1900 * 1e18, rel=0.03)


def test_a_pool_that_pays_less_than_it_says_is_asked_for_more():
    """stETH out of wstETH comes a unit or two short: its buyer must have what he sells at the exchange."""
    staked = Token("binance", "STETH", "STETH", 8)
    assets = Assets({ETH: [WETH, ETH_AT_EXCHANGE], USD: [DAI, USD_AT_EXCHANGE], Asset("STETH"): [STETH, staked]})
    dear = replace(RICH_BIDS, symbol="STETH/USDT", base=staked)
    cheap = v2(1, DAI, WSTETH, (1_800 * 1_000 * WEI, 833 * WEI))
    found = only(market(v2(2, DAI, WETH, (1_900_000 * WEI, 1_000 * WEI)), cheap, LIDO, dear, assets=assets))
    assert [swap.token_out for swap in found.swaps()] == [WSTETH, STETH]
    assert 0 <= found.swaps()[-1].amount_out - found.order().amount * 10**10 < 5


def test_a_book_whose_state_is_not_known_is_not_traded_on_until_the_next_one():
    made = market(pool_at(1900), RICH_BIDS)
    made.close_book(RICH_BIDS.exchange, RICH_BIDS.symbol)
    assert not list(made.cycles(books=1, inventory=PLENTY))
    made.set_book(RICH_BIDS)
    assert only(made, inventory=PLENTY)
    made.close_book("elsewhere", RICH_BIDS.symbol)
    assert only(made, inventory=PLENTY)


def test_selling_on_the_chain_and_buying_back_at_the_exchange():
    found = only(market(pool_at(1900), POOR_ASKS), inventory=PLENTY)
    order, (swap,) = found.order(), found.swaps()
    assert order.side is Side.BUY and swap.token_in == WETH
    assert swap.amount_in == order.amount * 10**10
    bought = POOR_ASKS.buy_base(order.amount)
    assert (order.expected_quote, order.limit_price) == (bought.cost, bought.limit_price)
    assert found.amounts[-1] == (bought.cost, bought.received)
    assert found.gain_wei > 0 and "ETH/USDT" in found.explain()


@pytest.mark.parametrize("made", [market(pool_at(1900), RICH_BIDS), market(pool_at(1900), POOR_ASKS)])
def test_no_other_number_of_lots_gains_more(made):
    search = made._search
    best = only(made)
    pool, orders = made.pool(best.steps[0].venue), made.book("binance", "ETH/USDT")
    lot = orders.lot
    from bot.market.books import two_sided
    from bot.market.exact import PoolHop

    route = [PoolHop(pool, best.steps[0].token_in, best.steps[0].token_out)]
    lots = best.order().amount // lot
    assert lots > 100
    for other in [*range(lots - 300, lots + 300), 1, lots // 2, lots * 2]:
        trade = two_sided(route, orders, best.order().side, other)
        if trade is not None:
            assert search._value(trade.deltas(route), best.start) <= best.gain * (1 + 1e-5)


def test_a_route_of_two_pools_can_be_hedged_at_one_book():
    usdc_wbtc = v3(2, USDC, WBTC, -57_000, [(-66_000, -48_000, 10**14)], fee_ppm=500)
    wbtc_weth = v2(3, WBTC, WETH, (100 * 10**8, 1_700 * WEI))
    found = only(market(usdc_wbtc, wbtc_weth, RICH_BIDS))
    assert [swap.hop.kind for swap in found.swaps()] == [HopKind.CONCENTRATED, HopKind.CONSTANT_PRODUCT]
    assert found.swaps()[0].token_in == USDC and found.order().side is Side.SELL


def test_size_stays_within_what_either_side_holds():
    made = market(pool_at(1900), RICH_BIDS)
    unbounded = only(made).order().amount
    for token, held in ((USDC, 1_000 * 10**6), (ETH_AT_EXCHANGE, 5 * 10**7)):
        found = only(made, inventory={**PLENTY, token: held})
        assert found.order().amount < unbounded
        spent = found.amounts[0][0] if token is USDC else found.amounts[-1][0]
        assert held * 0.99 < spent <= held
    assert not list(made.cycles(books=1, inventory={**PLENTY, USDC: 0}))
    assert not list(made.cycles(books=1, inventory={}))


def test_an_order_below_the_exchanges_minimum_is_not_offered():
    tiny = {**PLENTY, USDC: 4 * 10**6}
    assert not list(market(pool_at(1900), RICH_BIDS).cycles(books=1, inventory=tiny))


@pytest.mark.parametrize("bids, asks", [(["1906"], ["1990"]), (["1800"], ["1894"])], ids=["selling", "buying"])
def test_an_order_that_were_best_a_little_below_the_exchanges_minimum_is_raised_to_it(bids, asks):
    def offered(least):
        made = book([(price, "50") for price in bids], [(price, "50") for price in asks], min_notional=str(least))
        return list(market(pool_at(1900), made).cycles(books=1)), made

    (best,), _ = offered(5)
    at_best = best.order().amount / 10**8 * float(best.order().limit_price)
    (raised,), made = offered(round(at_best * 1.3))
    side = raised.order().side.value
    assert raised.order().amount == made.least_order(side) > best.order().amount
    assert 0 < raised.gain < best.gain
    assert not offered(round(at_best * 3))[0]
    trade = made.sell_base if side == "sell" else made.buy_base
    assert trade(made.least_order(side))
    with pytest.raises(BelowMinimum):
        trade(made.least_order(side) - made.lot)


@pytest.mark.parametrize(
    "closed",
    [
        book([], []),
        book([("2500", "5")], []),
        book([], [("1000", "5")]),
        book([("2500", "5")], [("1000", "5")]),
        book([("2500", "5")], [("2500", "5")]),
    ],
)
def test_an_empty_or_crossed_book_is_known_but_closed(closed):
    made = market(pool_at(1900), closed)
    assert not list(made.cycles(books=1))
    assert made.book("binance", "ETH/USDT") is closed
    assert all(made.graph.rates[edge.id] == 0 for edge in made.graph.edges_of("binance:ETH/USDT"))
    made.set_book(RICH_BIDS)
    assert list(made.cycles(books=1, through=["binance:ETH/USDT"]))


def test_fair_prices_offer_nothing():
    fair = book([("1899.9", "50")], [("1900.1", "50")])
    assert not list(market(pool_at(1900), fair).cycles(books=1))


def test_curves_carry_the_fee_in_both_directions():
    orders = book([("2000", "2")], [("2001", "3")], fee_ppm=1000)
    (sell,), (buy,) = selling(orders), buying(orders)
    assert sell == pytest.approx((2000 * 0.999, 0, 2))
    assert buy == pytest.approx((0.999 / 2001, 0, 6003))
