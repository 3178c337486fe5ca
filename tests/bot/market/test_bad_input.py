"""Nothing that a market can be given makes it fall over, or promises what cannot be had."""

from dataclasses import replace

import pytest

from bot.market.exact import PoolHop, forward
from chains.assets import Assets
from chains.pools.pool import MalformedState
from tests.bot.market.samples import ASSETS, DAI, ETH, USD, USDC, WBTC, WETH, block, book, market, sync, v2, v3
from tests.chains.pools.samples import token

WEI = 10**18
ZERO, MANY = token(30, "ZERO", 0), token(31, "MANY", 36)
FAIR = v2(1, WETH, USDC, (1_000 * WEI, 1_900_000 * 10**6))
DEAR = v2(2, WETH, USDC, (1_000 * WEI, 2_000_000 * 10**6))


def searched(made):
    """Everything there is, each held against the pools themselves."""
    found = [*made.cycles(overlapping=True), *made.cycles(max_hops=4, gas_price_wei=10**10)]
    for opportunity in found:
        route = [PoolHop(made.pool(step.venue), step.token_in, step.token_out) for step in opportunity.steps]
        amounts = forward(route, opportunity.steps[0].amount_in)
        assert amounts is not None and amounts[-1] - amounts[0] == opportunity.gain > 0
    return found + list(made.cycles(books=1))


def test_an_empty_market_offers_nothing():
    assert searched(market()) == [] and searched(market(assets=Assets({}))) == []


def test_one_pool_offers_nothing():
    assert searched(market(FAIR)) == []


def test_equal_tokens_are_refused_by_name():
    with pytest.raises(MalformedState, match="on both sides"):
        v2(1, WETH, WETH, (1, 1))
    one_asset = Assets({ETH: [WETH, DAI]})
    assert searched(market(v2(1, WETH, DAI, (10**20, 10**20)), FAIR, assets=one_asset)) == []


@pytest.mark.parametrize(
    "odd",
    [
        v2(3, WETH, USDC, (0, 0)),
        v2(3, WETH, USDC, (0, 10**12)),
        v2(3, WETH, USDC, (1, 1)),
        v2(3, WETH, USDC, (1, 10**12)),
        v2(3, WETH, ZERO, (10**18, 1)),
        v2(3, WETH, ZERO, (1, 2**112 - 1)),
        v2(3, WETH, MANY, (10**18, 2**112 - 1)),
        v2(3, WETH, MANY, (2**112 - 1, 1)),
        v3(3, WETH, USDC, -200_000, []),
        v3(3, WETH, ZERO, 887_271, [(887_160, 887_220, 1)]),
        v3(3, WETH, MANY, -887_272, [(-887_220, -887_160, 2**100)]),
    ],
    ids=lambda pool: f"{pool.tokens[1].symbol}-{type(pool).__name__}",
)
def test_pools_without_liquidity_or_with_odd_decimals_promise_nothing_that_cannot_be_had(odd):
    for others in ((), (FAIR,), (FAIR, DEAR), (FAIR, v2(4, WETH, odd.tokens[1], (10**18, 10**6)))):
        searched(market(odd, *others))
    made = market(FAIR, odd, DEAR)
    assert searched(made)
    made.remove(odd.venue, "odd")
    assert searched(made)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [([], []), ([("2100", "5")], []), ([], [("1700", "5")]), ([("2100", "5")], [("2000", "5")])],
    ids=["empty", "no asks", "no bids", "crossed"],
)
def test_a_book_that_is_crossed_or_empty_is_not_traded(bids, asks):
    made = market(FAIR, book([("2100", "5")], [("2101", "5")]))
    assert list(made.cycles(books=1))
    made.set_book(book(bids, asks))
    assert not list(made.cycles(books=1))
    made.set_book(book([("2100", "5")], [("2101", "5")]))
    assert list(made.cycles(books=1))


class Nameless:
    """A pool whose prices are no numbers."""

    def __init__(self, wrapped, price):
        self._wrapped, self._price = wrapped, price

    def __getattr__(self, name):
        return getattr(self._wrapped, name)

    def marginal_price(self, token_in, token_out=None):
        return self._price

    def pieces(self, token_in, token_out=None):
        pieces = self._wrapped.pieces(token_in, token_out)
        return tuple(piece._replace(rate=self._price, cap=self._price) for piece in pieces)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_price_that_is_no_number_closes_its_pool_alone(price):
    broken = Nameless(v2(3, WETH, USDC, (1_000 * WEI, 2_500_000 * 10**6)), price)
    made = market(FAIR, broken, DEAR)
    found = searched(made)
    assert found and all(broken.venue not in opportunity.venues for opportunity in found)


class Curveless(Nameless):
    """A pool whose price is known, and whose curve its code cannot tell."""

    def pieces(self, token_in, token_out=None):
        raise ZeroDivisionError("a mistake of its family's")


def test_a_curve_that_cannot_be_told_leaves_out_its_pool_alone():
    broken = Curveless(v2(3, WETH, USDC, (1_000 * WEI, 2_500_000 * 10**6)), 2.5e-9)
    made = market(FAIR, broken, DEAR)
    found = searched(made)
    assert found and all(broken.venue not in opportunity.venues for opportunity in found)
    assert made.price(USD, in_=ETH) == market(FAIR, DEAR).price(USD, in_=ETH)
    assert "its price curve cannot be told" in made.left_out[broken.venue]


def test_an_edge_removed_in_mid_search_leaves_what_was_asked_before_whole():
    third, fourth = v2(3, WETH, DAI, (10**21, 19 * 10**23)), v2(4, WETH, DAI, (10**21, 21 * 10**23))
    made = market(FAIR, DEAR, third, fourth)
    asked = made.cycles()
    first = next(asked)
    for venue in tuple(made.pools):
        made.remove(venue, "gone in mid-search")
    second = next(asked)
    assert first.venues | second.venues == {pool.venue for pool in (FAIR, DEAR, third, fourth)}
    assert list(made.cycles()) == [] and len(made.refused) == 4
    made.add_pool(FAIR)
    made.add_pool(DEAR)
    assert len(list(made.cycles())) == 1


def test_many_parallel_pools_are_compared_and_the_best_two_taken():
    pools = [v2(1000 + n, USDC, WETH, ((1_900_000 + 50 * n) * 10**6, 1_000 * WEI)) for n in range(4_000)]
    made = market(*pools, assets=ASSETS)
    (first, *_) = made.cycles(through=[pools[-1].address], gas_price_wei=10**9)
    assert {step.venue for step in first.steps} == {pools[0].address, pools[-1].address}
    made.apply(block(1, sync(pools[2_000], (1_000_000 * 10**6, 1_000 * WEI))))
    (first, *_) = made.cycles(through=[pools[2_000].address])
    assert {step.venue for step in first.steps} == {pools[2_000].address, pools[-1].address}


def test_tokens_without_a_way_to_ether_are_kept_and_promise_nothing():
    one, other = token(40, "ONE"), token(41, "OTHER", 0)
    lonely = [v2(5, one, other, (10**20, 10**6)), v2(6, one, other, (10**20, 2 * 10**6))]
    made = market(FAIR, DEAR, *lonely)
    found = searched(made)
    assert found and all(lonely[0].venue not in opportunity.venues for opportunity in found)


def test_a_venue_that_flaps_leaves_the_market_as_it_was():
    made = market(FAIR, DEAR, v2(3, WBTC, WETH, (100 * 10**8, 1_600 * WEI)))
    before = list(made.cycles())
    for _ in range(20):
        made.remove(DEAR.venue, "quarantined")
        assert not list(made.cycles())
        made.add_pool(DEAR)
        assert list(made.cycles()) == before
    made.add_pool(replace(DEAR, fee_ppm=500))
    assert next(made.cycles()).gain > before[0].gain
