"""The market finds what a search without any cleverness finds, and takes nothing that may not be taken."""

import itertools
import random
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from bot.market.books import two_sided
from bot.market.exact import PoolHop
from bot.market.kernels import optimal_input
from bot.market.ladder import MOST_FOUND
from bot.market.packing import BOOK_CLASS, UNMET
from bot.plan import Side
from chains.assets import Assets
from chains.pools.balancer_math import ONE
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
from tests.chains.pools import test_balancer_v3
from tests.chains.pools.samples import at, token

WEI = 10**18
WORTH = {WETH: 1.0, USDC: 1 / 1900, WBTC: 16.0, DAI: 1 / 1900}
PLENTY = {"limit": 4096, "overlapping": True}
HELD = {WETH: 100 * WEI, USDC: 10**12, ETH_AT_EXCHANGE: 10**10, USD_AT_EXCHANGE: 10**14}


def random_market(rng, *, with_book=False, pools=14):
    """Pools of five tokens, each up to a tenth off."""
    worth = WORTH | {token(number): 0.01 * number for number in range(20, 21)}
    made = []
    for number in range(100, 100 + pools):
        one, other = rng.sample(list(worth), 2)
        depth = rng.uniform(5, 500)
        reserves = [int(depth / worth[each] * 10**each.decimals) for each in (one, other)]
        reserves[0] = int(reserves[0] * rng.uniform(0.9, 1.1))
        made.append(v2(number, one, other, tuple(reserves)))
    return market(*made, *([book([("1905", "30"), ("1904", "50")], [("1906", "40")])] if with_book else []))


def gains_of_every_walk(made, changed, max_hops, books):
    """The best float gain of each closed walk of tokens through each changed venue, by trying all walks of edges."""
    edges = [edge for edge in made.graph.edges if edge is not None]
    of = made.graph.assets.of
    best = defaultdict(float)
    for hops in range(2, max_hops + 1):
        for walk in itertools.permutations(edges, hops):
            joined = all(
                of(one.token_out) == of(other.token_in)
                and (one.is_book or other.is_book or one.token_out == other.token_in)
                for one, other in zip(walk, walk[1:] + walk[:1], strict=True)
            )
            if not joined or len({edge.venue for edge in walk}) < hops or len({edge.source for edge in walk}) < hops:
                continue
            if sum(edge.is_book for edge in walk) != books or not any(edge.venue in changed for edge in walk):
                continue
            if (books and not walk[-1].is_book) or (not books and walk[0].token_in != WETH):
                continue
            gain = optimal_input([made._curve_of(edge) for edge in walk])[1] * WORTH.get(walk[0].token_in, 0.2)
            for venue in changed.intersection(edge.venue for edge in walk):
                key = tuple(edge.token_in for edge in walk), venue
                best[key] = max(best[key], gain)
    return best


def found_of(made, changed, opportunities):
    best = defaultdict(float)
    for found in opportunities:
        for venue in found.venues & changed:
            key = tuple(step.token_in for step in found.steps), venue
            best[key] = max(best[key], found.gain_wei / WEI)
    return best


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_hops", [2, 3])
def test_every_profitable_walk_of_pools_through_a_change_is_found(seed, max_hops):
    rng = random.Random(seed)
    made = random_market(rng)
    changed = set(rng.sample(sorted(made.pools), 4))
    expected = gains_of_every_walk(made, changed, max_hops, books=0)
    found = found_of(made, changed, made.cycles(changed, max_hops=max_hops, **PLENTY))
    assert all(found[key] >= 0.99 * gain for key, gain in expected.items() if gain > 1e-4)
    assert any(gain > 1e-4 for gain in expected.values()) or max_hops == 2


@pytest.mark.parametrize("seed", range(4))
def test_every_profitable_walk_with_one_book_through_a_change_is_found(seed):
    rng = random.Random(seed)
    made = random_market(rng, with_book=True, pools=12)
    for changed in (set(made.books), set(rng.sample(sorted(made.pools), 4))):
        expected = gains_of_every_walk(made, changed, 3, books=1)
        found = found_of(made, changed, made.cycles(changed, books=1, **PLENTY))
        assert all(found[key] >= 0.9 * gain for key, gain in expected.items() if gain > 1e-2)
    assert any(gain > 1e-2 for gain in expected.values())


def test_no_walk_comes_twice_and_all_are_of_the_number_of_books_asked_for():
    made = random_market(random.Random(2), with_book=True)
    for books in (0, 1):
        walks = [
            tuple((step.venue, step.token_in) for step in found.steps) for found in made.cycles(books=books, **PLENTY)
        ]
        assert walks and len(set(walks)) == len(walks)
        assert all(sum(venue in made.books for venue, _ in walk) == books for walk in walks)


def test_the_screen_keeps_only_walks_above_the_rate():
    made = random_market(random.Random(5))
    rates = [np.prod([step.rate for step in found.steps]) for found in made.cycles(**PLENTY)]
    kept = list(made.cycles(min_rate=1.02, **PLENTY))
    assert 0 < len(kept) == sum(rate > 1.02 for rate in rates) < len(rates)


def test_two_pools_meet_only_in_the_very_same_token():
    twin_dollar = token(0xD2, "USDbC", 6)
    cheap = v2(1, WETH, USDC, (1_000 * WEI, 1_900_000 * 10**6))
    dear = v2(2, WETH, twin_dollar, (1_000 * WEI, 2_000_000 * 10**6))
    assert not list(market(cheap, dear).cycles())


def test_a_book_meets_every_token_of_its_assets_also_those_that_come_later():
    native = token(0xE7, "stWETH")
    assets = Assets({ETH: [WETH, native, ETH_AT_EXCHANGE], USD: [USDC, USD_AT_EXCHANGE]})
    cheap = v2(1, WETH, USDC, (1_000 * WEI, 1_800_000 * 10**6))
    made = market(cheap, book([("1900", "5")], [("1901", "5")]), assets=assets)
    assert [found.steps[-1].token_in for found in made.cycles(books=1)] == [ETH_AT_EXCHANGE]
    made.add_pool(v2(2, native, USDC, (1_000 * WEI, 1_700_000 * 10**6)))
    found = {found.steps[0].venue for found in made.cycles(books=1, max_hops=2, **PLENTY)}
    assert found == set(made.pools)


def test_a_book_without_anything_to_meet_is_left_out_for_that_reason():
    made = market(v2(1, WETH, DAI, (10**20, 10**23)), book([("1900", "5")], [("1901", "5")]))
    assert not list(made.cycles(books=1))
    assert made.left_out == {"binance:ETH/USDT": UNMET}
    dollars = v2(2, WETH, USDC, (1_000 * WEI, 1_900_000 * 10**6))
    made.add_pool(dollars)
    assert not list(made.cycles(books=1)) and made.left_out == {}
    made.remove(dollars.venue, "quarantined")
    assert not list(made.cycles(books=1)) and made.left_out == {"binance:ETH/USDT": UNMET}


def test_a_market_that_was_small_when_it_was_first_asked_finds_walks_of_four_hops():
    ring = [WETH, USDC, WBTC, DAI, WETH]
    pools = [
        v2(number, one, other, tuple(int(100 / WORTH[each] * 10**each.decimals) for each in (one, other)))
        for number, (one, other) in enumerate(itertools.pairwise(ring), 1)
    ]
    cheap = replace(pools[0], reserves=(pools[0].reserves[0], 2 * pools[0].reserves[1]))
    made = market(pools[3])
    assert not list(made.cycles())
    for pool in (cheap, *pools[1:3]):
        made.add_pool(pool)
    assert [len(found.steps) for found in made.cycles()] == [4]


def test_a_pool_with_the_numbers_of_a_book_that_came_back_can_be_forbidden():
    cheap = [v2(number, WETH, USDC, (100 * WEI, 170_000 * 10**6)) for number in range(100, 100 + 2 * MOST_FOUND)]
    dear = v2(1, WETH, USDC, (100 * WEI, 180_000 * 10**6))
    told = book([("1905", "30")], [("1906", "40")])
    made = market(*cheap, dear, told)
    made.pack()
    made.remove("binance:ETH/USDT", "gone for a while")
    dearest = v2(2, WETH, USDC, (100 * WEI, 230_000 * 10**6))
    made.add_pool(dearest)
    made.set_book(told)
    assert [dearest.venue in found.venues for found in made.cycles(limit=1)] == [True]
    (found,) = made.cycles(limit=1, allowed=lambda venue, token: venue != dearest.venue)
    assert dear.venue in found.venues


def test_a_better_walk_behind_one_that_is_not_allowed_is_not_lost_to_a_worse_one():
    cheap, dear, dearest = (
        v2(number, WETH, USDC, (100 * WEI, price * 100 * 10**6))
        for number, price in ((1, 1_700), (2, 2_000), (3, 2_100))
    )
    round_about = v2(4, DAI, USDC, (10**24, 10**12)), v2(5, WETH, DAI, (100 * WEI, 185_000 * WEI))
    made = market(cheap, dear, dearest, *round_about)
    (found,) = made.cycles({cheap.venue}, allowed=lambda venue, token: venue != dearest.venue)
    assert found.venues == {cheap.venue, dear.venue}


def test_a_filter_that_allows_next_to_nothing_still_finds_what_it_allows():
    made = random_market(random.Random(7), pools=40)
    everything = list(made.cycles(**PLENTY))
    last = everything[-1]

    def allowed(venue, token_in):
        return any(step.venue == venue and step.token_in == token_in for step in last.steps)

    assert [found.amounts for found in made.cycles(allowed=allowed)] == [last.amounts]


def test_what_is_not_held_is_not_spent_and_what_is_held_is_enough():
    cheap = v2(1, WETH, USDC, (1_000 * WEI, 1_800_000 * 10**6))
    made = market(cheap, book([("1900", "50")], [("1901", "50")]))
    (free,) = made.cycles(books=1)
    (held,) = made.cycles(books=1, inventory=HELD | {USDC: 500 * 10**6})
    assert held.amounts[0][0] <= 500 * 10**6 < free.amounts[0][0]
    for missing in (USDC, ETH_AT_EXCHANGE):
        assert not list(made.cycles(books=1, inventory={key: held for key, held in HELD.items() if key != missing}))


def test_an_order_against_a_route_through_a_fitted_curve_has_its_best_size():
    wide = v2(1, WETH, DAI, (10_000 * WEI, 23_000_000 * WEI))
    stable = test_balancer_v3.stable(amp=200_000)
    stable = replace(stable, tokens=(DAI, USDC), balances=(100_000 * WEI, 150_000 * 10**6), rates=(ONE,) * 2)
    told = book([("1890", "10")], [("1900", "500")], lot="0.01")
    made = market(wide, stable, told)
    (found,) = made.cycles(books=1, max_hops=3)
    route = [PoolHop(wide, WETH, DAI), PoolHop(stable, DAI, USDC)]
    trades = (two_sided(route, told, Side.BUY, lots) for lots in range(5_700, 6_400, 20))
    best = max(made._search._value(trade.deltas(route), ETH) for trade in trades if trade is not None)
    assert found.gain >= best * (1 - 1e-4)


def test_four_hops_are_found_where_they_are_asked_for():
    other = token(20)
    pools = [
        v2(1, WETH, USDC, (1_000 * WEI, 1_900_000 * 10**6)),
        v2(2, USDC, other, (1_900_000 * 10**6, 1_000 * WEI)),
        v2(3, other, WBTC, (1_000 * WEI, 60 * 10**8)),
        v2(4, WBTC, WETH, (60 * 10**8, 1_100 * WEI)),
        v2(5, USDC, DAI, (1_900 * 10**6, 1_900 * WEI)),
    ]
    made = market(*pools)
    assert not list(made.cycles(max_hops=3))
    (found,) = made.cycles(max_hops=4)
    assert [step.token_in for step in found.steps] == [WETH, USDC, other, WBTC]


def test_what_is_not_given_is_counted():
    made = random_market(random.Random(9), pools=24)
    everything = list(made.cycles(max_hops=3, **PLENTY))
    assert made.rest == 0 and len(everything) > 5
    best = list(made.cycles(max_hops=3, limit=3, overlapping=True))
    assert best == everything[:3] and made.rest == len(everything) - 3


def test_decisions_do_not_depend_on_the_order_in_which_venues_are_named():
    made = random_market(random.Random(9), pools=60)
    names = sorted(made.pools)
    assert list(made.cycles(names)) == list(made.cycles(names[::-1]))


def test_cheap_gas_makes_small_trades_worth_looking_at():
    cheap = v2(1, USDC, WETH, (1_900 * 10**4, 10**16))
    dear = v2(2, USDC, WETH, (2_000 * 10**4, 10**16))
    made = market(cheap, dear, v2(3, USDC, WETH, (1_950_000 * 10**6, 1_000 * WEI), fee_ppm=100_000))
    assert not list(made.cycles(gas_price_wei=20 * 10**9))
    assert len(list(made.cycles(gas_price_wei=10**5))) == 1
    assert not list(made.cycles(gas_price_wei=20 * 10**9))


def test_ranges_follow_swaps_and_liquidity_without_being_made_anew():
    positions = [(-230_400, -198_000, 10**16), (-201_000, -200_400, 5 * 10**16)]
    pool = v3(1, WETH, USDC, -200_700, positions)
    other = v2(2, WETH, USDC, (1_000 * WEI, 1_930_000 * 10**6))
    made = market(pool, other)
    list(made.cycles())
    for amount in (WEI, 40 * WEI, 300 * WEI):
        moved = made.pool(pool.address).swapped(WETH, amount)
        made.add_pool(moved)
        fresh = market(moved, other)
        assert [found.amounts for found in made.cycles()] == [found.amounts for found in fresh.cycles()]
    (number,) = made._packing.pools_of([pool.address])
    assert made._packing.market.arrays().pools.klass[number] != BOOK_CLASS


def test_a_pool_that_is_best_at_two_hops_of_a_walk_leaves_either_of_them_to_another():
    def held(weth, dai, usdc):
        return (int(weth * WEI), int(dai * WEI), int(usdc * 10**6))

    best = test_balancer_v3.weighted(held(2_000, 3_600_000, 3_600_000), rates=(ONE,) * 3, tokens=(WETH, DAI, USDC))
    other = replace(best, address=at(990), balances=held(2_000, 3_800_000 * 0.998, 3_800_000))
    even = {"weights": (ONE // 3, ONE // 3, ONE - 2 * (ONE // 3)), "swap_fee": 10**14}
    changed = v2(1, WETH, USDC, (1_000 * WEI, 1_900_000 * 10**6))
    made = market(replace(best, **even), replace(other, **even), changed)
    found = {tuple(step.venue for step in found.steps) for found in made.cycles([changed.venue], **PLENTY)}
    assert (changed.venue, other.venue, best.venue) in found
