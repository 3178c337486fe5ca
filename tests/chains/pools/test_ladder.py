"""Leaping over whole steps gives what walking them one by one gives, whatever was asked before."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.pools.pool import InsufficientLiquidity, PoolError
from chains.pools.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, sqrt_price_at
from tests.chains.pools.samples import A, B, ranged

SPACING = 10
NEARLY_THE_END = {A: MIN_SQRT_PRICE + 2, B: MAX_SQRT_PRICE - 2}
"""Price limits that no swap is stopped by unless it takes the pool to its end; with one, every step is walked."""

bounds = st.integers(-400, 400).map(lambda step: step * SPACING)
liquidities = st.one_of(st.integers(1, 3), st.integers(10**3, 10**6), st.integers(10**15, 10**24))
swaps = st.lists(
    st.tuples(
        st.sampled_from([A, B]), st.integers(0, 100).flatmap(lambda bits: st.integers(1, 2**bits)), st.booleans()
    ),
    min_size=1,
    max_size=8,
)


@st.composite
def pools(draw):
    spans = draw(st.lists(st.tuples(bounds, bounds, liquidities), min_size=1, max_size=12))
    positions = [(min(one, two), max(one, two) + SPACING, liquidity) for one, two, liquidity in spans]
    if draw(st.booleans()):
        positions.append((MIN_TICK // SPACING * SPACING + SPACING, MAX_TICK // SPACING * SPACING, draw(liquidities)))
    price = sqrt_price_at(draw(st.integers(-4200, 4200))) + draw(st.integers(0, 1000))
    return ranged(price, positions, fee_ppm=draw(st.sampled_from([0, 1, 100, 500, 3000, 999_999])), spacing=SPACING)


def outcome(ask, *arguments):
    try:
        return ask(*arguments)
    except PoolError as error:
        return type(error)


@settings(deadline=None, max_examples=200)
@given(pools(), swaps)
def test_a_leap_ends_where_single_steps_end(pool, asked):
    for token_in, amount, exact_in in asked:
        specified = amount if exact_in else -amount
        leapt = outcome(pool.filled, token_in, specified)
        walked = outcome(pool.filled, token_in, specified, NEARLY_THE_END[token_in])
        ended = not isinstance(leapt, type) and leapt.sqrt_price_x96 in (MIN_SQRT_PRICE + 1, MAX_SQRT_PRICE - 1)
        assert ended or leapt == walked
        swapped = outcome(pool.swapped, token_in, amount)
        if not isinstance(swapped, type) and exact_in:
            assert swapped.ticks is pool.ticks, "what was summed up is kept while no position changes"
            assert replace(swapped) == swapped, "what a swap leaves is checked by nobody, and would pass"
            pool = swapped


def test_an_exactly_spent_amount_stops_at_the_tick_and_does_not_cross_the_empty_ones_behind_it():
    pool = ranged(sqrt_price_at(5), [(-20, 20, 10**18), (-200, -100, 10**18)], fee_ppm=0, spacing=SPACING)
    to_the_gap = pool.filled(A, 10**30, sqrt_price_at(-20)).amount_in
    stopped = pool.filled(A, to_the_gap)
    assert (stopped.tick, stopped.liquidity, stopped.sqrt_price_x96) == (-21, 0, sqrt_price_at(-20))
    assert stopped == pool.filled(A, to_the_gap, NEARLY_THE_END[A])
    beyond = pool.filled(A, to_the_gap + 1)
    assert beyond == pool.filled(A, to_the_gap + 1, NEARLY_THE_END[A]) and beyond.tick <= -101


@pytest.mark.parametrize("liquidity", [0, 10**17])
@pytest.mark.parametrize("token_in", [A, B])
def test_ticks_that_do_not_fit_the_liquidity_are_refused_and_never_quoted(liquidity, token_in):
    pool = replace(ranged(2**96, [(-600, 600, 10**18)]), liquidity=liquidity)
    for amount in (1, 10**16, 10**20):
        try:
            assert pool.quote(token_in, amount) >= 0 and liquidity
        except PoolError:
            assert amount > 1 or not liquidity
    with pytest.raises(InsufficientLiquidity, match="less than no liquidity"):
        pool.quote(token_in, 10**20)
