"""No series of swaps in one block gains more of a pool with moving pegs than its curve and its profits allow."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exactness.sequences import first_state
from bot.market.dual.capture import Cause, Terms
from bot.market.dual.certificate import bound
from bot.market.dual.explained import explained
from bot.market.dual.pegged import steepest, worth_of_pegged
from bot.market.dual.problem import problem_of
from bot.market.dual.solve import solve
from chains.pools.crypto_swap import UNIT, invariant
from chains.pools.pool import PoolError
from tests.bot.market.dual.test_together import gained_by_the_steepest
from tests.chains.pools.samples import pair

POOLS = [first_state(name) for name in ("two", "two_first", "tricrypto", "tricrypto_first")]
NOISE = 1e-13
MOVES = st.tuples(st.sampled_from(list(permutations(range(3), 2))), st.floats(-7.0, 0.0), st.sampled_from([1, 1, 20]))


def centre(pool):
    """What each token is worth by the pool, before fees and per base unit of the first one."""
    fee = 1.0 - pool.fees.at(pool.scaled()) / 10**10
    return [1.0] + [pool.marginal_price(other, pool.tokens[0]) / fee for other in pool.tokens[1:]]


def far_from_its_oracle(pool, by, earned=10**16):
    """The pool with an oracle that is off `by` that part, and with so much of its profit left to get there."""
    supply = pool.oracle.lp_supply * UNIT // (UNIT + earned)
    prices = tuple(int(scale * (1.0 + by)) for scale in pool.price_scale)
    profits = {"lp_supply": supply, "virtual_price": UNIT + earned, "xcp_profit": UNIT + earned}
    way = {"prices": prices, "adjustment_step": 2 * 10**15, "not_adjusted": True}
    return replace(pool, oracle=replace(pool.oracle, **profits, **way))


def total(pool, prices):
    return sum(price * held for price, held in zip(prices, pool.balances, strict=True))


def swapped(pool, prices, sold, bought, amount):
    """The pool afterwards, and what that gained; the pool as it was where it refuses."""
    token_in, token_out = pool.tokens[sold], pool.tokens[bought]
    try:
        after, paid = pool.swapped(token_in, amount, token_out), pool.paid(token_in, amount, token_out)
    except PoolError:
        return pool, 0.0
    return after, prices[bought] * paid - prices[sold] * amount


def gained(pool, prices, moves):
    """The most that a series ever stands at, or would after one more swap of the best pair."""
    most = stands = 0.0
    for (sold, bought), part, times in moves:
        if max(sold, bought) < len(prices):
            for _ in range(times):
                amount = max(int(pool.balances[sold] * 10.0**part / times), 1)
                pool, gain = swapped(pool, prices, sold, bought, amount)
                stands += gain
        most = max(most, stands)
    for sold, bought in permutations(range(len(prices)), 2):
        for part in (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3):
            most = max(most, stands + swapped(pool, prices, sold, bought, int(pool.balances[sold] * part))[1])
    return most


def pushed_moved_and_taken_back(pool, prices):
    """Make the pool move its pegs while it is pushed their way, then take what they are off."""
    pushed, paid = swapped(pool, prices, 0, 1, int(pool.balances[0] * 0.03))
    for _ in range(10):
        pushed, gain = swapped(pushed, prices, 1, 0, max(pool.balances[1] // 10**7, 1))
        paid += gain
    return paid + gained_by_the_steepest(pushed, prices)


@given(
    st.sampled_from(POOLS),
    st.lists(MOVES, max_size=2),
    st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3),
    st.sampled_from([0.0, 1e-3, 1e-2, 0.1]),
    st.sampled_from([0.0, 0.003, -0.03, 0.1]),
    st.lists(MOVES, min_size=1, max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_no_series_of_swaps_gains_more_than_the_bound_whether_pegs_move_or_not(
    pool, before, noise, width, by, moves
) -> None:
    start = [1.0] * len(pool.tokens)
    for (sold, bought), part, _ in before:
        if max(sold, bought) < len(start):
            pool, _ = swapped(pool, start, sold, bought, int(pool.balances[sold] * 10.0**part))
    pool = far_from_its_oracle(pool, by)
    prices = [price * math.exp(width * off) for price, off in zip(centre(pool), noise, strict=False)]
    assert gained(pool, prices, moves) <= worth_of_pegged(pool.surface(), prices) + NOISE * total(pool, prices)


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.variant)
def test_small_swaps_gain_more_than_one_and_about_what_the_bound_says(pool) -> None:
    prices = [price * off for price, off in zip(centre(pool), (1.0, 1.03, 0.985), strict=False)]
    most, steepest = worth_of_pegged(pool.surface(), prices), gained_by_the_steepest(pool, prices)
    assert gained(pool, prices, []) < steepest <= most <= 1.1 * steepest


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.variant)
def test_pegs_that_are_made_to_move_are_gained_by_and_the_bound_says_up_to_how_much(pool) -> None:
    far, prices = far_from_its_oracle(pool, 0.02), centre(pool)
    taken = pushed_moved_and_taken_back(far, prices)
    assert worth_of_pegged(far.surface(), prices, moving=False) == 0.0 < taken
    assert taken <= worth_of_pegged(far.surface(), prices) <= 6.0 * taken


@pytest.mark.parametrize("pool", POOLS[2:], ids=lambda pool: pool.variant)
def test_a_pool_that_has_little_left_for_its_pegs_can_lose_less_by_them(pool) -> None:
    poor, prices = far_from_its_oracle(pool, 0.02, earned=10**13).surface(), centre(pool)
    assert 0.0 < worth_of_pegged(poor, prices) < 0.8 * worth_of_pegged(poor._replace(floor=0.0), prices)


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.variant)
def test_pegs_that_no_trade_of_the_block_can_move_cost_nothing(pool) -> None:
    near = far_from_its_oracle(pool, 1e-3)
    assert near.surface().further == near.surface().units
    assert worth_of_pegged(near.surface(), centre(near)) == 0.0
    unknown = replace(pool, oracle=None)
    assert unknown.surface().further == unknown.surface().units


def xcp(pool, units, held):
    """What the contract's invariant of such balances makes by a scale, about."""
    scaled = [int(unit * x) for unit, x in zip(units, held, strict=True)]
    return invariant(pool.shape, scaled) / math.prod(units) ** (1.0 / len(units))


@pytest.mark.parametrize("way", [0.01, -0.01])
@pytest.mark.parametrize("floor", [1.0, 0.0])
@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.variant)
def test_without_fees_the_bound_is_what_can_be_had_at_the_worst_scale_on_the_way(pool, floor, way) -> None:
    free = pool.surface()._replace(fee=0.0, floor=floor, spared=0.5)
    free = free._replace(further=tuple(unit * (1.0 + way * place) for place, unit in enumerate(free.units)))
    prices = [price * off for price, off in zip(centre(pool), (1.0, 1.003, 0.998), strict=False)]
    moved = sum(abs(math.log(end / now)) for now, end in zip(free.units, free.further, strict=True))
    left = floor or math.exp(-moved * steepest(len(prices), free.amplification, free.gamma))
    held, best = pool.balances, 0.0
    whole = left * xcp(pool, free.units, held)
    offs = [step / 10**4 for step in (range(-500, 501, 5) if len(prices) == 2 else range(-400, 401, 40))]
    for part in (0.0, 0.5, 1.0):
        units = [now + part * (end - now) for now, end in zip(free.units, free.further, strict=True)]
        for off in product(offs, repeat=len(prices) - 1):
            ratios = [held[0], *(x * math.exp(by) for x, by in zip(held[1:], off, strict=True))]
            size = whole / xcp(pool, units, ratios)
            best = max(best, total(pool, prices) - size * sum(map(float.__mul__, prices, map(float, ratios))))
    assert 0.9 * worth_of_pegged(free, prices) <= best <= worth_of_pegged(free, prices) * (1.0 + 1e-6)


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.variant)
def test_no_step_of_the_scale_takes_more_of_what_the_pool_holds_than_the_steepest(pool) -> None:
    surface, step = pool.surface(), 1e-5
    units, most = surface.units, 0.0
    for far in range(-120, 121):
        held = [*pool.balances[:-1], pool.balances[-1] * math.exp(far**3 / 5e5)]
        after = (*units[:-1], units[-1] * (1.0 + step))
        most = max(most, abs(math.log(xcp(pool, after, held) / xcp(pool, units, held))) / step)
    limit = steepest(len(units), surface.amplification, surface.gamma)
    assert 0.4 * limit <= most <= limit * 1.001


@pytest.mark.parametrize("pool", POOLS[::2], ids=lambda pool: pool.variant)
def test_what_swaps_take_before_pegs_move_and_after_is_in_the_bound_of_the_market_and_explained(pool) -> None:
    far, prices = far_from_its_oracle(pool, 0.02), centre(pool)
    tokens, held = far.tokens[:2], 10**11 * 10 ** far.tokens[0].decimals
    deep = pair((held, int(held / prices[1])), tokens=tokens)
    problem = problem_of([far, replace(deep, fee_ppm=0)], tokens[0])
    found = solve(problem)
    limit = bound(problem, found.prices)
    assert pushed_moved_and_taken_back(far, prices) <= limit
    closest, made, missed = explained(found, Terms(), limit, {})
    assert sum(missed.values()) == closest - made.gain and all(units >= 0 for units in missed.values())
    assert missed[Cause.PEGS] > 0.5 * closest
