"""No series of swaps in one pool gains more than the pool's surface allows, and the best gains about that much."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bot.exactness import curve as proof
from bot.market.dual.capture import Terms
from bot.market.dual.certificate import ROUNDING, bound, most_worth
from bot.market.dual.explained import explained
from bot.market.dual.problem import Way, problem_of
from bot.market.dual.solve import solve
from bot.market.dual.together import worth_together
from chains.pools.balancer_math import ONE
from chains.pools.balancer_v3_stable import Surge
from chains.pools.pool import PoolError
from chains.pools.stable_swap import Amplification
from chains.pools.surface import WeightedSurface
from tests.chains.pools import test_balancer_v2, test_balancer_v3
from tests.chains.pools.samples import at, pair

TRIPOOL, RAI = proof.tripool(), proof.rai()
POOLS = [
    TRIPOOL,
    RAI,
    replace(TRIPOOL, admin_fee=0, offpeg_multiplier=5 * 10**10),
    test_balancer_v2.stable(),
    test_balancer_v2.weighted(),
    test_balancer_v3.stable(),
    test_balancer_v3.stable(surge=Surge(at(900), ONE // 10, ONE // 20)),
    test_balancer_v3.weighted(),
]
MOVES = st.tuples(st.sampled_from(list(permutations(range(3), 2))), st.floats(1e-6, 1.0), st.booleans())


def marginals(pool):
    """What each token is worth to the pool, per base unit; the first one 1."""
    first = pool.tokens[0]
    return [1.0] + [1.0 / pool.pieces(first, other)[0].rate for other in pool.tokens[1:]]


def swapped(pool, prices, move):
    """The pool after a part of the best swap was made, or of the greatest there is, and what it gained."""
    (sold, bought), part, best = move
    sold, bought = sold % len(prices), bought % len(prices)
    token_in, token_out = pool.tokens[sold], pool.tokens[bought]
    price, amount = prices[sold] / prices[bought], 0.0
    for rate, curvature, cap in pool.pieces(token_in, token_out) if sold != bought else ():
        enough = (math.sqrt(rate / price) - 1.0) / curvature if curvature and rate > price else 0.0
        amount += min(enough, cap) if best else cap
    try:
        paid = pool.paid(token_in, int(amount * part), token_out)
        after = pool.swapped(token_in, int(amount * part), token_out)
    except PoolError:
        return pool, 0.0
    return after, prices[bought] * paid - prices[sold] * int(amount * part)


def gained(pool, prices, moves):
    """The most that a series of swaps ever stands at."""
    most = stands = 0.0
    for move in moves:
        pool, gain = swapped(pool, prices, move)
        stands += gain
        most = max(most, stands)
    return most


def gained_by_the_steepest(pool, prices):
    """What a series gains that sells, again and again, a twentieth of what is best where a unit gains most."""
    stands = 0.0
    for _ in range(300):
        rated = {
            (sold, bought): pool.marginal_price(pool.tokens[sold], pool.tokens[bought]) * prices[bought] / prices[sold]
            for sold, bought in permutations(range(len(prices)), 2)
        }
        best = max(rated, key=rated.get)
        if rated[best] <= 1.0 + 1e-6:
            break
        pool, gain = swapped(pool, prices, (best, 0.05, True))
        stands += gain
    return stands


@given(
    st.sampled_from(POOLS),
    st.lists(MOVES, max_size=3),
    st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3),
    st.sampled_from([1e-4, 1e-3, 1e-2, 0.1]),
    st.lists(MOVES, min_size=1, max_size=20),
)
@example(TRIPOOL, [((0, 2), 1.0, False), *[((0, 1), 1.0, False)] * 2], [0.0] * 3, 1e-4, [((0, 1), 1.0, False)])
@settings(max_examples=100, deadline=None)
def test_no_series_of_swaps_gains_more_than_the_surface_allows(pool, before, noise, width, moves) -> None:
    for move in before:
        pool, _ = swapped(pool, [1.0] * len(pool.tokens), (*move[:2], False))
    # Some moves leave a pool where its contract's invariant does not converge: it trades nothing there.
    assume(all(pool.pieces(pool.tokens[0], other) for other in pool.tokens[1:]))
    prices = [price * math.exp(width * by) for price, by in zip(marginals(pool), noise, strict=False)]
    most, turned = worth_together(pool.surface(), prices)
    dust = 2.0 * len(moves) * sum(prices)
    assert gained(pool, prices, moves) <= most + ROUNDING * turned + dust


@pytest.mark.parametrize(
    ("pool", "loose"),
    [
        (replace(TRIPOOL, admin_fee=10**10), 1e-3),
        (TRIPOOL, 1e-2),
        (replace(TRIPOOL, amplification=Amplification(100, 100)), 1e-2),
        (test_balancer_v2.weighted(), 1e-2),
        (test_balancer_v3.weighted(), 1e-2),
        (test_balancer_v3.stable(), 0.15),
    ],
)
def test_many_small_swaps_gain_about_what_the_surface_allows(pool, loose) -> None:
    prices = [price * off for price, off in zip(marginals(pool), (1.0, 0.99, 1.012), strict=True)]
    most, _ = worth_together(pool.surface(), prices)
    assert (1.0 - loose) * most <= gained_by_the_steepest(pool, prices) <= most


def test_a_swap_in_parts_gains_more_than_one_alone_where_its_fee_stays_and_is_bounded_too() -> None:
    pool = replace(RAI.own, admin_fee=0, fee=3 * 10**8, rates=(RAI.own.rates[0], 10**18))
    sold, bought = pool.tokens
    price = 0.8 * pool.marginal_price(sold, bought)
    alone, _ = most_worth(pool, Way(pool.venue, sold, bought), price, 1.0)
    in_parts = gained_by_the_steepest(pool, [price, 1.0])
    problem = problem_of([pool, pair((10**33, int(10**33 * price)), number=7, tokens=(sold, bought))], bought)
    prices = [1.0 if token == bought else price for token in problem.tokens]
    assert alone < in_parts <= bound(problem, prices) <= 1.1 * in_parts


@pytest.mark.parametrize(("one", "other"), [((8, 1, 1), (1, 1, 1)), ((3, 1, 2), (1, 1, 3))])
def test_swaps_of_several_tokens_at_two_pools_are_sized_together_and_the_bound_is_as_close(one, other) -> None:
    dai, usdc, _ = TRIPOOL.tokens
    held = 2 * 10**7
    pools = [
        replace(TRIPOOL, address=at(number), balances=(a * held * ONE, b * held * 10**6, c * held * 10**6))
        for number, (a, b, c) in enumerate((one, other), 1001)
    ]
    shallow = pair((held // 2 * ONE, held * 99 // 200 * 10**6), number=1, tokens=(dai, usdc))
    problem = problem_of([*pools, shallow], dai)
    found = solve(problem)
    loose = bound(problem, found.prices)
    limit, made, missed = explained(found, Terms(), loose, {})
    assert 0.9999 * limit <= made.gain <= limit < 0.995 * loose
    assert made.gain + sum(missed.values()) == limit


def test_prices_within_the_fees_are_worth_nothing() -> None:
    surface = WeightedSurface((0.5, 0.25, 0.25), (2e24, 1e24, 1e24), (1.0, 1.0, 1e12), 3e-3)
    assert worth_together(surface, [1.0, 1.002, 0.999e12]).most <= ROUNDING * 4e24
    assert worth_together(surface, [1.0, 1.01, 0.999e12]).most > 1e18
    calm = replace(TRIPOOL, balances=(10**24, 10**12, 10**12)).surface()
    assert worth_together(calm, [1.0, 1.00005e12, 1e12]).most == 0.0
    assert worth_together(calm, [1.0, 1.001e12, 1e12]).most > 1e18


def test_a_token_that_nothing_else_trades_costs_the_bound_nothing() -> None:
    surface, prices = TRIPOOL.surface(), marginals(TRIPOOL)
    prices[1] *= 1.01
    assert 0.0 < worth_together(surface, [*prices[:2], None]).most < worth_together(surface, prices).most
