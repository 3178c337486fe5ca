"""Slipstream's pools: quotes as Uniswap V3's, fees as their module's."""

import pytest

from chains.executor import Hop, HopKind
from chains.pools import concentrated, slipstream
from chains.pools.pool import HookedPool, MalformedLog, MalformedState, PoolFacts, Source, StaleState
from chains.pools.registry import loader
from chains.pools.slipstream import SlipstreamPool
from chains.pools.words import word
from tests.chains.pools.samples import A, B, at, log, ranged

POOL, FACTORY, MODULE = at(200), at(800), at(801)
TOPIC = word(int(POOL, 16))
PLAIN = ranged(2**96, [(-600, 600, 10**21)], fee_ppm=500)


def pool_of(fee_ppm=500):
    state = PLAIN.sqrt_price_x96, PLAIN.tick, PLAIN.liquidity, PLAIN.ticks
    return SlipstreamPool(POOL, (A, B), fee_ppm, *state, FACTORY, MODULE)


def test_quotes_are_those_of_a_concentrated_pool_of_that_fee():
    for amount in (1, 10**9, 10**18):
        assert pool_of().quote(A, amount) == PLAIN.quote(A, amount)
        assert pool_of().quote_exact_out(A, amount) == PLAIN.quote_exact_out(A, amount)
    assert isinstance(pool_of().swapped(A, 10**18), SlipstreamPool)
    assert pool_of().hop(A) == Hop(HopKind.CONCENTRATED, POOL, True, 500)


def test_the_module_sets_the_fee_and_whoever_loses_sight_of_it_is_refused():
    pool = pool_of()
    assert set(pool.sources) == {Source(POOL), Source(MODULE, TOPIC), Source(MODULE), Source(FACTORY)}
    for topic in (slipstream.CUSTOM_FEE, slipstream.CUSTOM_FEE_BEFORE_2024):
        assert pool.applied(log(MODULE, [topic, TOPIC, word(700)])).fee_ppm == 700
        assert pool.applied(log(MODULE, [topic, TOPIC, word(420)])).fee_ppm == 0
        assert pool.applied(log(MODULE, [topic, word(5), word(700)])) is pool
    lost = [
        (StaleState, log(MODULE, [slipstream.CUSTOM_FEE, TOPIC, word(0)])),
        (StaleState, log(FACTORY, [slipstream.MODULE_CHANGED, word(1), word(2)])),
        (HookedPool, log(MODULE, [slipstream.DEFAULT_SCALING_SET], 5)),
        (HookedPool, log(MODULE, [slipstream.SCALING_SET, TOPIC], 5)),
        (MalformedLog, log(MODULE, [slipstream.CUSTOM_FEE, TOPIC, word(10**6)])),
        (MalformedLog, log(MODULE, [slipstream.CUSTOM_FEE, TOPIC])),
    ]
    for refusal, event in lost:
        with pytest.raises(refusal):
            pool.applied(event)
    assert pool.applied(log(MODULE, [slipstream.SCALING_SET, word(5)], 5)) is pool
    swap = log(POOL, [concentrated.SWAP, b"", b""], 1, -1, 2**96 + 5, 10**21, 0)
    assert pool.applied(swap).sqrt_price_x96 == 2**96 + 5


def loaded(default=b"", config=b"", module=MODULE):
    steps = loader("slipstream")(PoolFacts("slipstream", POOL, (A, B), 0))
    next(steps)
    steps.send((word(500), word(int(FACTORY, 16))))
    calls = steps.send((word(int(module, 16)),))
    if int(module, 16):
        calls = steps.send((default, config))
    assert len(calls) == 3
    calls = steps.send((word(2**96) + word(0), word(10**21), word(60)))
    with pytest.raises(StopIteration) as end:
        steps.send(tuple(word(0) for _ in calls))
    return end.value.value


def test_a_pool_loads_with_its_fee_and_module():
    pool = loaded()
    assert (pool.fee_ppm, pool.factory, pool.fee_module, pool.liquidity) == (500, FACTORY, MODULE, 10**21)
    assert loaded(word(0), word(5) + word(0) + word(0)).fee_ppm == 500
    assert loaded(module=at(0)).fee_module == at(0)


@pytest.mark.parametrize("answers", [(word(5), b""), (word(0), word(5) + word(9) + word(1))])
def test_a_fee_that_follows_the_price_is_refused(answers):
    with pytest.raises(HookedPool, match="follows its price"):
        loaded(*answers)


def test_a_pool_that_is_none_is_refused():
    steps = loader("slipstream")(PoolFacts("slipstream", POOL, (A, B), 0))
    next(steps)
    with pytest.raises(MalformedState, match="is this such a pool"):
        steps.send((b"", b""))
