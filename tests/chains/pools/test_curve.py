"""Curve's pools: the properties every family keeps, what they refuse, and how they change with time."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness import curve as proof
from bot.exactness import proven
from bot.exactness.report import exactness
from chains.hops import CurveRoute, Hop, HopKind
from chains.pools import crypto_events, stable_events
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
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.stable_swap import FEE_DENOMINATOR, RULES, Amplification, dynamic_fee
from chains.pools.words import word
from tests.chains.pools.properties import exact_out_is_least, never_gains, pieces_agree
from tests.chains.pools.samples import A, at, log

TRIPOOL, RAI, TRICRYPTO = proof.tripool(), proof.rai(), proof.tricrypto()
DIRECTIONS = [
    (pool, sold, bought)
    for pool in (TRIPOOL, RAI, TRICRYPTO)
    for sold in pool.tokens
    for bought in pool.tokens
    if sold != bought
]
directions, fractions = st.sampled_from(DIRECTIONS), st.floats(1e-6, 0.95)
BUYER = word(7)


@given(directions, fractions)
def test_pieces_agree_with_exact_quotes(direction, fraction):
    pieces_agree(*direction, fraction, 2e-2)


@given(directions, st.floats(0, 1))
def test_exact_out_asks_for_the_least_that_buys_it(direction, fraction):
    pool, sold, bought = direction
    held = (pool.own if pool is RAI else pool).balances[pool.tokens.index(bought)]
    exact_out_is_least(pool, sold, bought, int(held**fraction))


@given(st.sampled_from([one for one in DIRECTIONS if one[0] is not TRICRYPTO]), st.integers(1, 10**24))
def test_swapping_there_and_back_never_gains(direction, amount):
    never_gains(*direction, amount)


@pytest.mark.parametrize(("pool", "sold", "bought"), DIRECTIONS)
def test_the_marginal_price_is_what_a_small_amount_pays(pool, sold, bought):
    small = (pool.own if pool is RAI else pool).balances[pool.tokens.index(sold)] // 10_000
    assert pool.quote(sold, small, bought) / small == pytest.approx(pool.marginal_price(sold, bought), rel=2e-3)


@pytest.mark.parametrize(("sold", "bought"), [(a, b) for a in RAI.underlying for b in RAI.underlying if a != b])
def test_a_meta_pools_underlying_pieces_agree_with_what_is_paid(sold, bought):
    pieces = RAI.pieces(sold, bought)
    amount = pieces[0].cap / 2
    given_out = pieces[0].rate * amount / (1 + pieces[0].curvature * amount)
    assert given_out == pytest.approx(RAI.paid(sold, int(amount), bought), rel=1e-3)


def test_an_old_pools_exchange_may_pay_a_unit_less_than_its_view_says():
    dai, usdc, _ = TRIPOOL.tokens
    amount = 1356856055018607064645632
    assert TRIPOOL.quote(dai, amount, usdc) - TRIPOOL.paid(dai, amount, usdc) == 1
    after = TRIPOOL.swapped(dai, amount, usdc)
    assert TRIPOOL.balances[1] - after.balances[1] >= TRIPOOL.paid(dai, amount, usdc)


def test_what_cannot_be_swapped_is_refused_by_name():
    dai, usdc, _ = TRIPOOL.tokens
    for wrong in ((dai, dai), (A, usdc), (dai, None)):
        with pytest.raises(UnknownToken):
            TRIPOOL.quote(wrong[0], 10**18, wrong[1])
    for amount in (0, -1, 2**256):
        with pytest.raises(AmountOutOfRange):
            TRIPOOL.quote(dai, amount, usdc)
        with pytest.raises(AmountOutOfRange):
            TRICRYPTO.quote(TRICRYPTO.tokens[0], amount, TRICRYPTO.tokens[1])
    with pytest.raises(InsufficientLiquidity):
        TRIPOOL.quote_exact_out(usdc, TRIPOOL.balances[1], dai)
    with pytest.raises(EmptyPool):
        replace(TRIPOOL, balances=(0, 0, 0)).quote(dai, 10**18, usdc)
    with pytest.raises(UnknownToken):
        RAI.quote(RAI.tokens[1], 10**18, dai)


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": (A, A, A)},
        {"balances": (1, 2)},
        {"balances": (1, 2, -3)},
        {"rates": (1, 0, 1)},
        {"fee": FEE_DENOMINATOR},
    ],
)
def test_states_that_cannot_be_are_refused(changes):
    with pytest.raises(MalformedState):
        replace(TRIPOOL, **changes)
    with pytest.raises(MalformedState):
        Amplification(0, 1)


def test_the_amplification_moves_with_time_and_only_while_it_ramps():
    ramping = replace(TRIPOOL, amplification=Amplification(1000, 3000, 100, 300), timestamp_s=100)
    assert [ramping.at(time).amp for time in (100, 150, 200, 300, 400)] == [1000, 1500, 2000, 3000, 3000]
    falling = Amplification(3000, 1000, 100, 300)
    assert (falling.at(150), falling.at(301)) == (2500, 1000)
    assert TRIPOOL.at(TRIPOOL.timestamp_s + 12) is TRIPOOL


def test_rates_of_another_time_are_not_quoted_on():
    later = RAI.at(RAI.own.timestamp_s + 12)
    with pytest.raises(StaleState):
        later.quote(RAI.tokens[0], 10**18, RAI.tokens[1])
    assert later.marginal_price(*RAI.tokens) == 0.0 and later.pieces(*RAI.tokens) == ()


def test_a_ramp_that_does_not_say_where_gamma_goes_makes_the_state_unknown():
    ramp = log(TRICRYPTO.address, [crypto_events.RAMPED_FIRST], 1, 2, 3, 4)
    with pytest.raises(StaleState, match="changed what it does not tell"):
        TRICRYPTO.applied(ramp)
    with pytest.raises(MalformedLog):
        TRICRYPTO.applied(replace(ramp, data=ramp.data[:64]))


def test_what_a_crypto_pool_remembers_must_be_known_to_say_what_a_trade_leaves():
    with pytest.raises(StaleState):
        TRICRYPTO.swapped(TRICRYPTO.tokens[0], 10**6, TRICRYPTO.tokens[1])


def test_an_event_that_does_not_follow_from_the_state_is_refused():
    exchange = stable_events.EXCHANGE
    paid = TRIPOOL.exchanged(0, 1, 10**21).paid
    followed = TRIPOOL.applied(log(TRIPOOL.address, [exchange, BUYER], 0, 10**21, 1, paid))
    assert followed == TRIPOOL.swapped(TRIPOOL.tokens[0], 10**21, TRIPOOL.tokens[1])
    for words in ([0, 10**21, 1, paid + 1], [0, 10**21, 0, paid], [0, 10**21, 7, paid], [0, 10**21, 1]):
        with pytest.raises(MalformedLog):
            TRIPOOL.applied(log(TRIPOOL.address, [exchange, BUYER], *words))
    with pytest.raises(MalformedLog):
        TRIPOOL.applied(log(at(9), [exchange, BUYER], 0, 10**21, 1, paid))
    assert TRIPOOL.applied(log(TRIPOOL.address, [word(3)], 1)) is TRIPOOL


@given(st.sampled_from(sorted(stable_events.TOPICS)), st.binary(max_size=400), st.integers(0, 3))
def test_no_bytes_of_a_known_event_break_a_stable_pool(kind, data, topics):
    event = log(TRIPOOL.address, [kind, *[BUYER] * topics])
    for pool in (TRIPOOL, RAI):
        with suppress(PoolError):
            assert isinstance(pool.applied(replace(event, address=pool.address, data=data)), type(pool))


@given(st.sampled_from(sorted(crypto_events.TOPICS)), st.binary(max_size=300), st.integers(0, 3))
def test_no_bytes_of_a_known_event_break_a_crypto_pool(kind, data, topics):
    event = replace(log(TRICRYPTO.address, [kind, *[BUYER] * topics]), data=data)
    with suppress(PoolError):
        assert isinstance(TRICRYPTO.applied(event), type(TRICRYPTO))


def test_a_meta_pool_listens_to_its_base_pool_too():
    assert set(RAI.sources) == {Source(RAI.address), Source(TRIPOOL.address)}
    new_fee = log(TRIPOOL.address, [stable_events.NEW_FEE], 4_000_000, 0)
    assert RAI.applied(new_fee).base.fee == 4_000_000
    lonely = log(RAI.address, [stable_events.EXCHANGE_UNDERLYING, BUYER], 0, 10**18, 1, 1)
    with pytest.raises(MalformedLog):
        RAI.applied(lonely)


def test_the_dynamic_fee_grows_away_from_the_peg():
    base = 4_000_000
    assert dynamic_fee(10**24, 10**24, base, 0) == base == dynamic_fee(10**24, 10**24, base, 5 * FEE_DENOMINATOR)
    assert dynamic_fee(10**24, 10**22, base, 5 * FEE_DENOMINATOR) > 4 * base


def test_hops_name_positions_and_underlying_ones_go_through_the_meta_pool():
    rai, crv = RAI.tokens
    dai = RAI.underlying[1]
    assert RAI.hop(rai, crv) == Hop(HopKind.CURVE, RAI.address, False, 400, CurveRoute(crv.address, 0, 1))
    assert RAI.hop(dai, rai).route == CurveRoute(rai.address, 1, 0, underlying=True)
    assert TRICRYPTO.hop(*TRICRYPTO.tokens[1:]).kind is HopKind.CURVE_CRYPTO


def loaded(facts, answer):
    steps = loader(facts.family)(facts)
    calls = next(steps)
    while True:
        try:
            calls = steps.send(tuple(answer(call) for call in calls))
        except StopIteration as end:
            return end.value


def test_a_contract_that_answers_nothing_is_no_curve_pool():
    tokens = TRIPOOL.tokens
    for facts in (
        PoolFacts("curve_stable", at(1), tokens, 0),
        PoolFacts("curve_stable", at(1), tokens, 0, details={"rules": "unheard of"}),
        PoolFacts("curve_crypto", at(1), tokens, 0),
        PoolFacts("curve_crypto", at(1), (*tokens, A), 0),
        PoolFacts("curve_meta", at(1), tokens, 0),
    ):
        with pytest.raises(MalformedState):
            loaded(facts, lambda call: b"")


@pytest.mark.parametrize(("coins", "generation"), [(2, "two_ng"), (3, "tricrypto_ng")])
def test_crypto_pools_of_an_unproven_generation_are_refused_by_name_and_listed(coins, generation):
    facts = PoolFacts("curve_crypto", at(1), TRIPOOL.tokens[:coins], 0)
    with pytest.raises(HookedPool, match=f"of the generation {generation}, whose mathematics nothing proves"):
        loaded(facts, lambda call: word(600))
    (row,) = (row for row in exactness(["curve_crypto"], ()) if row.family == f"curve_crypto/{generation}")
    assert (row.cases, row.source) == (0, "unproven") and not proven("curve_crypto", variant=generation)


def test_every_generation_has_rules_that_make_a_pool():
    dai, usdc, _ = TRIPOOL.tokens
    for name, rules in RULES.items():
        amp = TRIPOOL.amp * rules.a_precision
        pool = replace(TRIPOOL, rules=rules, amplification=Amplification(amp, amp))
        assert pool.quote(dai, 10**21, usdc) == pytest.approx(TRIPOOL.quote(dai, 10**21, usdc), abs=2), name
