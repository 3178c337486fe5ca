"""Curves that have no closed form are bounded by exact quotes, in the certificate as well as in a whole market."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exactness import curve as proof
from bot.market.dual.capture import Terms, capture
from bot.market.dual.certificate import bound, most_worth
from bot.market.dual.problem import Way, problem_of
from bot.market.dual.solve import solve
from chains.pools.balancer_math import ONE
from chains.pools.camelot import CamelotPool
from chains.pools.erc4626 import Erc4626Pool
from chains.pools.pool import PoolError
from chains.pools.solidly import SolidlyPool
from chains.pools.wrapping_native import WrappedNativePool
from tests.chains.pools import test_balancer_v3
from tests.chains.pools.samples import A, at, pair, token

C = token(3, "C", 6)
WRAPPED = WrappedNativePool(at(0xE), (token(0, "ETH"), token(0xE, "WETH")))
TRIPOOL, RAI, TRICRYPTO = proof.tripool(), proof.rai(), proof.tricrypto()
SOLIDLY = SolidlyPool(at(100), (A, C), (10**24, 9 * 10**11), 5, True, at(800))
WAYS = [
    (pool, Way(pool.venue, sold, bought))
    for pool in (TRIPOOL, RAI, TRICRYPTO, SOLIDLY)
    for sold in pool.tokens
    for bought in pool.tokens
    if sold != bought
]


@given(st.sampled_from(WAYS), st.floats(0.5, 0.999999))
@settings(max_examples=60, deadline=None)
def test_no_exact_quote_is_worth_more_than_the_bound_of_its_way(case, part) -> None:
    pool, way = case
    first = pool.pieces(way.token_in, way.token_out)[0].rate
    price = first * part
    limit, turned = most_worth(pool, way, price, 1.0)
    most = sum(piece.cap for piece in pool.pieces(way.token_in, way.token_out))
    best = 0.0
    geometric, even = (most ** (step / 80) for step in range(1, 80)), (most * step / 80 for step in range(1, 80))
    for amount in sorted(map(int, (*geometric, *even))):
        try:
            best = max(best, pool.paid(way.token_in, amount, way.token_out) - price * amount)
        except PoolError:
            break
    assert best <= limit * (1 + 1e-9) + 2**-48 * turned
    assert limit <= best * 1.1 + 1e-3 * turned + 10.0


@pytest.mark.parametrize("price", [1_000, 200])
def test_a_pool_of_which_one_swap_takes_no_more_than_a_part_is_bounded_by_all_that_can_follow(price) -> None:
    weth = token(0xE, "WETH")
    of_two = {"weights": (ONE // 2, ONE // 2), "tokens": (A, weth), "rates": (ONE, ONE)}
    limited = replace(test_balancer_v3.weighted(), balances=(100 * price * ONE, 100 * ONE), **of_two)
    deep = pair((2 * 10**8 * ONE, 10**5 * ONE), number=1, tokens=(A, weth))
    problem = problem_of([limited, deep], weth)
    found = solve(problem)
    limit = bound(problem, found.prices)
    taken = capture(found, Terms())
    assert len(taken.trades) > 1 and 0.99 * limit <= taken.gain <= limit


def test_a_market_with_a_stable_pool_is_bounded_and_captured() -> None:
    dai, usdc, usdt = TRIPOOL.tokens
    depth = 10**6
    pools = [
        TRIPOOL,
        pair((depth * 10**18, int(0.99 * depth) * 10**6), number=1, tokens=(dai, usdc)),
        pair((depth * 10**6, int(1.02 * depth) * 10**6), number=2, tokens=(usdc, usdt)),
    ]
    problem = problem_of(pools, usdc)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert 0.95 * limit <= capture(found, Terms()).gain <= limit


@pytest.mark.parametrize("held", [(1_426, 20, 2_308), (1_426, 54, 5_000)])
def test_a_lopsided_pool_that_gives_more_in_turn_than_its_pairs_alone_is_bounded_all_the_same(held) -> None:
    dai, usdc, usdt = TRIPOOL.tokens
    lopsided = replace(TRIPOOL, balances=(held[0] * ONE, held[1] * 10**6, held[2] * 10**6))
    pools = [
        lopsided,
        pair((10**9 * 10**6, 1_105_600_000 * ONE), number=1, tokens=(usdc, dai), fee_ppm=0),
        pair((10**9 * 10**6, 967_800_000 * ONE), number=2, tokens=(usdt, dai), fee_ppm=0),
    ]
    problem = problem_of(pools, dai)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert 0.99 * limit <= capture(found, Terms()).gain <= limit


def test_a_pool_that_cannot_tell_what_is_left_of_it_is_captured_once() -> None:
    _, wbtc, weth = TRICRYPTO.tokens
    sold = TRICRYPTO.paid(wbtc, 10**6, weth) * 100
    pools = [TRICRYPTO, pair((10**8, int(0.95 * sold)), number=1, tokens=(wbtc, weth))]
    problem = problem_of(pools, weth)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert TRICRYPTO.oracle is None and 0.9 * limit <= capture(found, Terms()).gain <= limit


@pytest.mark.parametrize("seed", range(40, 54))
def test_a_market_round_a_wrapped_coin_is_solved_to_its_end(seed) -> None:
    """The straight edge begins to trade within a hair, and must not end the search there."""
    rng = random.Random(seed)
    eth, weth = WRAPPED.tokens
    worth = {eth: 1, weth: 1, token(9, "USDC", 6): 2_000, token(10, "DAI"): 2_000}
    pools = [WRAPPED]
    for number in range(1, 8):
        (one, a), (other, b) = rng.sample(list(worth.items()), 2)
        depth = 10 ** rng.uniform(0, 3)
        held = int(depth * a * rng.uniform(0.97, 1.03) * 10**one.decimals), int(depth * b * 10**other.decimals)
        pools.append(pair(held, number=number, tokens=(one, other)))
    problem = problem_of(pools, weth)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert 0.97 * limit - 10**14 <= capture(found, Terms()).gain <= limit


def test_wrapping_at_par_neither_loosens_the_bound_nor_hides_a_gain() -> None:
    eth, weth = WRAPPED.tokens
    usdc = token(9, "USDC", 6)
    pools = [
        WRAPPED,
        pair((1_000 * 10**18, 2_000_000 * 10**6), number=1, tokens=(weth, usdc)),
        pair((1_000 * 10**18, 1_900_000 * 10**6), number=2, tokens=(eth, usdc)),
    ]
    problem = problem_of(pools, weth)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert 0.95 * limit <= capture(found, Terms()).gain <= limit
    assert math.isclose(limit, found.value, rel_tol=1e-3)


@pytest.mark.parametrize("held", [10**6 * ONE, 10**8 * ONE + 7])
@pytest.mark.parametrize("numeraire", range(3))
def test_a_vault_of_a_vaults_shares_neither_loosens_the_bound_nor_hides_a_gain(held, numeraire) -> None:
    dai, share, share_of_shares = tokens = token(17, "DAI"), token(501, "S"), token(502, "SS")
    pools = [
        Erc4626Pool(at(501), (dai, share), held * 11 // 10, held, (1, 1), 2**256 - 1),
        Erc4626Pool(at(502), (share, share_of_shares), held * 13 // 10, held, (1, 1), 2**256 - 1),
        pair((1_000 * ONE, 1_400 * ONE), number=1, tokens=(share_of_shares, dai)),
        pair((1_000 * ONE, 1_080 * ONE), number=2, tokens=(share, dai)),
    ]
    for venues in (pools, pools[::-1]):
        problem = problem_of(venues, tokens[numeraire])
        found = solve(problem)
        assert capture(found, Terms()).gain <= bound(problem, found.prices) <= 1.001 * found.value


@pytest.mark.parametrize("part", [0.9, 0.4, 0.01])
@pytest.mark.parametrize("forwards", [True, False])
@pytest.mark.parametrize(
    ("decimals", "held"),
    [
        ((0, 2), (1_606, 30_300)),
        ((2, 18), (1_102, 292_392_449_489_310_592)),
        ((18, 0), (6_459 * ONE, 348)),
        ((0, 36), (69, 26 * 10**36 // 10**6)),
        ((8, 6), (6_558_659, 3_227)),
    ],
)
def test_a_pool_of_few_units_takes_part_and_no_quote_is_worth_more_than_the_bound(
    decimals, held, forwards, part
) -> None:
    tokens = token(1, "X", decimals[0]), token(2, "Y", decimals[1])
    pool = CamelotPool(at(900), tokens, held, (40, 300), True, 40_000)
    sold, bought = tokens if forwards else tokens[::-1]
    price = part * pool.marginal_price(sold, bought)
    depth = 10**33 / max(1.0, price)
    problem = problem_of([pool, pair((int(depth), int(depth * price)), tokens=(sold, bought), fee_ppm=0)], bought)
    limit = bound(problem, [1.0 if token == bought else price for token in problem.tokens])
    best = 0.0
    for amount in {int(1.05**step) for step in range(1_000)}:
        with suppress(PoolError):
            best = max(best, pool.paid(sold, amount, bought) - price * amount)
    assert not problem.refused and best <= limit


def test_no_more_is_captured_of_a_vault_than_it_takes_of_deposits() -> None:
    dai, share = token(17, "DAI"), token(501, "S")
    vault = Erc4626Pool(at(501), (dai, share), 2 * 10**24, 10**24, (1, 1), 100 * ONE)
    problem = problem_of([vault, pair((10**27, 22 * 10**26), number=1, tokens=(share, dai))], dai)
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert 0.99 * limit <= capture(found, Terms()).gain <= limit
