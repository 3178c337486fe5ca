"""Walks that may begin in one of several tokens: found, sized and weighed in ETH whatever they gain."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import pytest

from bot.market import Market
from bot.market.books import book_id
from bot.strategy import MarketView
from chains.assets import ZERO_ADDRESS, Address, Asset, Assets, Token
from chains.blocks import Head
from chains.pools.pool import Pool
from chains.pools.wrapping_native import WrappedNativePool
from tests.bot.ledger.given import GWEI
from tests.bot.market.samples import BTC, DAI, ETH, ETH_AT_EXCHANGE, USD, USD_AT_EXCHANGE, USDC, WETH, book, market, v2
from tests.bot.market.test_search import random_market

WEI = 10**18
DAI_ALONE = Asset(f"{DAI.place}:{DAI.address}")
PRICING = v2(1, USDC, WETH, (4_000_000 * 10**6, 2_000 * WEI))
CHEAP = v2(2, DAI, USDC, (1_000_000 * WEI, 1_000_000 * 10**6))
DEAR = v2(3, DAI, USDC, (1_000_000 * WEI, 1_030_000 * 10**6))
HEAD = Head(17, "0x11", "0x10", 1_700_000_017, 10 * GWEI, 0, 30_000_000)


def away(*, gas_price_wei: int = 0, start: Asset | tuple[Asset, ...] = USD) -> list[tuple[Token, int, int]]:
    """Where the walks of the market begin, what they gain there, and what they net in wei."""
    found = market(PRICING, CHEAP, DEAR).cycles(start=start, gas_price_wei=gas_price_wei)
    return [(each.steps[0].token_in, each.gain, each.net_profit_wei(gas_price_wei)) for each in found]


def test_a_gain_in_dollars_is_weighed_in_ether() -> None:
    ((token, gain, net),) = away()
    assert token == USDC and 10 * 10**6 < gain < 1_000 * 10**6
    assert net == pytest.approx(gain / 10**6 / 2000 * WEI, rel=1e-6)


def test_gas_is_paid_in_ether_whatever_is_gained() -> None:
    ((_, _, net),) = away()
    (found,) = market(PRICING, CHEAP, DEAR).cycles(start=USD)
    just_too_dear = net // found.gas_estimate + GWEI
    assert away(gas_price_wei=just_too_dear) == []
    assert [left for _, _, left in away(gas_price_wei=just_too_dear // 2)] == [
        net - found.gas_estimate * (just_too_dear // 2)
    ]


def test_a_walk_begins_at_the_first_start_that_it_passes() -> None:
    assert away(start=ETH) == []
    assert [token for token, _, _ in away(start=(ETH, USD, DAI_ALONE))] == [USDC]
    assert [token for token, _, _ in away(start=(ETH, DAI_ALONE, USD))] == [DAI]


def test_nowhere_to_begin_is_refused() -> None:
    with pytest.raises(ValueError, match="name an asset to start from"):
        away(start=())


@pytest.mark.parametrize("books", [0, 1])
def test_a_start_that_no_venue_trades_stops_no_other(books) -> None:
    made = market(PRICING, CHEAP, DEAR, book([("2100", "50")], [("2101", "50")]))
    assert list(made.cycles(start=BTC, books=books)) == []
    assert [found.gain for found in made.cycles(start=(BTC, USD))] == [gain for _, gain, _ in away()]


def test_the_sooner_start_is_taken_where_a_walk_passes_both() -> None:
    dear = v2(4, USDC, WETH, (4_200_000 * 10**6, 2_000 * WEI))
    (found,) = market(PRICING, dear).cycles(start=(ETH, USD))
    assert found.start == ETH and found.worth == 1
    (found,) = market(PRICING, dear).cycles(start=(USD, ETH))
    assert found.start == USD and found.worth == pytest.approx(Fraction(1, 2000), rel=0.1)


def test_routes_of_dollars_are_combined_and_weighed_with_their_gas_in_ether() -> None:
    third = v2(5, DAI, USDC, (500_000 * WEI, 512_000 * 10**6))
    made = market(PRICING, CHEAP, DEAR, third)
    (apart,) = made.cycles(start=USD, max_hops=2, gas_price_wei=GWEI)
    (together,) = made.cycles(start=USD, max_hops=2, gas_price_wei=GWEI, max_routes=4)
    assert len(together.routes) == 2 and together.net_profit_wei(GWEI) > apart.net_profit_wei(GWEI)
    second = (together.gain_wei - apart.gain_wei) // (together.gas_estimate - apart.gas_estimate)
    (alone,) = made.cycles(start=USD, max_hops=2, gas_price_wei=second * 2, max_routes=4)
    assert len(alone.routes) == 1


@pytest.mark.parametrize("seed", range(12))
def test_no_pool_is_in_two_opportunities_wherever_they_begin(seed: int) -> None:
    made = random_market(random.Random(seed), pools=24)
    starts = (ETH, USD, BTC, DAI_ALONE)
    found = list(made.cycles(start=starts, max_hops=3, gas_price_wei=GWEI, max_routes=4))
    venues = [venue for each in found for venue in each.venues]
    assert len(venues) == len(set(venues))
    best = list(made.cycles(start=ETH, max_hops=3, gas_price_wei=GWEI))
    assert sum(each.net_profit_wei(GWEI) for each in found) >= 0.98 * sum(each.net_profit_wei(GWEI) for each in best)


def view(on: Market) -> MarketView:
    return MarketView(on, HEAD, "twin", "test", GWEI, on.changed, {})


def test_a_strategy_is_shown_what_the_executor_may_gain() -> None:
    seen = view(market(PRICING, CHEAP, DEAR))
    assert list(seen.cycles()) == []
    (found,) = replace(seen, gains=(ETH, USD)).cycles()
    plan = found.plan(min_profit_wei=1)
    assert plan.swaps[0].token_in == plan.swaps[-1].token_out == USDC
    assert plan.expected_profit_wei == found.opportunity.gain_wei < 10 * WEI
    assert list(replace(seen, gains=(ETH, USD)).cycles(start=BTC)) == []


COIN = replace(WETH, address=ZERO_ADDRESS, symbol="ETH")
WRAPPER = WrappedNativePool(Address(WETH.address), (COIN, WETH))
NATIVE = Assets({ETH: [COIN, WETH], USD: [USDC]})


def through_coins(number: int, token: Token) -> tuple[Pool, Pool]:
    """A pool of the coin, and a dearer one of its wrapper, both against `token`."""
    unit = 10**token.decimals
    cheap = v2(number, COIN, token, (1_000 * WEI, 2_000_000 * unit))
    return cheap, v2(number + 1, WETH, token, (1_000 * WEI, 2_100_000 * unit))


def test_any_number_of_walks_may_wrap_at_once() -> None:
    pools = (*through_coins(20, DAI), *through_coins(30, USDC))
    assert list(market(*pools, assets=NATIVE).cycles()) == []
    found = list(market(*pools, WRAPPER, assets=NATIVE).cycles())
    assert len(found) == 2
    assert [len(each.steps) for each in found] == [3, 3] and all(len(each.venues) == 2 for each in found)


def test_a_walk_that_passes_coins_only_is_gained_in_their_wrapper() -> None:
    pools = through_coins(20, DAI)[0], v2(21, COIN, DAI, (1_000 * WEI, 2_100_000 * WEI))
    (bare,) = market(*pools, assets=NATIVE).cycles()
    assert bare.steps[0].token_in == COIN
    (found,) = market(*pools, WRAPPER, assets=NATIVE).cycles(gas_price_wei=GWEI)
    assert [str(step.token_in) for step in found.steps] == [str(each) for each in (WETH, COIN, DAI, COIN)]
    assert found.steps[-1].token_out == WETH and (found.gain, found.venues) == (bare.gain, bare.venues)
    assert found.net_profit_wei(GWEI) < bare.net_profit_wei(GWEI)


def test_a_walk_that_passes_coins_only_is_combined_with_those_that_share_its_pools() -> None:
    cheap, dear = through_coins(20, DAI)
    pools = {pool.venue: pool for pool in (cheap, dear, v2(22, COIN, DAI, (1_000 * WEI, 2_100_000 * WEI)), WRAPPER)}
    made = market(*pools.values(), assets=NATIVE)
    (apart,) = made.cycles(gas_price_wei=GWEI)
    (found,) = made.cycles(gas_price_wei=GWEI, max_routes=4)
    assert sorted(len(route) for route in found.routes) == [3, 4] and len(found.venues) == 3
    assert found.net_profit_wei(GWEI) > 1.2 * apart.net_profit_wei(GWEI)
    for step in found.steps:
        pool = pools[step.venue]
        assert pool.paid(step.token_in, step.amount_in, step.token_out) == step.amount_out
        pools[step.venue] = pool.swapped(step.token_in, step.amount_in, step.token_out)
    (barred,) = made.cycles(gas_price_wei=GWEI, max_routes=4, allowed=lambda venue, token: venue != WRAPPER.venue)
    assert {step.token_in for step in barred.steps} == {COIN, DAI}


@pytest.mark.parametrize("start", [ETH, DAI_ALONE])
@pytest.mark.parametrize("worth", [950, 1_050])
def test_walks_through_a_pool_of_the_coin_and_its_wrapped_token_are_combined_too(start: Asset, worth: int) -> None:
    between = v2(50, COIN, WETH, (1_000 * WEI, worth * WEI))
    cheap, dear = (v2(51, COIN, DAI, (1_000 * WEI, 2_000_000 * WEI)), v2(52, WETH, DAI, (1_000 * WEI, 2_100_000 * WEI)))
    state = {pool.venue: pool for pool in (between, cheap, dear, WRAPPER)}
    made = market(*state.values(), assets=NATIVE)
    apart, together = (list(made.cycles(start=start, gas_price_wei=GWEI, max_routes=most)) for most in (1, 4))
    net, apart_net = (sum(each.net_profit_wei(GWEI) for each in found) for found in (together, apart))
    assert net >= apart_net > 0
    found = together[0]
    for step in found.steps:
        assert state[step.venue].paid(step.token_in, step.amount_in, step.token_out) == step.amount_out
        state[step.venue] = state[step.venue].swapped(step.token_in, step.amount_in, step.token_out)


def test_both_ways_through_a_pool_of_the_coin_and_its_wrapped_token_are_weighed() -> None:
    dai = ((COIN, 973, 2_027_587), (WETH, 971, 1_928_863), (COIN, 1_034, 1_926_220), (COIN, 970, 1_981_400))
    pools = [v2(60 + at, coin, DAI, (held * WEI, dear * WEI)) for at, (coin, held, dear) in enumerate(dai)]
    made = market(v2(50, COIN, WETH, (1_024 * WEI, 1_005 * WEI)), *pools, WRAPPER, assets=NATIVE)
    apart, together = (list(made.cycles(gas_price_wei=GWEI, max_routes=most)) for most in (1, 4))
    net, apart_net = (sum(each.net_profit_wei(GWEI) for each in found) for found in (together, apart))
    assert net > 1.07 * apart_net


def test_nothing_is_wrapped_where_a_strategy_may_not() -> None:
    pools = *through_coins(20, DAI), v2(22, COIN, DAI, (1_000 * WEI, 2_200_000 * WEI)), WRAPPER
    found = list(market(*pools, assets=NATIVE).cycles(allowed=lambda venue, token: venue != WRAPPER.venue))
    assert [step.token_in for each in found for step in each.steps] == [COIN, DAI]


def test_a_book_is_traded_against_the_wrapped_coin_and_never_the_coin() -> None:
    assets = Assets({ETH: [COIN, WETH, ETH_AT_EXCHANGE], USD: [USDC, USD_AT_EXCHANGE]})
    offered = book([("1999", "50")], [("2000", "50")])
    dear = market(v2(41, COIN, USDC, (1_000 * WEI, 2_100_000 * 10**6)), WRAPPER, offered, assets=assets)
    held = {WETH: 100 * WEI, USDC: 10**12, ETH_AT_EXCHANGE: 10**10, USD_AT_EXCHANGE: 10**14}
    tied = dear.tied(book_id(offered.exchange, offered.symbol))
    assert tied is not None and tied.tokens == (WETH, USDC)
    (found,) = dear.cycles(books=1, inventory=held)
    assert [str(step.token_in) for step in found.steps[:2]] == [str(WETH), str(COIN)]
    grown = market(v2(41, COIN, USDC, (1_000 * WEI, 2_100_000 * 10**6)), offered, assets=assets)
    assert [step.token_in for each in grown.cycles(books=1) for step in each.steps[:1]] == [COIN]
    grown.add_pool(WRAPPER)
    assert [step.token_in for each in grown.cycles(books=1) for step in each.steps[:1]] == [WETH]
