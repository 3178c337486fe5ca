"""Balancer V3's buffers: recorded answers, what they keep back, events and loading."""

import pytest

from bot.exactness import balancer_v3 as proof
from chains.executor import BalancerV3Route, Hop, HopKind
from chains.pools import balancer_v3_buffer as buffers
from chains.pools import erc4626
from chains.pools.balancer_v3_buffer import BalancerV3BufferPool
from chains.pools.pool import (
    AmountOutOfRange,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolFacts,
    Source,
    StaleState,
    Suspended,
)
from chains.pools.registry import loader
from chains.pools.words import word
from tests.chains.pools.samples import A, at, log
from tests.chains.pools.test_erc4626 import SHARE, VAULT, answers_of, vault

BALANCER = at(901)
TOPIC = word(int(VAULT, 16))


def buffer(underlying=10**20, wrapped=10**20, **changes):
    return BalancerV3BufferPool(BALANCER, vault(), underlying, wrapped, 1_000, **changes)


def test_quotes_equal_what_the_vault_answered_on_mainnet():
    cases = list(proof.buffers_recorded())
    assert [case for case in cases if not case.matches] == [] and len(cases) == 6


def test_a_unit_is_kept_back_on_either_side():
    pool = buffer()
    assert pool.quote(A, 10**9) == vault().quote(A, 10**9 - 1) - 1
    assert pool.quote(SHARE, 10**9) == vault().quote(SHARE, 10**9 - 1) - 1
    assert pool.quote_exact_out(A, 10**9) == vault().quote_exact_out(A, 10**9 + 1) + 1
    assert pool.quote_exact_out(SHARE, 10**9) == vault().quote_exact_out(SHARE, 10**9 + 1) + 1
    assert pool.marginal_price(A) == vault().marginal_price(A) and pool.pieces(SHARE) == vault().pieces(SHARE)


def test_a_buffer_pays_out_of_its_own_and_else_is_levelled_out():
    pool = buffer()
    after = pool.swapped(A, 10**19)
    assert (after.underlying, after.wrapped) == (11 * 10**19, 10**20 - pool.quote(A, 10**19))
    packed = after.underlying | after.wrapped << 128
    event = log(BALANCER, [buffers.WRAPPED, TOPIC], 10**19, pool.quote(A, 10**19), packed)
    assert pool.applied(event) == after
    assert pool.swapped(SHARE, 10**19).wrapped == 11 * 10**19
    with pytest.raises(StaleState, match="levelled out"):
        pool.swapped(A, 10**22)
    assert pool.quote(A, 10**22) > 0


def test_the_wrapper_and_the_vault_change_it():
    pool = buffer()
    assert set(pool.sources) == {Source(BALANCER, TOPIC), Source(BALANCER), Source(VAULT)}
    earned = pool.applied(log(VAULT, [erc4626.DEPOSIT, b"", b""], 10**20, 1))
    assert earned.wrapper.assets == vault().assets + 10**20
    paused = pool.applied(log(BALANCER, [buffers.BUFFERS_PAUSED], 1))
    with pytest.raises(Suspended):
        paused.quote(A, 10**9)
    assert paused.marginal_price(A) == 0.0 and paused.pieces(A) == ()
    with pytest.raises(StaleState):
        pool.at(5).quote(A, 10**9)
    assert pool.applied(log(BALANCER, [buffers.ADDED, word(5)], 1, 1, 1)) is pool
    for bad in (log(BALANCER, [buffers.ADDED, TOPIC], 1, 1), log(at(9), [buffers.ADDED, TOPIC], 1, 1, 1)):
        with pytest.raises(MalformedLog):
            pool.applied(bad)


def test_dust_is_refused():
    for amount in (0, 1, 999):
        with pytest.raises(AmountOutOfRange, match="nothing smaller than 1000"):
            buffer().quote(A, amount)
        with pytest.raises(AmountOutOfRange):
            buffer().quote_exact_out(A, amount)
    with pytest.raises(InsufficientLiquidity):
        BalancerV3BufferPool(BALANCER, vault(10**30, 10**6), 0, 0, 1_000).quote(A, 10**6)
    with pytest.raises(MalformedState):
        BalancerV3BufferPool(BALANCER, vault(), -1, 0, 1_000)


def test_hops_say_that_it_is_a_buffer():
    wraps = Hop(HopKind.BALANCER_V3, VAULT, True, 0, BalancerV3Route(VAULT, buffer=True))
    unwraps = Hop(HopKind.BALANCER_V3, VAULT, False, 0, BalancerV3Route(A.address, buffer=True))
    assert (buffer().hop(A), buffer().hop(SHARE)) == (wraps, unwraps)
    assert buffer().venue != vault().venue


def test_a_buffer_loads_after_its_wrapper():
    facts = PoolFacts("balancer_v3_buffer", VAULT, (A, SHARE), 0, details={"vault": BALANCER})
    steps = loader("balancer_v3_buffer")(facts)
    next(steps)
    calls = steps.send(answers_of(vault()))
    assert {call.to for call in calls} == {BALANCER}
    with pytest.raises(StopIteration) as end:
        steps.send((word(10**20) * 2, word(1_000), word(0)))
    assert end.value.value == buffer()
