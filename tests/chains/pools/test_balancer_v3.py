"""Balancer V3's pools: recorded answers, events, loading, and the properties every family keeps."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exactness import balancer_v3 as proof
from chains.executor import BalancerV3Route, Hop, HopKind
from chains.pools import balancer_v3, balancer_v3_stable
from chains.pools.balancer_math import ONE
from chains.pools.balancer_stable_math import Ramp
from chains.pools.balancer_v3_stable import BalancerV3StablePool, Surge
from chains.pools.balancer_v3_weighted import BalancerV3WeightedPool
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    HookedPool,
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
POOL, VAULT, HOOK = at(900), at(901), at(902)
TOPIC = word(int(POOL, 16))
RATES = (ONE, 11 * 10**17 + 7, ONE)
BALANCES = (10**24, 2 * 10**24, 3 * 10**12)
SHARED = {"swap_fee": 3 * 10**15, "aggregate_fee": ONE // 2, "paused": False, "vault_paused": False}


def weighted(balances=BALANCES, weights=(ONE // 2, ONE // 4, ONE // 4), **changes):
    pool = BalancerV3WeightedPool(
        POOL, VAULT, (A, B, C), balances, RATES, **SHARED, floating=False, stale=False, weights=weights
    )
    return replace(pool, **changes)


def stable(balances=BALANCES, amp=200_000, **changes):
    pool = BalancerV3StablePool(POOL, VAULT, (A, B, C), balances, RATES, **SHARED, floating=False, stale=False, amp=amp)
    return replace(pool, **changes)


balances = st.tuples(st.integers(10**20, 10**24), st.integers(10**20, 10**24), st.integers(10**8, 10**12))
surges = st.sampled_from([None, Surge(HOOK, 10**17, 5 * 10**16), Surge(HOOK, 3 * 10**17, 95 * 10**16)])
pools = st.one_of(
    st.builds(weighted, balances),
    st.builds(stable, balances, st.sampled_from([1_000, 50_000, 2_000_000]), surge=surges),
)
directions = st.permutations([A, B, C])


@pytest.mark.parametrize(("cases", "count"), [(proof.weighted_recorded, 4), (proof.stable_recorded, 6)])
def test_quotes_equal_what_the_vault_answered(cases, count):
    made = list(cases())
    assert [case for case in made if not case.matches] == []
    assert len(made) == count


@given(pools, directions, st.floats(1e-6, 0.999))
def test_pieces_agree_with_exact_quotes(pool, direction, fraction):
    surging = getattr(pool, "surge", None) is not None
    pieces_agree(pool, *direction[:2], fraction, 5e-2 if surging else 1e-2)


@given(pools, directions, st.floats(1e-9, 0.29))
def test_swapping_there_and_back_never_gains(pool, direction, fraction):
    token_in, token_out, _ = direction
    never_gains(pool, token_in, token_out, max(int(pool.balances[pool.tokens.index(token_in)] * fraction), 1))


@given(st.builds(stable, balances), directions, st.floats(1e-4, 0.29))
@settings(max_examples=50)
def test_what_exact_out_asks_for_buys_about_that_much(pool, direction, fraction):
    token_in, token_out, _ = direction
    amount_out = int(pool.balances[pool.tokens.index(token_out)] * fraction)
    try:
        amount_in = pool.quote_exact_out(token_out, amount_out, token_in)
        bought = pool.quote(token_in, amount_in, token_out)
    except PoolError:
        return
    unit = 3 * (1 + pool.marginal_price(token_in, token_out))
    assert bought == pytest.approx(amount_out, rel=1e-9, abs=unit)


anything = st.integers(0, 110).flatmap(lambda bits: st.integers(0, 2**bits))
wild = {
    "balances": st.tuples(anything, anything, anything),
    "rates": st.tuples(*[anything.map(lambda rate: rate or 1)] * 3),
    "swap_fee": st.sampled_from([0, 3 * 10**15, ONE - 1]),
}


@given(st.one_of(st.builds(weighted, **wild), st.builds(stable, **wild, surge=surges)), directions, anything)
def test_no_pool_that_anybody_can_make_breaks_a_question(pool, direction, amount):
    answers_or_refuses(pool, *direction[:2], amount)


def test_a_surge_charges_what_unbalances_and_spares_what_balances():
    pool = stable((10**24, 2 * 10**24, 3 * 10**12), surge=Surge(HOOK, 10**17, 9 * 10**17))
    plain = replace(pool, surge=None)
    assert pool.quote(B, 10**23, A) < plain.quote(B, 10**23, A)
    assert pool.quote(A, 10**23, B) == plain.quote(A, 10**23, B)
    topics = [balancer_v3_stable.THRESHOLD_CHANGED, TOPIC]
    relaxed = pool.applied(log(HOOK, topics, 9 * 10**17))
    assert relaxed.quote(B, 10**23, A) == plain.quote(B, 10**23, A)
    lowered = pool.applied(log(HOOK, [balancer_v3_stable.MAX_SURGE_CHANGED, TOPIC], 10**15))
    assert lowered.quote(B, 10**23, A) == plain.quote(B, 10**23, A)
    assert pool.applied(log(HOOK, [topics[0], word(1)], 1)) is pool
    assert Source(HOOK, TOPIC) in pool.sources and Source(HOOK, TOPIC) not in plain.sources


def test_the_vaults_events_change_the_state():
    for pool in (weighted(), stable()):
        out = pool.quote(A, 10**20, C)
        after = pool.swapped(A, 10**20, C)
        assert after.balances[0] == 10**24 + 10**20 - 10**20 * 3 // 2000
        tokens = [word(int(A.address, 16)), word(int(C.address, 16))]
        assert pool.applied(log(VAULT, [balancer_v3.SWAP, TOPIC, *tokens], 10**20, out, 0, 3 * 10**17)) == after
        data = encode(["uint256", "uint256[]", "uint256[]"], [7, [100, 200, 300], [10, 0, 0]])
        for kind, sign in ((balancer_v3.ADDED, 1), (balancer_v3.REMOVED, -1)):
            event = replace(log(VAULT, [kind, TOPIC, word(1), word(0)]), data=data)
            changed = tuple(b + sign * d for b, d in zip(pool.balances, (100 - sign * 5, 200, 300), strict=True))
            assert pool.applied(event).balances == changed
        assert pool.applied(log(VAULT, [balancer_v3.FEE_CHANGED, TOPIC], 10**16)).fee_ppm == 10_000
        assert pool.applied(log(VAULT, [balancer_v3.AGGREGATE_FEE_CHANGED, TOPIC], 1)).aggregate_fee == 1
        for event in (log(VAULT, [balancer_v3.POOL_PAUSED, TOPIC], 1), log(VAULT, [balancer_v3.VAULT_PAUSED], 1)):
            with pytest.raises(Suspended):
                pool.applied(event).quote(A, 10**18, B)
        with pytest.raises(StaleState, match="load it again"):
            pool.applied(log(VAULT, [balancer_v3.RECOVERY_CHANGED, TOPIC], 1))


def test_floating_rates_are_known_for_one_block_and_to_the_first_event():
    for pool in (weighted(floating=True), stable(floating=True)):
        assert pool.quote(A, 10**18, B) > 0
        tokens = [word(int(A.address, 16)), word(int(C.address, 16))]
        swapped = pool.applied(log(VAULT, [balancer_v3.SWAP, TOPIC, *tokens], 10, 1, 0, 0))
        for later in (pool.at(99), swapped):
            with pytest.raises(StaleState, match="load it again"):
                later.quote(A, 10**18, B)
            assert later.marginal_price(A, B) == 0.0
    assert weighted().at(99) == weighted() and stable().at(99) == stable()


def test_an_amplification_on_a_ramp_moves_with_time():
    pool = stable().applied(log(POOL, [balancer_v3_stable.AMP_STARTED], 200_000, 400_000, 1_000, 2_000))
    assert pool.ramp == Ramp(200_000, 400_000, 1_000, 2_000) and pool.at(1_250).amp == 250_000
    assert pool.applied(log(POOL, [balancer_v3_stable.AMP_STOPPED], 250_000)).ramp is None
    with pytest.raises(MalformedLog, match="in no time"):
        stable().applied(log(POOL, [balancer_v3_stable.AMP_STARTED], 1_000, 2_000, 5, 5))


def test_questions_without_an_answer_are_refused_by_name():
    for pool in (weighted(), stable()):
        for refused in (0, -1, 1_000, 2**128, 2**256):
            with pytest.raises(AmountOutOfRange):
                pool.quote(A, refused, B)
        with pytest.raises(AmountOutOfRange):
            pool.quote_exact_out(B, 0, A)
        with pytest.raises(InsufficientLiquidity):
            pool.quote_exact_out(B, 2 * 10**24 + 1, A)
        with pytest.raises(AmountOutOfRange, match="less than the vault trades"):
            pool.quote_exact_out(B, 5, A)
        with pytest.raises(UnknownToken):
            pool.quote(A, 10**18)
        with pytest.raises(EmptyPool):
            replace(pool, balances=(0, 1, 1)).quote(A, 1, B)
    with pytest.raises(InsufficientLiquidity, match="out of balance"):
        stable().quote(A, 10**28, B)
    assert weighted().hop(A, B) == Hop(HopKind.BALANCER_V3, POOL, False, 3000, BalancerV3Route(B.address))


def test_malformed_logs_and_states_are_refused():
    tokens = [word(int(A.address, 16)), word(int(C.address, 16))]
    for pool in (weighted(), stable()):
        for bad in (
            log(VAULT, [balancer_v3.SWAP, word(1), *tokens], 1, 1, 1, 1),
            log(at(5), [balancer_v3.SWAP, TOPIC, *tokens], 1, 1, 1, 1),
            log(VAULT, [balancer_v3.SWAP, TOPIC, *tokens], 1, 1, 1),
            log(VAULT, [balancer_v3.SWAP, TOPIC, word(9), tokens[0]], 1, 1, 1, 1),
            log(VAULT, [balancer_v3.SWAP, TOPIC, *tokens], 1, 10**13, 1, 1),
            log(VAULT, [balancer_v3.ADDED, TOPIC, word(1), word(0)], 1, 2, 3),
            log(VAULT, [balancer_v3.FEE_CHANGED, TOPIC], ONE),
        ):
            with pytest.raises(MalformedLog):
                pool.applied(bad)
        assert pool.applied(log(VAULT, [b"\x01" * 32])) is pool
    for changes in ({"tokens": (A, A, B)}, {"balances": (1, 2)}, {"rates": (0, 1, 1)}, {"weights": (1, 1, 1)}):
        with pytest.raises(MalformedState):
            weighted(**changes)
    for changes in ({"amp": 1}, {"surge": Surge(HOOK, ONE, 0)}):
        with pytest.raises(MalformedState):
            stable(**changes)


def words(*values):
    return b"".join(map(word, values))


def loaded(family, own, hooks=(0,) * 11, rated=0, extra=(), **details):
    pool = weighted()
    steps = loader(family)(PoolFacts(family, POOL, (A, B, C), 3000, details=details))
    assert len(next(steps)) == 1 + len(own)
    steps.send((word(int(VAULT, 16)), *own))
    tokens = [token.address for token in pool.tokens]
    kinds = [(0, at(0), False), (rated, at(0), False), (0, at(0), False)]
    answers = (
        encode(["uint256[]"], [pool.live()]),
        encode(["uint256[]", "uint256[]"], [[1, 1, 10**12], list(RATES)]),
        words(0, 0, 0, 0, pool.swap_fee, pool.aggregate_fee, 0, 0, 0, 1, 1, 0, 0),
        words(*hooks),
        encode(["address[]", "(uint8,address,bool)[]", "uint256[]", "uint256[]"], [tokens, kinds, [], []]),
        words(0),
    )
    try:
        steps.send(answers)
        steps.send(tuple(extra))
    except StopIteration as end:
        return end.value
    raise AssertionError("not loaded")


WEIGHTS = [words(32, 3, ONE // 2, ONE // 4, ONE // 4)]
AMPS = [words(200_000, 0, 1000), words(0, 0, 0, 0, 1000)]


def test_pools_load_in_two_rounds_and_a_surge_in_a_third():
    assert loaded("balancer_v3_weighted", WEIGHTS) == weighted()
    assert loaded("balancer_v3_weighted", WEIGHTS, rated=1) == weighted(floating=True)
    assert loaded("balancer_v3_stable", AMPS) == stable()
    surging = (0, 0, 0, 1, 0, 0, 0, 1, 0, 1, int(HOOK, 16))
    pool = loaded("balancer_v3_stable", AMPS, surging, extra=[word(5), word(7)], surge_hook=HOOK)
    assert pool == stable(surge=Surge(HOOK, 5, 7))


@pytest.mark.parametrize(
    ("family", "own", "hooks"),
    [
        ("balancer_v3_weighted", WEIGHTS, (0, 0, 0, 1, *(0,) * 6, 5)),
        ("balancer_v3_weighted", WEIGHTS, (0, 0, 0, 0, 1, *(0,) * 5, 5)),
        ("balancer_v3_stable", AMPS, (0, 0, 0, 0, 0, 1, *(0,) * 4, 5)),
        ("balancer_v3_stable", AMPS, (0, 0, 0, 1, *(0,) * 6, 5)),
    ],
)
def test_pools_whose_hooks_can_change_amounts_are_refused(family, own, hooks):
    with pytest.raises(HookedPool, match="hook"):
        loaded(family, own, hooks)
