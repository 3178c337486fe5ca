"""The optimum is one, its bound holds whatever the market, and the exact trades take nearly all of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.market.dual.capture import Terms, capture
from bot.market.dual.certificate import bound
from bot.market.dual.decompose import shares
from bot.market.dual.exact import Desk, walk_of
from bot.market.dual.problem import problem_of
from bot.market.dual.solve import solve
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import Piece, PoolError
from tests.bot.market.dual.markets import TOKENS, WETH, best_known, markets
from tests.bot.market.samples import v3
from tests.chains.pools.samples import pair, token

USDC, DAI = token(0xD, "USDC", 6), token(0xDA, "DAI")
ETH = 10**18


def two_pools():
    return [
        pair((1_000 * ETH, 2_000_000 * 10**6), number=1, tokens=(WETH, USDC)),
        pair((1_000 * ETH, 1_900_000 * 10**6), number=2, tokens=(WETH, USDC)),
    ]


@given(markets())
@settings(max_examples=60, deadline=None)
def test_no_trades_gain_more_than_the_bound(pools) -> None:
    problem = problem_of(pools, WETH)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert best_known(pools, WETH) <= limit
    assert capture(found, Terms()).gain <= limit


@given(markets(), st.lists(st.floats(-3, 3), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_the_bound_holds_at_any_prices(pools, moves) -> None:
    problem = problem_of(pools, WETH)
    found = solve(problem)
    prices = found.prices * np.exp([0.0, *moves[1 : len(problem.tokens)]])
    limit = bound(problem, prices)
    assert best_known(pools, WETH) <= limit
    assert limit >= bound(problem, found.prices) * (1 - 1e-6) - 2


@st.composite
def displaced(draw) -> list[ConstantProductPool]:
    """Deep pools that agree on what each token is worth, but for up to a third, as those of true markets do."""
    pools = draw(markets(least=10**12))
    worth = {WETH: 1.0} | {one: 10 ** draw(st.floats(-4, 4)) for pool in pools for one in pool.tokens if one != WETH}
    moved = []
    for pool in pools:
        depth, off = 10 ** draw(st.floats(18, 24)), draw(st.floats(0.75, 1.33))
        one, other = pool.tokens
        moved.append(replace(pool, reserves=(int(depth / worth[one] * off), int(depth / worth[other]))))
    return moved


@given(st.one_of(displaced(), markets(least=10**12)))
@settings(max_examples=80, deadline=None)
def test_deep_markets_are_captured_nearly_whole_however_far_apart_their_prices_are(pools) -> None:
    problem = problem_of(pools, WETH)
    found = solve(problem)
    limit = bound(problem, found.prices)
    # Trades are in whole units: what there is to gain must be a thousand of the dearest.
    assume(limit > 10**12 and limit > 1_000 * found.prices.max())
    assert capture(found, Terms()).gain >= 0.95 * limit


A, B, C = TOKENS[1:]
BEGINS_WITHIN_A_HAIR = [
    ((A, C), (6807212801172119224320, 351895329039702625878016), 100),
    ((B, C), (114341830913916, 25904354408636627288064), 3000),
    ((WETH, C), (1277864934423416320, 34326222413104256), 0),
    ((A, B), (294537833183971, 122980476367935766528), 3000),
    ((B, C), (213512713430838, 17909797443983), 100),
    ((WETH, C), (3571676176493282, 994486900321788160), 3000),
]
HANGS_ON_A_WORTHLESS_TOKEN = [
    ((WETH, A), (3008928404683, 576865084791624), 3000),
    ((A, C), (6383166500725800828928, 2637863238982), 0),
    ((A, B), (326019558707696, 2918561341747562), 3000),
    ((B, C), (28611177128636972, 50554603477626040), 0),
    ((B, C), (220240235938079, 150665841591325), 3000),
    ((A, B), (3660616921741710, 156841955718068208402432), 3000),
]


@pytest.mark.parametrize("made", [BEGINS_WITHIN_A_HAIR, HANGS_ON_A_WORTHLESS_TOKEN])
def test_pools_that_the_optimum_all_but_drains_are_captured_whole(made) -> None:
    pools = [
        pair(reserves, number=number, tokens=tokens, fee_ppm=fee_ppm)
        for number, (tokens, reserves, fee_ppm) in enumerate(made, 100)
    ]
    problem = problem_of(pools, WETH)
    found = solve(problem)
    assert capture(found, Terms()).gain >= 0.999 * bound(problem, found.prices)


def test_two_pools_are_worth_what_the_closed_form_says() -> None:
    problem = problem_of(two_pools(), WETH)
    found = solve(problem)
    kept, x_in, y_out = 0.997, 1_000.0, 2_000_000.0
    y_in, x_out = 1_900_000.0, 1_000.0
    rate = kept * kept * (y_out / x_in) * (x_out / y_in)
    curvature = kept / x_in + kept / y_in * kept * y_out / x_in
    gain = (math.sqrt(rate) - 1.0) ** 2 / curvature
    assert found.value / ETH == pytest.approx(gain, rel=1e-9)
    assert bound(problem, found.prices) / ETH == pytest.approx(gain, rel=1e-8)
    assert capture(found, Terms()).gain / ETH == pytest.approx(gain, rel=1e-6)


def test_the_walks_of_the_optimum_add_up_to_it() -> None:
    pools = [*two_pools(), pair((1_900_000 * 10**6, 1_950_000 * ETH), number=3, tokens=(USDC, DAI))]
    pools.append(pair((500 * ETH, 1_100_000 * ETH), number=4, tokens=(WETH, DAI)))
    found = solve(problem_of(pools, WETH))
    walks = shares(found, most_hops=8)
    assert sum(share.worth for share in walks) == pytest.approx(found.value, rel=1e-6)
    assert all(share.worth >= 0.0 for share in walks)


def test_a_gain_made_away_from_the_numeraire_is_sold_for_it() -> None:
    pools = [
        pair((10_000 * ETH, 20_000_000 * 10**6), number=1, tokens=(WETH, USDC)),
        pair((2_000_000 * 10**6, 2_000_000 * ETH), number=2, tokens=(USDC, DAI)),
        pair((2_000_000 * 10**6, 2_200_000 * ETH), number=3, tokens=(USDC, DAI)),
    ]
    problem = problem_of(pools, WETH)
    found = solve(problem)
    (trade,) = capture(found, Terms()).trades
    assert trade.walk.cycle[0].token_in == USDC
    assert trade.walk.sale[-1].token_out == WETH
    surplus = trade.steps[1].amount_out - trade.steps[0].amount_in
    assert trade.steps[2].amount_in == surplus and trade.gain == trade.steps[2].amount_out
    assert trade.gain >= 0.99 * bound(problem, found.prices)


def test_every_trade_is_exact_on_the_state_the_ones_before_it_leave() -> None:
    pools = [*two_pools(), v3(5, USDC, WETH, 201_000, [(199_980, 202_020, 10**17)])]
    problem = problem_of(pools, WETH)
    taken = capture(solve(problem), Terms())
    state = {pool.venue: pool for pool in pools}
    assert len(taken.trades) >= 1
    for trade in taken.trades:
        for step in trade.steps:
            pool = state[step.venue]
            assert pool.quote(step.token_in, step.amount_in) == step.amount_out
            state[step.venue] = pool.swapped(step.token_in, step.amount_in)
        assert trade.gain == trade.steps[-1].amount_out - trade.steps[0].amount_in


def test_walks_that_do_not_pay_for_their_gas_are_not_traded() -> None:
    problem = problem_of(two_pools(), WETH)
    found = solve(problem)
    whole = capture(found, Terms())
    price = whole.gain // whole.trades[0].gas
    assert capture(found, Terms(gas_price_wei=price - 1)).trades
    assert not capture(found, Terms(gas_price_wei=price + 1)).trades


def test_a_budget_limits_every_input_and_an_avoided_pool_is_not_traded() -> None:
    problem = problem_of(two_pools(), WETH)
    found = solve(problem)
    (limited,) = capture(found, Terms(most_in=float(ETH))).trades
    assert 0.999 * ETH <= limited.amount_in <= ETH
    assert not capture(found, Terms(avoided={two_pools()[0].venue: "because"})).trades
    assert not capture(found, Terms(most_hops=1)).trades


def test_a_budget_of_nothing_is_not_a_unit() -> None:
    coarse = token(0xC0, "COARSE", 0)
    numeraire = token(0xC1, "BASE", 0)
    pools = [
        pair((10_000, 100_000), number=1, tokens=(numeraire, coarse)),
        pair((10_000, 10_000), number=2, tokens=(numeraire, coarse)),
    ]
    found = solve(problem_of(pools, numeraire))
    assert capture(found, Terms(most_in=1.0)).trades[0].amount_in == 1
    assert not capture(found, Terms(most_in=0.0)).trades


class Unreadable:
    """A pool whose curve is no number."""

    venue, fee_ppm = "0xbad", 0
    tokens = (WETH, USDC)

    def pieces(self, token_in, token_out=None):
        return (Piece(math.nan, 1.0, 1.0),)


class Raising(Unreadable):
    venue = "0xworse"

    def pieces(self, token_in, token_out=None):
        raise PoolError("no state")


class Mistaken(Unreadable):
    venue = "0xworst"

    def pieces(self, token_in, token_out=None):
        raise KeyError("no such rate")


def test_a_pool_without_a_curve_is_refused_by_name_and_nothing_else_stops() -> None:
    problem = problem_of([*two_pools(), Unreadable(), Raising(), Mistaken()], WETH)
    assert set(problem.refused) == {"0xbad", "0xworse", "0xworst"}
    assert "nan" in problem.refused["0xbad"] and "no state" in problem.refused["0xworse"]
    assert solve(problem).value > 0


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_market_and_a_single_pool_have_nothing_to_gain(count) -> None:
    problem = problem_of(two_pools()[:count], WETH)
    found = solve(problem)
    assert bound(problem, found.prices) == 0 and capture(found, Terms()).trades == ()


def test_thousands_of_parallel_pools_are_one_problem() -> None:
    pools = [pair((ETH + 10**15 * n, 2_000 * 10**6), number=100 + n, tokens=(WETH, USDC)) for n in range(2_000)]
    problem = problem_of(pools, WETH)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert limit == pytest.approx(found.value, rel=1e-6)
    assert 0.95 * limit <= capture(found, Terms()).gain <= limit


def test_a_trade_that_a_pool_refuses_leaves_no_trace() -> None:
    pools = two_pools()
    problem = problem_of(pools, WETH)
    desk = Desk(problem.venues)
    losing = next(iter(shares(solve(problem), 4)))
    backwards = walk_of(problem, losing.cycle)
    assert desk.trade(backwards, 10.0**40) is None
    assert all(desk.venue(pool.venue) is pool for pool in pools)
