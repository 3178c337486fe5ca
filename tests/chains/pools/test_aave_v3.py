"""Aave V3's reserves: rounding of both revisions, limits, time, and refusals."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness.aave_v3 import first_state
from chains.assets import Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.aave_v3 import RAY, RESERVE_UPDATED, AaveV3Pool, Rules
from chains.pools.pool import (
    AmountOutOfRange,
    HookedPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolFacts,
    StaleState,
    Suspended,
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.words import word
from tests.chains.pools.properties import exact_out_is_least, pieces_agree
from tests.chains.pools.samples import A, at, log, token

LENDER, DEBT = at(700), at(701)
A_TOKEN = Token("twin", at(702), "aA", 18)
ACTIVE, FROZEN, STABLE, PAUSED = (1 << bit for bit in (56, 57, 59, 60))


def reserve(rules=Rules.V3_0, index=11 * RAY // 10 + 7, **changes):
    made = AaveV3Pool(
        at(702), (A, A_TOKEN), LENDER, DEBT, rules, index, 10**24, 10**20, 2 * 10**23, 0, takes=True, gives=True
    )
    return replace(made, **changes)


reserves = st.builds(reserve, st.sampled_from(Rules), st.integers(RAY, 9 * RAY))
directions = st.sampled_from([(A, A_TOKEN), (A_TOKEN, A)])


@given(reserves, directions, st.integers(1, 10**27))
def test_what_is_received_is_what_went_in_but_for_the_rounding_of_the_index(pool, direction, amount):
    try:
        out = pool.quote(direction[0], amount)
    except (AmountOutOfRange, InsufficientLiquidity):
        return
    most = pool.index // RAY + 1
    assert out == amount if direction[0] == A_TOKEN else -most <= out - amount <= most * (pool.rules is Rules.V3_0)


@given(reserves, st.integers(1, 10**27))
def test_there_and_back_gains_no_more_than_half_a_scaled_unit_and_of_v3_6_nothing(pool, amount):
    try:
        received = pool.quote(A, amount)
        back = pool.swapped(A, amount).quote(A_TOKEN, received)
    except AmountOutOfRange:
        return
    assert back <= amount + (pool.index // (2 * RAY) + 1) * (pool.rules is Rules.V3_0)


@given(reserves, directions, st.integers(1, 10**23))
def test_exact_out_asks_for_the_least(pool, direction, amount):
    exact_out_is_least(pool, *direction, amount)


@given(reserves, directions, st.floats(1e-9, 0.99))
def test_the_piece_agrees_with_exact_quotes(pool, direction, fraction):
    pieces_agree(pool, *direction, fraction, 1e-6)


def test_no_more_is_supplied_than_the_cap_leaves_nor_withdrawn_than_is_there():
    for rules, shown in ((Rules.V3_0, 1), (Rules.V3_6, 0)):
        pool = reserve(rules, RAY + shown, supplied=990, treasury=5, cap=1_000)
        assert pool.quote(A, 5) == 5 and pool.pieces(A)[0].cap == 5.0
        with pytest.raises(InsufficientLiquidity, match="takes up to 1000 of its asset, not 1001"):
            pool.quote(A, 6)
        assert pool.swapped(A, 5).pieces(A) == ()
        with pytest.raises(InsufficientLiquidity):
            pool.swapped(A, 5).quote(A, 1)
    pool = reserve(available=7)
    assert pool.quote(A_TOKEN, 7) == 7 == pool.quote_exact_out(A, 7) and pool.pieces(A_TOKEN)[0].cap == 7.0
    with pytest.raises(InsufficientLiquidity, match="can give 7, not 8"):
        pool.quote(A_TOKEN, 8)
    assert pool.swapped(A_TOKEN, 7).pieces(A_TOKEN) == ()


def test_a_frozen_reserve_only_gives_and_a_paused_one_does_neither():
    frozen, paused = reserve(takes=False), reserve(takes=False, gives=False)
    assert frozen.quote(A_TOKEN, 10**18) == 10**18 and frozen.marginal_price(A_TOKEN) == 1.0
    for pool, sold in ((frozen, A), (paused, A), (paused, A_TOKEN)):
        with pytest.raises(Suspended, match="frozen or paused"):
            pool.quote(sold, 10**18)
        assert pool.marginal_price(sold) == 0.0


def test_time_and_the_reserves_own_events_make_it_stale():
    pool = reserve()
    own, other = word(int(A.address, 16)), word(9)
    assert pool.applied(log(LENDER, [RESERVE_UPDATED, other], 1, 2, 3, 4, 5)) is pool
    assert pool.applied(log(LENDER, [b"\x01" * 32])) is pool
    moved = pool.applied(log(LENDER, [RESERVE_UPDATED, own], 1, 2, 3, 4, 5))
    assert moved == pool.at(5) and moved.needs_reading and moved.at(6) is moved and not pool.needs_reading
    assert moved.pieces(A) == () == moved.pieces(A_TOKEN)
    for ask in (moved.quote, moved.quote_exact_out, moved.swapped):
        with pytest.raises(StaleState, match="read it again"):
            ask(A, 1)
    for bad in (log(at(9), [RESERVE_UPDATED, own], 1, 2, 3, 4, 5), log(LENDER, [RESERVE_UPDATED, own], 1)):
        assert isinstance(bad, Log)
        with pytest.raises(MalformedLog):
            pool.applied(bad)


def test_questions_without_an_answer_are_refused_by_name():
    pool = reserve()
    for refused in (0, -1, 2**256 - 1):
        for sold in (A, A_TOKEN):
            with pytest.raises(AmountOutOfRange):
                pool.quote(sold, refused)
    with pytest.raises(AmountOutOfRange):
        reserve(index=3 * RAY).quote(A, 1)
    with pytest.raises(AmountOutOfRange):
        pool.quote_exact_out(A_TOKEN, 0)
    with pytest.raises(UnknownToken):
        pool.quote(token(9), 1)
    assert pool.hop(A) == Hop(HopKind.AAVE_V3, at(702), True, 0) and not pool.hop(A_TOKEN).zero_for_one
    for changes in ({"tokens": (A, A)}, {"index": RAY - 1}, {"index": 2**128}, {"supplied": -1}, {"cap": 2**256}):
        with pytest.raises(MalformedState):
            reserve(**changes)


def loaded(revision=1, settings=ACTIVE, stable=0, asset=A, a_token=A_TOKEN, virtual=b""):
    steps = loader("aave_v3")(PoolFacts("aave_v3", at(702), (A, A_TOKEN), 0))
    assert len(next(steps)) == 2
    words = [0] * 15
    words[0] = settings | 18 << 48 | 1_500 << 64 | 2_000 << 116
    words[3], words[12] = RAY, 3
    words[8:11] = int(a_token.address, 16), int(at(703), 16), int(DEBT, 16)
    data = b"".join(map(word, words))
    assert len(steps.send((word(int(LENDER, 16)), word(int(asset.address, 16))))) == 2
    (debt,) = steps.send((data, word(revision)))
    assert debt.to == at(703)
    assert len(steps.send((word(stable),))) == 7
    with pytest.raises(StopIteration) as end:
        steps.send((data, word(RAY), word(RAY + RAY // 10), word(10**21), word(10**20), word(10**19), virtual))
    return end.value.value


def test_a_reserve_is_loaded_with_what_its_treasury_has_earned_since():
    pool = loaded()
    assert pool == reserve(
        index=RAY, supplied=10**21, treasury=3 + 10**19 * 15 // 100, available=10**19, cap=2_000 * 10**18
    )
    assert loaded(10, virtual=word(10**18)).available == 10**18 and loaded(10).rules is Rules.V3_6
    assert not loaded(settings=0).gives and not loaded(settings=ACTIVE | PAUSED).gives
    assert loaded(settings=ACTIVE | FROZEN).gives and not loaded(settings=ACTIVE | FROZEN).takes


def test_what_is_not_understood_is_not_loaded():
    with pytest.raises(HookedPool, match="revision 7 of Aave's pool"):
        loaded(revision=7)
    with pytest.raises(HookedPool, match="debt at stable rates"):
        loaded(stable=1)
    with pytest.raises(HookedPool, match="lends at stable rates"):
        loaded(settings=ACTIVE | STABLE)
    with pytest.raises(MalformedState, match="not the aToken of A"):
        loaded(asset=A_TOKEN)
    with pytest.raises(MalformedState, match="another aToken"):
        loaded(a_token=A)


@pytest.mark.parametrize("rules", Rules)
def test_a_recorded_reserve_is_of_the_revision_that_it_was_recorded_of(rules):
    assert first_state(rules).variant == rules.value
