"""Camelot's pairs: two fees, two curves, events, loading, and the properties every family keeps."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.executor import Hop, HopKind
from chains.pools import camelot
from chains.pools.camelot import CamelotPool
from chains.pools.constant_product import MAX_RESERVE
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolFacts,
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.words import word
from tests.chains.pools.properties import exact_out_is_least, never_gains, pieces_agree
from tests.chains.pools.samples import A, B, at, log, pair, token

C = token(3, "C", 6)
POOL, FACTORY = at(100), at(800)


def pool_of(reserves=(10**24, 10**12), fees=(300, 500), stable=True, owner_share=0, **changes):
    return replace(CamelotPool(POOL, (A, C), reserves, fees, stable, owner_share), **changes)


pools = st.builds(
    lambda reserve, ratio, fees, stable, share: pool_of(
        (reserve, int(reserve * ratio / 10**12)), fees, stable=stable, owner_share=share
    ),
    st.integers(10**20, 10**26),
    st.floats(0.02, 50),
    st.sampled_from([(0, 0), (300, 500), (2_000, 40)]),
    st.booleans(),
    st.sampled_from([0, 40_000]),
)
directions = st.sampled_from([(A, C), (C, A)])


@given(pools, directions, st.floats(1e-6, 0.99))
def test_pieces_agree_with_exact_quotes(pool, direction, fraction):
    reach = sum(piece.cap for piece in pool.pieces(*direction))
    whole = 1.0 if pool.stable else 2.0 * pool.reserves[pool.tokens.index(direction[0])] / reach
    pieces_agree(pool, *direction, fraction * whole, 2e-2)


@given(pools, directions, st.integers(1, 10**26))
def test_swapping_there_and_back_never_gains(pool, direction, amount):
    never_gains(pool, *direction, amount)


@given(pools, directions, st.floats(0, 1))
def test_exact_out_asks_for_the_least_that_buys_it(pool, direction, fraction):
    held = pool.reserves[pool.tokens.index(direction[1])]
    exact_out_is_least(pool, *direction, max(int(fraction * held), 1))


@given(st.integers(1, 10**20), st.sampled_from([0, 300, 500]))
def test_a_volatile_pair_of_one_fee_is_an_ordinary_pair(amount, fee):
    volatile = CamelotPool(POOL, (A, B), (10**20, 10**21), (fee, fee))
    ordinary = pair((10**20, 10**21), fee_ppm=fee * 10)
    for side in (A, B):
        assert volatile.quote(side, amount) == ordinary.quote(side, amount)
        assert volatile.swapped(side, amount).reserves == ordinary.swapped(side, amount).reserves
        assert volatile.pieces(side) == ordinary.pieces(side)


def test_either_direction_has_its_own_fee():
    pool = CamelotPool(POOL, (A, B), (10**24, 10**24), (300, 2_000))
    assert pool.quote(A, 10**18) > pool.quote(B, 10**18)
    assert pool.fee_ppm == 20_000
    changed = pool.applied(log(POOL, [camelot.FEES_CHANGED], 2_000, 300))
    assert (changed.quote(A, 10**18), changed.quote(B, 10**18)) == (pool.quote(B, 10**18), pool.quote(A, 10**18))


def test_a_stable_pair_sends_the_owners_share_of_the_fee_away():
    pool = pool_of(owner_share=40_000)
    after = pool.swapped(A, 10**21)
    assert after.reserves[0] == 10**24 + 10**21 - 10**21 * 300 * 40_000 // 10**10
    assert pool.applied(log(POOL, [camelot.SYNC], *after.reserves)) == after
    assert not pool.applied(log(POOL, [camelot.KIND_CHANGED], 1, 0)).stable


def test_questions_without_an_answer_are_refused_by_name():
    for stable in (True, False):
        pool = pool_of(stable=stable)
        for refused in (0, -1, MAX_RESERVE, 2**256):
            with pytest.raises(AmountOutOfRange):
                pool.quote(A, refused)
        with pytest.raises(AmountOutOfRange):
            pool.quote_exact_out(C, 0)
        with pytest.raises(InsufficientLiquidity):
            pool.quote_exact_out(C, 10**12)
        with pytest.raises(UnknownToken):
            pool.hop(token(9))
        with pytest.raises(EmptyPool):
            pool_of((0, 5), stable=stable).quote(A, 1)
        assert pool_of((0, 5), stable=stable).pieces(A) == ()


def test_malformed_logs_and_states_are_refused():
    for bad in (
        log(POOL, [camelot.SYNC], 1),
        log(at(9), [camelot.SYNC], 1, 1),
        log(POOL, [camelot.SYNC], 2**112, 1),
        log(POOL, [camelot.FEES_CHANGED], 2_001, 1),
    ):
        with pytest.raises(MalformedLog):
            pool_of().applied(bad)
    for changes in ({"tokens": (A, A)}, {"reserves": (-1, 1)}, {"fees": (2_001, 0)}, {"owner_share": 10**6}):
        with pytest.raises(MalformedState):
            pool_of(**changes)
    assert pool_of().applied(log(POOL, [b"\x01" * 32])) == pool_of()


def test_a_pair_loads_in_two_rounds():
    steps = loader("camelot")(PoolFacts("camelot", POOL, (A, C), 0))
    assert len(next(steps)) == 3
    state = b"".join(map(word, (10**24, 10**12, 300, 500)))
    assert [call.to for call in steps.send((state, word(1), word(int(FACTORY, 16))))] == [FACTORY]
    with pytest.raises(StopIteration) as end:
        steps.send((word(40_000) + word(5),))
    assert end.value.value == pool_of(owner_share=40_000)
    assert pool_of().hop(C) == Hop(HopKind.SOLIDLY, POOL, False, 5000)
