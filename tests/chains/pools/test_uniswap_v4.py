"""Uniswap V4: keys, hooks, fees, and the events and properties that the proofs do not show."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness import uniswap_v4 as proof
from chains.assets import ZERO_ADDRESS, address
from chains.hops import HopKind, UniswapV4Route
from chains.pools import uniswap_v4
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolFacts,
    Source,
    StaleState,
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.uniswap_v4_key import DYNAMIC_FEE, HookedPool, HookFlag, PoolKey, hook_flags
from chains.pools.uniswap_v4_math import protocol_fee, swap_fee
from chains.pools.words import word
from tests.chains.pools.properties import exact_out_is_least, never_gains, pieces_agree
from tests.chains.pools.samples import A, B, at, log, ticks_of

POOL = proof.eth_usdc()
directions = st.sampled_from([POOL.tokens, POOL.tokens[::-1]])
WHO = word(7)


def hooked(flags):
    return address(f"0x{0xABC << 60 | flags:040x}")


def dynamic(flags=HookFlag.AFTER_INITIALIZE, lp_fee=3000, protocol_fees=0):
    ticks = ticks_of([(-6000, 6000, 10**21)], 60)
    key = PoolKey((A, B), DYNAMIC_FEE, 60, hooked(flags))
    return uniswap_v4.UniswapV4Pool(at(4), key, lp_fee, protocol_fees, 2**96, 0, 10**21, ticks)


@given(directions, st.floats(1e-9, 1e-3))
def test_pieces_agree_with_exact_quotes(direction, fraction):
    pieces_agree(POOL, *direction, fraction, 1e-6)


@given(directions, st.integers(1, 10**21))
def test_swapping_there_and_back_never_gains(direction, amount):
    never_gains(POOL, *direction, amount)


@given(directions, st.integers(1, 10**19))
def test_exact_out_buys_what_was_asked_for(direction, amount):
    exact_out_is_least(dynamic(), *dynamic().tokens, amount)


def test_the_pool_id_is_the_hash_of_the_key():
    assert POOL.venue == "0x21c67e77068de97969ba93d4aab21826d33ca12bb9f565d8496e8fda8a82ca27"
    assert POOL.sources == (Source(POOL.address, POOL.key.pool_id),)


@pytest.mark.parametrize("flag", HookFlag)
def test_only_hooks_that_run_in_a_swap_keep_a_pool_from_being_quoted(flag):
    if "SWAP" not in flag.name:
        assert dynamic(flag).quote(A, 10**18) > 0
        return
    with pytest.raises(MalformedState, match=flag.name):
        dynamic(flag)
    pool = HookedPool(at(4), PoolKey((A, B), 3000, 60, hooked(flag)))
    assert flag.name in pool.why and not hasattr(pool, "quote")
    assert hook_flags(hooked(flag)) is flag


@pytest.mark.parametrize(
    "key",
    [((B, A), 3000, 60), ((A, B), 1_000_001, 60), ((A, B), 3000, 0), ((A, B), 3000, 32768), ((A, B), DYNAMIC_FEE, 60)],
)
def test_keys_that_the_manager_refuses_are_refused(key):
    with pytest.raises(MalformedState):
        PoolKey(*key)


@given(st.integers(0, 1000), st.integers(0, 10**6))
def test_both_fees_together_are_never_more_than_everything(protocol_ppm, lp_ppm):
    both = swap_fee(protocol_ppm, lp_ppm)
    assert max(protocol_ppm, lp_ppm) <= both <= min(10**6, protocol_ppm + lp_ppm)
    packed = protocol_ppm << 12 | 7
    assert (protocol_fee(packed, zero_for_one=False), protocol_fee(packed, zero_for_one=True)) == (protocol_ppm, 7)


def test_a_protocol_fee_of_one_direction_costs_only_that_direction():
    free, charged = dynamic(), dynamic(protocol_fees=1000)
    assert charged.quote(A, 10**18) < free.quote(A, 10**18)
    assert charged.quote(B, 10**18) == free.quote(B, 10**18)
    assert (charged.fee_ppm, free.fee_ppm) == (3997, 3000)


def swap_log(pool, fee, amount0=-(10**18), amount1=10**17):
    return log(pool.address, [uniswap_v4.SWAP, pool.key.pool_id, WHO], amount0, amount1, 2**96, 10**21, 0, fee)


def test_a_dynamic_fee_is_learnt_from_the_swap_that_paid_it():
    assert dynamic().applied(swap_log(dynamic(), 500)).lp_fee_ppm == 500
    charged = dynamic(protocol_fees=1000)
    assert charged.applied(swap_log(charged, swap_fee(1000, 777))).lp_fee_ppm == 777
    with pytest.raises(StaleState):
        POOL.applied(swap_log(POOL, 501))


def test_protocol_fees_follow_their_event():
    event = log(POOL.address, [uniswap_v4.PROTOCOL_FEE_UPDATED, POOL.key.pool_id], 12 << 12 | 34)
    assert POOL.applied(event).protocol_fees == 12 << 12 | 34
    with pytest.raises(MalformedLog):
        POOL.applied(replace(event, data=word(1001)))


def test_logs_of_other_pools_and_wrong_shapes_are_refused():
    with pytest.raises(MalformedLog):
        POOL.applied(swap_log(dynamic(), 500))
    with pytest.raises(MalformedLog):
        POOL.applied(replace(swap_log(POOL, 500), topics=(uniswap_v4.SWAP, word(1), WHO)))
    with pytest.raises(MalformedLog):
        POOL.applied(replace(swap_log(POOL, 500), data=b"\0" * 31))
    assert POOL.applied(log(POOL.address, [word(3)], 1)) is POOL


@given(st.sampled_from(sorted(uniswap_v4.TOPICS)), st.binary(max_size=300), st.integers(0, 3))
def test_no_bytes_of_a_known_event_break_a_pool(kind, data, topics):
    event = replace(log(POOL.address, [kind, POOL.key.pool_id, *[WHO] * topics]), data=data)
    with suppress(MalformedLog, StaleState):
        assert isinstance(POOL.applied(event), uniswap_v4.UniswapV4Pool)


def test_what_cannot_be_swapped_is_refused_by_name():
    ether, usdc = POOL.tokens
    for amount in (0, -1, 2**127):
        with pytest.raises(AmountOutOfRange):
            POOL.quote(ether, amount)
        with pytest.raises(AmountOutOfRange):
            POOL.quote_exact_out(usdc, amount)
    with pytest.raises(UnknownToken):
        POOL.quote(A, 1)
    with pytest.raises(InsufficientLiquidity):
        POOL.quote_exact_out(usdc, 10**16)
    with pytest.raises(EmptyPool):
        replace(dynamic(), sqrt_price_x96=0).quote(A, 1)
    with pytest.raises(InsufficientLiquidity):
        dynamic(lp_fee=10**6).quote_exact_out(B, 1)


def test_a_hop_names_the_key():
    ether, usdc = POOL.tokens
    hop = POOL.hop(usdc)
    assert (hop.kind, hop.zero_for_one, hop.fee_ppm) == (HopKind.UNISWAP_V4, False, 500)
    assert hop.route == UniswapV4Route(ZERO_ADDRESS, 10) and POOL.hop(ether).zero_for_one
    assert hop.pool.lower() == POOL.venue[:42]


def test_loading_refuses_a_wrong_id_and_a_hook_that_may_change_swaps():
    key = PoolKey((A, B), 3000, 60, hooked(HookFlag.BEFORE_SWAP))
    details = {"tick_spacing": 60, "hooks": key.hooks}
    for facts in (
        PoolFacts("uniswap_v4", at(4), (A, B), 3000, key.pool_id, details),
        PoolFacts("uniswap_v4", at(4), (A, B), 3000, word(1), details),
        PoolFacts("uniswap_v4", at(4), (A, B), 3000, key.pool_id),
    ):
        with pytest.raises(MalformedState):
            next(loader("uniswap_v4")(facts))


def test_loading_refuses_a_tick_that_no_price_has():
    key = PoolKey((A, B), 3000, 60)
    steps = loader("uniswap_v4")(PoolFacts("uniswap_v4", at(4), (A, B), 3000, key.pool_id, {"tick_spacing": 60}))
    next(steps)
    with pytest.raises(MalformedState):
        steps.send((word(2**96 | 2**22 << 160), word(1)))
