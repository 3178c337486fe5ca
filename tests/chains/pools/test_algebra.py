"""Algebra Integral's pools: linked ticks, events, and refusals."""

from dataclasses import replace

import pytest

from chains.executor import Hop, HopKind
from chains.pools import algebra, concentrated
from chains.pools.algebra import EVERY_TICK, AlgebraPool, LinkedTicks
from chains.pools.pool import BeyondKnownLiquidity, HookedPool, MalformedLog, MalformedState, PoolFacts
from chains.pools.registry import loader
from chains.pools.tick_math import MAX_TICK, MIN_TICK, all_words, sqrt_price_at
from chains.pools.words import word
from tests.chains.pools.properties import never_gains, pieces_agree
from tests.chains.pools.samples import A, B, at, log

POOL = at(100)


def pool_of(positions=((-6000, 6000, 10**21), (-120, 60, 10**22)), words=None, fee_ppm=500):
    ticks = LinkedTicks(EVERY_TICK, *(words or all_words(EVERY_TICK)), {}, {})
    for lower, upper, liquidity in positions:
        ticks = ticks.with_position(lower, upper, liquidity)
    return AlgebraPool(POOL, (A, B), fee_ppm, sqrt_price_at(0), 0, 11 * 10**21, ticks)


def test_a_step_ends_at_the_next_tick_in_use_and_not_at_the_end_of_a_word():
    pool = pool_of(((-60_000, 60_000, 11 * 10**21),))
    assert pool.ticks.next_below(0) == (-60_000, True) and pool.ticks.next_above(0) == (60_000, True)
    assert pool.ticks.next_above(60_000) == (MAX_TICK, False) and pool.ticks.next_below(-60_001) == (MIN_TICK, False)
    assert isinstance(pool.ticks.with_position(-60, 60, 5), LinkedTicks)


def test_nothing_is_quoted_past_the_last_known_tick():
    pool = pool_of(words=(-1, 0))
    assert pool.quote(B, 10**18) > 0
    with pytest.raises(BeyondKnownLiquidity):
        pool.quote(B, 10**22)


@pytest.mark.parametrize("amount", [1, 10**9, 10**19, 5 * 10**20])
def test_what_every_family_promises(amount):
    for token_in, token_out in ((A, B), (B, A)):
        never_gains(pool_of(), token_in, token_out, amount)
        pieces_agree(pool_of(), token_in, token_out, amount / 10**21, 1e-6)


def test_events_of_the_pool_change_its_state():
    pool = pool_of()
    assert pool.applied(log(POOL, [algebra.FEE], 700)).fee_ppm == 700
    assert pool.applied(log(POOL, [algebra.PLUGIN_CONFIG], 0b1100_0010)) is pool
    minted = pool.applied(log(POOL, [concentrated.MINT, b"", word(-60), word(60)], 0, 5, 1, 1))
    assert minted.liquidity == pool.liquidity + 5 and isinstance(minted, AlgebraPool)
    with pytest.raises(HookedPool, match="another fee"):
        pool.applied(log(POOL, [algebra.PLUGIN_CONFIG], 1))
    for bad in (log(POOL, [algebra.FEE]), log(at(1), [algebra.FEE], 1), log(POOL, [algebra.FEE], 10**6)):
        with pytest.raises(MalformedLog):
            pool.applied(bad)
    assert pool.hop(B) == Hop(HopKind.ALGEBRA, POOL, False, 500)


def words(*values):
    return b"".join(map(word, values))


def loaded(state):
    steps = loader("algebra")(PoolFacts("algebra", POOL, (A, B), 0))
    assert len(next(steps)) == 2
    bitmaps = steps.send((state, word(11 * 10**21)))
    set_words = {-1: 1 << 246, 0: 1 << 20}
    first = -(len(bitmaps) // 2)
    steps.send(tuple(word(set_words.get(first + index, 0)) for index in range(len(bitmaps))))
    with pytest.raises(StopIteration) as end:
        steps.send((words(5, 5, 0, 0), words(5, -5, 0, 0)))
    return end.value.value


def test_a_pool_loads_in_three_rounds():
    pool = loaded(words(2**96, 0, 500, 0b1000_0000, 0, 1))
    assert (pool.fee_ppm, pool.tick, pool.sqrt_price_x96, dict(pool.ticks.net)) == (500, 0, 2**96, {-10: 5, 20: -5})
    assert pool == replace(pool_of((), (pool.ticks.first_word, pool.ticks.last_word)), ticks=pool.ticks)


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (words(2**96, 0, 500, 1, 0, 1), HookedPool),
        (words(2**96, 0, 500, 0, 0, 0, 1), HookedPool),
        (words(2**96, 0, 500), MalformedState),
    ],
)
def test_pools_whose_next_fee_is_not_known_are_refused(state, refusal):
    with pytest.raises(refusal):
        loaded(state)
