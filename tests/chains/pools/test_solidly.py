"""Velodrome V2's pools: recorded answers, events, loading, and the properties every family keeps."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness import solidly as proof
from chains.executor import Hop, HopKind
from chains.pools import solidly
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolFacts,
    Source,
    StaleState,
    Suspended,
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.solidly import SolidlyPool
from chains.pools.words import word
from tests.chains.pools.properties import exact_out_is_least, never_gains, pieces_agree
from tests.chains.pools.samples import A, at, log, token

C = token(3, "C", 6)
POOL, FACTORY = at(100), at(800)


def pool_of(reserves=(10**24, 10**12), stable=True, fee_bps=5, **changes):
    return replace(SolidlyPool(POOL, (A, C), reserves, fee_bps, stable, FACTORY), **changes)


pools = st.builds(
    pool_of,
    st.tuples(st.integers(10**15, 10**28), st.integers(10**4, 10**16)),
    st.booleans(),
    st.sampled_from([0, 1, 5, 30, 300]),
)
directions = st.sampled_from([(A, C), (C, A)])


def test_quotes_equal_what_aerodrome_answered_on_base():
    cases = [*proof.volatile(), *proof.stable()]
    assert [case for case in cases if not case.matches] == []
    assert len(cases) == 26


balanced = st.builds(
    lambda reserve, ratio, fee_bps, stable: pool_of((reserve, int(reserve * ratio / 10**12)), stable, fee_bps),
    st.integers(10**20, 10**26),
    st.floats(0.02, 50),
    st.sampled_from([0, 5, 300]),
    st.booleans(),
)


@given(balanced, directions, st.floats(1e-6, 0.99))
def test_pieces_agree_with_exact_quotes(pool, direction, fraction):
    if pool.stable:
        pieces_agree(pool, *direction, fraction, 2e-2)
    else:
        given, taken = (pool.reserves[pool.tokens.index(side)] for side in direction)
        rate, curvature, _ = pool.pieces(*direction)[0]
        amount = max(int(fraction * given), 10**7)
        exact = pool.quote(direction[0], amount)
        assert abs(rate * amount / (1 + curvature * amount) - exact) <= 1 + 1e-6 * taken


def test_a_stable_pool_that_refuses_some_amounts_keeps_the_rest_of_its_curve():
    pool = pool_of((100 * 10**18, 2 * 10**5))
    with pytest.raises(AmountOutOfRange):
        pool.quote(C, 97_900)
    assert pool.pieces(C)[0].rate == pool.marginal_price(C)
    pieces_agree(pool, C, A, 0.5, 2e-2)


@given(pools, directions, st.integers(1, 10**26))
def test_swapping_there_and_back_never_gains(pool, direction, amount):
    never_gains(pool, *direction, amount)


@given(pools, directions, st.floats(0, 1))
def test_exact_out_asks_for_the_least_that_buys_it(pool, direction, fraction):
    held = pool.reserves[pool.tokens.index(direction[1])]
    exact_out_is_least(pool, *direction, max(int(fraction * held), 1))


def test_a_stable_pools_pieces_start_at_the_marginal_price_and_fall():
    pool = pool_of()
    rates = [piece.rate for piece in pool.pieces(A)]
    assert len(rates) > 20 and rates == sorted(rates, reverse=True)
    assert rates[0] == pool.marginal_price(A) == pytest.approx(0.9995e-12)


def test_the_fee_leaves_the_pool_and_its_own_check_still_holds():
    for stable in (True, False):
        pool = pool_of(stable=stable)
        after = pool.swapped(A, 10**21)
        assert after.reserves == (10**24 + 10**21 * 9995 // 10000, 10**12 - pool.quote(A, 10**21))
        assert pool.applied(log(POOL, [solidly.SYNC], *after.reserves)) == after


def test_what_the_pair_would_not_pay_is_refused():
    pool = pool_of((1_475_234_085_784_161_091_584, 18), fee_bps=0)
    assert pool.quote(C, 1) > 0
    with pytest.raises(InsufficientLiquidity, match="does not pay it"):
        pool.swapped(C, 1)


def test_the_factory_sets_fee_and_pause():
    pool = pool_of()
    topics = [solidly.CUSTOM_FEE, word(int(POOL, 16))]
    assert pool.sources == (Source(POOL), Source(FACTORY, topics[1]), Source(FACTORY))
    assert pool.applied(log(FACTORY, topics, 100)).fee_ppm == 10_000
    assert pool.applied(log(FACTORY, topics, 420)).fee_bps == 0
    assert pool.applied(log(FACTORY, [solidly.CUSTOM_FEE, word(7)], 100)) is pool
    with pytest.raises(StaleState, match="default"):
        pool.applied(log(FACTORY, topics, 0))
    paused = pool.applied(log(FACTORY, [solidly.PAUSE_STATE], 1))
    assert paused.marginal_price(A) == 0.0 and paused.pieces(A) == ()
    with pytest.raises(Suspended):
        paused.paid(A, 10**18)


def test_questions_without_an_answer_are_refused_by_name():
    for stable in (True, False):
        pool = pool_of(stable=stable)
        for refused in (0, -1, 2**256):
            with pytest.raises(AmountOutOfRange):
                pool.quote(A, refused)
        with pytest.raises(AmountOutOfRange):
            pool.quote_exact_out(C, 0)
        with pytest.raises(InsufficientLiquidity):
            pool.quote_exact_out(C, 10**12)
        with pytest.raises(UnknownToken):
            pool.hop(token(9))
        with pytest.raises(EmptyPool):
            pool_of((0, 5), stable).quote(A, 1)


def test_malformed_logs_and_states_are_refused():
    for bad in (
        log(POOL, [solidly.SYNC], 1),
        log(at(9), [solidly.SYNC], 1, 1),
        log(FACTORY, [solidly.CUSTOM_FEE, word(int(POOL, 16))], 5_000),
        log(at(9), [solidly.PAUSE_STATE], 1),
    ):
        with pytest.raises(MalformedLog):
            pool_of().applied(bad)
    for changes in ({"tokens": (A, A)}, {"reserves": (-1, 1)}, {"fee_bps": 301}):
        with pytest.raises(MalformedState):
            pool_of(**changes)
    assert pool_of().applied(log(POOL, [b"\x01" * 32])) == pool_of()


def test_a_pool_loads_in_two_rounds():
    steps = loader("solidly")(PoolFacts("solidly", POOL, (A, C), 500))
    assert len(next(steps)) == 3
    reserves = word(10**24) + word(10**12) + word(0)
    assert [call.to for call in steps.send((reserves, word(1), word(int(FACTORY, 16))))] == [FACTORY, FACTORY]
    with pytest.raises(StopIteration) as end:
        steps.send((word(5), word(0)))
    assert end.value.value == pool_of()
    assert pool_of().hop(C) == Hop(HopKind.SOLIDLY, POOL, False, 500)
