"""Balancer V2's pools: recorded answers, events, loading, and the properties every family keeps."""

import math
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness import balancer_v2 as proof
from chains.executor import BalancerV2Route, Hop, HopKind
from chains.pools import balancer_v2, balancer_v2_stable
from chains.pools.balancer_math import ONE, power
from chains.pools.balancer_stable_math import Ramp, Rounding
from chains.pools.balancer_v2_stable import BalancerV2StablePool, Rate
from chains.pools.balancer_v2_weighted import BalancerV2WeightedPool
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolError,
    PoolFacts,
    Source,
    StaleState,
    Suspended,
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.words import word
from tests.chains.pools.properties import answers_or_refuses, never_gains, pieces_agree
from tests.chains.pools.samples import A, B, at, log, token

C = token(3, "C", 6)
VAULT, POOL = at(700), at(701)
POOL_ID = bytes.fromhex(POOL[2:]) + b"\x00\x02" + bytes(10)
FEE = 3 * 10**15


def weighted(balances=(10**24, 2 * 10**24, 3 * 10**12), weights=(ONE // 2, ONE // 4, ONE // 4), **changes):
    pool = BalancerV2WeightedPool(
        POOL, VAULT, POOL_ID, (A, B, C), balances, (0,) * 3, FEE, False, weights, shortcuts=True
    )
    return replace(pool, **changes)


RATES = (Rate(), Rate(11 * 10**17), Rate())


def stable(balances=(10**24, 2 * 10**24, 3 * 10**12), amp=200_000, rates=RATES, **changes):
    pool = BalancerV2StablePool(
        POOL, VAULT, POOL_ID, (A, B, C), balances, (0,) * 3, FEE, False, Rounding.COMPOSABLE, amp, rates, share_place=1
    )
    return replace(pool, **changes)


balances = st.tuples(st.integers(10**18, 10**27), st.integers(10**18, 10**27), st.integers(10**6, 10**15))
weights = st.integers(1, 97).flatmap(
    lambda first: st.integers(1, 98 - first).map(
        lambda second: (first * 10**16, second * 10**16, ONE - (first + second) * 10**16)
    )
)
pools = st.one_of(
    st.builds(weighted, balances, weights),
    st.builds(stable, balances, st.sampled_from([1_000, 50_000, 2_000_000])),
)
directions = st.permutations([A, B, C])
anything = st.integers(0, 110).flatmap(lambda bits: st.integers(0, 2**bits))
wild = st.tuples(anything, anything, anything)
wild_fees = st.sampled_from([0, FEE, ONE - 1])
wild_rates = st.tuples(*[anything.map(lambda rate: Rate(rate or 1))] * 3)
wild_pools = st.one_of(
    st.builds(weighted, wild, weights, swap_fee=wild_fees),
    st.builds(stable, wild, st.sampled_from([1_000, 200_000]), wild_rates, swap_fee=wild_fees).flatmap(
        lambda pool: (
            st.sampled_from(Rounding)
            .filter(lambda each: each is not Rounding.V3)
            .map(lambda each: replace(pool, rounding=each))
        )
    ),
)


@pytest.mark.parametrize(
    ("cases", "count"), [(proof.weighted_recorded, 206), (proof.legacy_recorded, 36), (proof.composable_recorded, 72)]
)
def test_quotes_equal_what_the_vault_answered_on_mainnet(cases, count):
    made = list(cases())
    assert [case for case in made if not case.matches] == []
    assert len(made) == count


@given(st.integers(10**10, 10**26), st.integers(10**15, 10**19))
def test_powers_are_as_exact_as_the_contract_promises(base, exponent):
    try:
        found = power(base, exponent)
    except AmountOutOfRange:
        return
    exact = (base / ONE) ** (exponent / ONE)
    assert found == pytest.approx(exact * ONE, rel=1e-9, abs=2)


def test_powers_beyond_the_contracts_range_are_refused():
    for base, exponent in [(2**255, ONE), (2 * ONE, 2**254), (2**254, 10**19), (1, 10**19)]:
        with pytest.raises(AmountOutOfRange, match="outside the contract's range"):
            power(base, exponent)


@given(pools, directions, st.floats(1e-7, 0.999))
def test_pieces_agree_with_exact_quotes(pool, direction, fraction):
    pieces_agree(pool, *direction[:2], fraction, 1e-2)


@given(pools, directions, st.floats(1e-9, 0.29))
def test_swapping_there_and_back_never_gains(pool, direction, fraction):
    token_in, token_out, _ = direction
    amount = max(int(pool.balances[pool.tokens.index(token_in)] * fraction), 1)
    never_gains(pool, token_in, token_out, amount)


@given(pools, directions, st.floats(1e-7, 0.29))
def test_what_exact_out_asks_for_buys_about_that_much(pool, direction, fraction):
    token_in, token_out, _ = direction
    amount_out = max(int(pool.balances[pool.tokens.index(token_out)] * fraction), 1)
    try:
        amount_in = pool.quote_exact_out(token_out, amount_out, token_in)
        bought = pool.quote(token_in, amount_in, token_out)
    except PoolError:
        return
    noise = 3 * (1 + pool.marginal_price(token_in, token_out)) + 1e-12 * pool.balances[pool.tokens.index(token_out)]
    assert bought >= amount_out * (1 - 1e-9) - noise


@given(wild_pools, directions, anything)
def test_no_pool_that_anybody_can_make_breaks_a_question(pool, direction, amount):
    answers_or_refuses(pool, *direction[:2], amount)


def test_rates_of_pieces_start_at_the_marginal_price_and_fall():
    for pool in (weighted(), stable()):
        rates = [piece.rate for piece in pool.pieces(A, B)]
        assert len(rates) > 20 and rates == sorted(rates, reverse=True)
        assert pool.marginal_price(A, B) == rates[0]
        small = 10**17
        assert pool.quote(A, small, B) / small == pytest.approx(rates[0], rel=1e-6)


def swap_log(pool, token_in, token_out, amount_in, amount_out):
    topics = [balancer_v2.SWAP, POOL_ID, word(int(token_in.address, 16)), word(int(token_out.address, 16))]
    return log(VAULT, topics, amount_in, amount_out)


def joined_log(tokens, deltas, fees):
    data = encode(["address[]", "int256[]", "uint256[]"], [[t.address for t in tokens], deltas, fees])
    return replace(log(VAULT, [balancer_v2.BALANCE_CHANGED, POOL_ID, bytes(32)]), data=data)


def test_events_of_the_vault_and_of_the_pool_change_the_state():
    share = token(701, "SHARE")
    for pool in (weighted(), stable()):
        out = pool.quote(A, 10**20, C)
        assert pool.applied(swap_log(pool, A, C, 10**20, out)) == pool.swapped(A, 10**20, C)
        joined = pool.applied(joined_log((A, share, B, C), (10, 99, 20, -30), (1, 0, 2, 3)))
        assert joined.balances == tuple(b + d for b, d in zip(pool.balances, (9, 18, -33), strict=True))
        lent = pool.applied(log(VAULT, [balancer_v2.BALANCE_MANAGED, POOL_ID, bytes(32), word(2)], -50, 60))
        assert lent.balances[1] == pool.balances[1] + 10 and lent.managed == (0, 60, 0)
        assert pool.applied(log(POOL, [balancer_v2.FEE_CHANGED], 10**16)).fee_ppm == 10_000
        paused = pool.applied(log(POOL, [balancer_v2.PAUSED_CHANGED], 1))
        with pytest.raises(Suspended, match="paused"):
            paused.quote(A, 1, B)
        assert paused.marginal_price(A, B) == 0.0
        assert pool.applied(log(VAULT, [b"\x01" * 32, POOL_ID])) is pool


def test_lent_out_balances_cannot_be_paid():
    pool = weighted(managed=(0, 19 * 10**23, 0))
    with pytest.raises(InsufficientLiquidity, match="can pay"):
        pool.quote_exact_out(B, 2 * 10**23, A)
    with pytest.raises(InsufficientLiquidity, match="can pay"):
        pool.quote(A, 29 * 10**22, B)


def test_an_amplification_on_a_ramp_moves_with_time():
    pool = stable().applied(log(POOL, [balancer_v2_stable.AMP_STARTED], 200_000, 400_000, 1_000, 2_000))
    assert pool.ramp == Ramp(200_000, 400_000, 1_000, 2_000)
    assert [pool.at(t).amp for t in (1_000, 1_500, 2_000, 9_000)] == [200_000, 300_000, 400_000, 400_000]
    assert Ramp(400_000, 200_000, 0, 3).at(1) == 333_334
    assert pool.at(1_500).quote(A, 10**23, B) != pool.at(1_000).quote(A, 10**23, B)
    stopped = pool.applied(log(POOL, [balancer_v2_stable.AMP_STOPPED], 250_000))
    assert (stopped.amp, stopped.ramp) == (250_000, None) and stopped.at(3_000) is stopped


def test_a_lapsed_rate_refuses_until_it_is_renewed():
    pool = stable(rates=(Rate(), Rate(11 * 10**17, 600, 1_000), Rate()))
    assert pool.at(1_000).quote(A, 10**20, B) == pool.quote(A, 10**20, B)
    late = pool.at(1_001)
    with pytest.raises(StaleState, match="a new rate of B"):
        late.quote(A, 10**20, B)
    assert late.marginal_price(A, B) == 0.0
    renewed = late.applied(log(POOL, [balancer_v2_stable.RATE_BY_INDEX, word(2)], 12 * 10**17))
    assert renewed.rates[1] == Rate(12 * 10**17, 600, 1_601)
    assert renewed.quote(A, 10**20, B) < pool.quote(A, 10**20, B)
    assert late.applied(log(POOL, [balancer_v2_stable.RATE_BY_TOKEN, word(2)], 12 * 10**17)) == renewed
    assert late.applied(log(POOL, [balancer_v2_stable.RATE_BY_INDEX, word(1)], 5)) == late


def test_questions_without_an_answer_are_refused_by_name():
    for pool in (weighted(), stable()):
        for refused in (0, -1, 2**112, 2**256):
            with pytest.raises(AmountOutOfRange):
                pool.quote(A, refused, B)
        with pytest.raises(AmountOutOfRange):
            pool.quote_exact_out(B, 0, A)
        with pytest.raises(InsufficientLiquidity):
            pool.quote_exact_out(B, 2 * 10**24, A)
        with pytest.raises(UnknownToken):
            pool.quote(A, 1)
        with pytest.raises(UnknownToken):
            pool.hop(token(9), A)
        with pytest.raises(EmptyPool):
            replace(pool, balances=(0, 1, 1)).quote(A, 1, B)
    with pytest.raises(AmountOutOfRange, match="30 %"):
        weighted().quote(A, 31 * 10**22, B)
    with pytest.raises(InsufficientLiquidity, match="30 %"):
        weighted().quote_exact_out(B, 7 * 10**23, A)


def test_malformed_logs_are_refused():
    for pool in (weighted(), stable()):
        for bad in (
            swap_log(pool, A, token(9), 1, 1),
            swap_log(pool, A, B, 1, 3 * 10**24),
            log(VAULT, [balancer_v2.SWAP, bytes(32), word(1), word(2)], 1, 1),
            log(VAULT, [balancer_v2.SWAP, POOL_ID, word(1), word(2)], 1),
            log(VAULT, [balancer_v2.BALANCE_CHANGED, POOL_ID, bytes(32)], 1, 2, 3),
            log(at(5), [balancer_v2.SWAP, POOL_ID, word(1), word(2)], 1, 1),
            log(POOL, [balancer_v2.FEE_CHANGED], ONE),
            joined_log((A, B), (1, 2), (1,)),
        ):
            with pytest.raises(MalformedLog, match="log 0 of block 1"):
                pool.applied(bad)
    for bad in (
        log(POOL, [balancer_v2_stable.AMP_STARTED], 1_000, 2_000, 5, 5),
        log(POOL, [balancer_v2_stable.AMP_STOPPED], 0),
        log(POOL, [balancer_v2_stable.RATE_BY_INDEX, word(7)], 5),
        log(POOL, [balancer_v2_stable.RATE_BY_TOKEN, word(1)], 0),
    ):
        with pytest.raises(MalformedLog):
            stable().applied(bad)


@pytest.mark.parametrize(
    "changes",
    [
        {"pool_id": b"\x01"},
        {"tokens": (A, A, B)},
        {"balances": (1, 2)},
        {"balances": (-1, 2, 3)},
        {"managed": (10**30, 0, 0)},
        {"swap_fee": ONE},
        {"weights": (1, 2, 3)},
    ],
)
def test_impossible_states_are_refused(changes):
    with pytest.raises(MalformedState):
        weighted(**changes)


@pytest.mark.parametrize("changes", [{"amp": 999}, {"rates": (Rate(),)}, {"rates": (Rate(0),) * 3}, {"share_place": 9}])
def test_impossible_stable_states_are_refused(changes):
    with pytest.raises(MalformedState):
        stable(**changes)


def test_hops_name_the_token_bought_and_the_rest_of_the_pools_id():
    expected = Hop(HopKind.BALANCER_V2, POOL, False, 3000, BalancerV2Route(B.address, 2 << 80))
    assert weighted().hop(A, B) == expected == stable().hop(A, B)


def test_vault_and_contract_are_both_listened_to():
    assert weighted().sources == (Source(VAULT, POOL_ID), Source(POOL))
    assert weighted().venue == POOL


def words(*values):
    return b"".join(map(word, values))


def loaded(family, own):
    steps = loader(family)(PoolFacts(family, POOL, (A, B, C), 3000))
    shared = [POOL_ID, word(int(VAULT, 16)), words(FEE), words(0, 0, 0)]
    assert len(next(steps)) == len(shared) + len(own)
    assert {call.to for call in steps.send((*shared, *own))} == {VAULT}
    with pytest.raises(StopIteration) as end:
        steps.send(tuple(words(balance, 7, 1, 0) for balance in (10**24, 10**25, 10**12)))
    return end.value.value


def test_weighted_pools_load_in_two_rounds():
    weights = (ONE // 2, ONE // 4, ONE // 4)
    pool = loaded("balancer_v2_weighted", [words(32, 3, *weights), b""])
    assert pool == weighted((10**24 + 7, 10**25 + 7, 10**12 + 7), weights, managed=(7, 7, 7), shortcuts=False)


def test_stable_pools_load_in_two_rounds_whatever_their_age():
    answers = [words(200_000, 0, 1000), b"", words(1), words(5), words(1_234)]
    composable = loaded("balancer_v2_stable", [*answers, *[b""] * 4, words(11 * 10**17, 1, 600, 2_000), b""])
    assert composable.rates == (Rate(), Rate(11 * 10**17, 600, 2_000), Rate())
    assert (composable.rounding, composable.share_place) == (Rounding.COMPOSABLE, 1)
    assert (composable.amp, composable.timestamp_s) == (200_000, 1_234)
    answers = [words(200_000, 0, 1000), *[b""] * 4]
    meta = loaded("balancer_v2_stable", [*answers, b"", words(11 * 10**17, 600, 2_000), *[b""] * 4])
    assert (meta.rounding, meta.rates[1]) == (Rounding.LEGACY, Rate(11 * 10**17, 600, 2_000))
    with pytest.raises(StaleState, match="moving"):
        loaded("balancer_v2_stable", [words(200_000, 1, 1000), *[b""] * 10])
    assert math.isclose(meta.marginal_price(A, C), 1e-12, rel_tol=0.1)
