"""Properties every family keeps, and the refusals it gives by name."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chains.executor import Hop, HopKind
from chains.pools import concentrated, constant_product
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolError,
    PoolFacts,
    UnknownToken,
)
from chains.pools.registry import FAMILIES, TOPICS, UnknownFamily, loader
from chains.pools.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, sqrt_price_at, tick_at
from chains.pools.words import word
from tests.chains.pools.samples import A, B, at, log, pair, ranged, token

reserves = st.integers(1, constant_product.MAX_RESERVE)
positions = st.lists(
    st.tuples(st.integers(-600, 600), st.integers(1, 400), st.integers(1, 10**24)), min_size=1, max_size=6
).map(lambda rows: [(lower * 60, (lower + width) * 60, liquidity) for lower, width, liquidity in rows])
pools = st.one_of(
    st.builds(pair, st.tuples(reserves, reserves), fee_ppm=st.sampled_from([0, 500, 2500, 3000, 10000])),
    st.builds(ranged, st.integers(-30_000, 30_000).map(sqrt_price_at), positions),
)


def along(pieces, amount):
    """What the float pieces say comes out for `amount`."""
    out = 0.0
    for rate, curvature, cap in pieces:
        taken = min(amount, cap)
        out += rate * taken / (1 + curvature * taken)
        amount -= taken
        if amount <= 0:
            return out
    return None


@given(pools, st.integers(1, 10**27), st.booleans())
def test_pieces_agree_with_exact_quotes(pool, amount, forward):
    token_in = pool.tokens[0] if forward else pool.tokens[1]
    try:
        exact = pool.quote(token_in, amount)
    except PoolError:
        return
    modelled = along(pool.pieces(token_in), amount)
    assume(modelled is not None and exact > 10**9 and amount > 10**9)
    assert modelled == pytest.approx(exact, rel=1e-6)


@given(pools, st.integers(1, 10**27), st.booleans())
def test_rates_of_pieces_never_rise_and_start_at_the_marginal_price(pool, amount, forward):
    token_in = pool.tokens[0] if forward else pool.tokens[1]
    rates = [piece.rate for piece in pool.pieces(token_in)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(rates))
    assert pool.marginal_price(token_in) == pytest.approx(rates[0] if rates else 0.0)


@given(pools, st.integers(1, 10**27), st.booleans())
def test_swapping_back_never_gains(pool, amount, forward):
    token_in, token_out = pool.tokens if forward else pool.tokens[::-1]
    try:
        out = pool.quote(token_in, amount)
        swapped = pool.swapped(token_in, amount)
        back = swapped.quote(token_out, out)
    except PoolError:
        return
    assert back <= amount
    assert replace(swapped) == swapped, "what a swap leaves is checked by nobody, and would pass"


@given(st.tuples(reserves, reserves), st.integers(1, 10**30))
def test_exact_out_is_the_least_input_that_yields_it(balances, amount_out):
    pool = pair(balances)
    try:
        amount_in = pool.quote_exact_out(B, amount_out)
    except InsufficientLiquidity:
        return
    assert pool.quote(A, amount_in) >= amount_out
    assert amount_in == 1 or pool.quote(A, amount_in - 1) < amount_out


@given(st.integers(MIN_TICK, MAX_TICK - 1))
def test_the_tick_of_a_ticks_price_is_that_tick(tick):
    price = sqrt_price_at(tick)
    assert tick_at(price) == tick
    assert price == pytest.approx(math.exp(tick * math.log(1.0001) / 2) * 2**96, rel=1e-9)
    if price > MIN_SQRT_PRICE:
        assert tick_at(price - 1) == tick - 1


def test_the_price_range_is_the_contracts():
    assert (MIN_SQRT_PRICE, MAX_SQRT_PRICE) == (4295128739, 1461446703485210103287273052203988822378723970342)
    for price in (MIN_SQRT_PRICE - 1, MAX_SQRT_PRICE):
        with pytest.raises(ValueError, match="outside"):
            tick_at(price)
    with pytest.raises(ValueError, match="outside"):
        sqrt_price_at(MAX_TICK + 1)


@pytest.mark.parametrize("pool", [pair((10**18, 10**18)), ranged(2**96, [(-60, 60, 10**18)])])
def test_questions_without_an_answer_are_refused_by_name(pool):
    for refused in (0, -1, 2**256):
        with pytest.raises(AmountOutOfRange):
            pool.quote(A, refused)
    for refused in (0, -1):
        with pytest.raises(PoolError):
            pool.quote_exact_out(B, refused)
    with pytest.raises(InsufficientLiquidity):
        pool.quote_exact_out(B, 10**18)
    for ask in (pool.hop, pool.marginal_price, lambda stranger: pool.quote(stranger, 1)):
        with pytest.raises(UnknownToken, match="T3@twin"):
            ask(token(3))


@pytest.mark.parametrize("pool", [pair((0, 5)), ranged(2**96, [])])
def test_a_pool_without_liquidity_has_no_price_and_no_quote(pool):
    assert pool.marginal_price(A) == 0.0 and pool.pieces(B) == ()
    with pytest.raises((EmptyPool, InsufficientLiquidity)):
        pool.quote(A, 100)


def test_a_gap_in_the_liquidity_is_crossed_as_the_contract_does():
    pool = ranged(2**96, [(-6000, -3000, 10**18), (3000, 6000, 10**18)])
    assert pool.liquidity == 0
    assert pool.quote(A, 10**9) > 0 and pool.quote(B, 10**9) > 0
    assert pool.marginal_price(A) == pytest.approx(0.997 * 1.0001**-3000)


def test_hops_carry_the_direction_and_the_fee():
    assert pair((1, 1)).hop(B) == Hop(HopKind.CONSTANT_PRODUCT, at(100), False, 3000)
    assert ranged(2**96, []).hop(A) == Hop(HopKind.CONCENTRATED, at(200), True, 3000)


def test_unknown_topics_change_nothing():
    for pool in (pair((1, 1)), ranged(2**96, [])):
        assert pool.applied(log(pool.address, [b"\x01" * 32], 1, 2)) is pool
        assert pool.applied(log(pool.address, [])) is pool


def test_malformed_logs_are_refused():
    v2, v3 = pair((1, 1)), ranged(2**96, [(-60, 60, 10)])
    owner, swap_topics = b"\x00" * 32, [concentrated.SWAP, b"", b""]
    bad = [
        (v2, log(v2.address, [constant_product.SYNC], 1)),
        (v2, log(v3.address, [constant_product.SYNC], 1, 1)),
        (v2, log(v2.address, [constant_product.SYNC], 2**112, 1)),
        (v3, log(v3.address, swap_topics, 1, -1, 2**96, 10)),
        (v3, log(v3.address, swap_topics, 1, -1, 2**96, 10, 500)),
        (v3, log(v3.address, swap_topics, 1, -1, 2**96, 2**128, 0)),
        (v3, log(v3.address, [concentrated.BURN, owner, word(-60), word(60)], 11, 0, 0)),
        (v3, log(v3.address, [concentrated.MINT, owner, word(-61), word(60)], 0, 11, 0, 0)),
        (v3, log(v3.address, [concentrated.MINT, owner, word(60), word(-60)], 0, 11, 0, 0)),
        (v3, log(v3.address, [concentrated.MINT, owner, word(-60)], 0, 11, 0, 0)),
        (v3, log(v3.address, [concentrated.INITIALIZE], 2**96, 7)),
    ]
    for pool, entry in bad:
        with pytest.raises(MalformedLog, match=r"log 0 of block 1|tick -?6"):
            pool.applied(entry)


@given(st.binary(max_size=200), st.sampled_from(sorted(TOPICS)), st.integers(0, 3))
@settings(max_examples=300)
def test_arbitrary_log_bytes_give_a_pool_or_a_named_refusal(data, first, more):
    for pool in (pair((10**9, 10**9)), ranged(2**96, [(-60, 60, 10**9)])):
        entry = log(pool.address, [first, *[data.ljust(32, b"\0")[:32]] * more])
        entry = type(entry)(pool.address, entry.topics, data, 1, "0x", "0x", 0, 0)
        try:
            assert isinstance(pool.applied(entry), type(pool))
        except MalformedLog:
            continue


def test_burning_a_whole_position_leaves_no_trace_of_it():
    pool = ranged(2**96, [(-600, 600, 10**18)])
    position = [b"\0" * 32, word(-60), word(120)]
    minted = pool.applied(log(pool.address, [concentrated.MINT, *position], 0, 5, 1, 1))
    assert minted.liquidity == 10**18 + 5 and minted.ticks.net[120] == -5
    assert minted.applied(log(pool.address, [concentrated.BURN, *position], 5, 1, 1)) == pool
    assert minted.applied(log(pool.address, [concentrated.BURN, *position], 0, 1, 1)) == minted


def test_impossible_states_are_refused():
    with pytest.raises(MalformedState, match="both sides"):
        pair((1, 1), tokens=(A, A))
    with pytest.raises(MalformedState, match="uint112"):
        pair((-1, 1))
    with pytest.raises(MalformedState, match="ppm"):
        pair((1, 1), fee_ppm=10**6)
    with pytest.raises(MalformedState, match="both sides"):
        ranged(2**96, [], tokens=(A, A))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_address_without_such_a_pool_is_refused_while_loading(family):
    steps = loader(family)(PoolFacts(family, at(1), (A, B), 3000))
    with pytest.raises(MalformedState, match=r"is this such a pool|needs its"):
        steps.send(tuple(b"" for _ in next(steps)))


def test_an_unknown_family_is_named_with_those_that_exist():
    with pytest.raises(UnknownFamily, match=f"'wishful' is not an AMM family; known are {', '.join(sorted(FAMILIES))}"):
        loader("wishful")
