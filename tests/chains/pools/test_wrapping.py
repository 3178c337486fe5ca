"""Wrapping: WETH one for one, wstETH by shares."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.assets import ZERO_ADDRESS, Token
from chains.executor import Hop, HopKind
from chains.pools import wrapping_wsteth
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    MalformedLog,
    MalformedState,
    PoolFacts,
    Source,
    StaleState,
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.words import word
from chains.pools.wrapping_native import WrappedNativePool
from chains.pools.wrapping_wsteth import WstethPool
from tests.chains.pools.properties import exact_out_is_least, never_gains
from tests.chains.pools.samples import A, at, log, token

COIN, WETH = Token("twin", ZERO_ADDRESS, "ETH", 18), Token("twin", at(600), "WETH", 18)
NATIVE = WrappedNativePool(at(600), (COIN, WETH))
STETH, WSTETH = token(601, "stETH"), token(602, "wstETH")
LIDO = WstethPool(at(602), (STETH, WSTETH), 9_000_000 * 10**18 + 77, 7_500_000 * 10**18 + 13)


def test_the_native_coin_is_wrapped_one_for_one():
    for token_in, token_out in ((COIN, WETH), (WETH, COIN)):
        assert NATIVE.quote(token_in, 5, token_out) == 5 == NATIVE.quote_exact_out(token_out, 5, token_in)
        assert NATIVE.swapped(token_in, 5) is NATIVE and NATIVE.marginal_price(token_in) == 1.0
        assert NATIVE.pieces(token_in)[0][:2] == (1.0, 0.0)
    assert NATIVE.hop(COIN) == Hop(HopKind.WRAPPED_NATIVE, at(600), True, 0)
    assert NATIVE.applied(log(at(600), [b"\x01" * 32])) is NATIVE
    for refused in (0, 2**256):
        with pytest.raises(AmountOutOfRange):
            NATIVE.quote(COIN, refused)
    with pytest.raises(UnknownToken):
        NATIVE.quote(A, 1)
    with pytest.raises(MalformedState, match="does not wrap"):
        WrappedNativePool(at(600), (WETH, COIN))


@given(st.integers(1, 10**26), st.booleans())
def test_wsteth_never_gains_and_asks_the_least(amount, wraps):
    direction = (STETH, WSTETH) if wraps else (WSTETH, STETH)
    never_gains(LIDO, *direction, amount)
    exact_out_is_least(LIDO, *direction, amount)


@given(st.integers(1, 10**26))
def test_unwrapping_pays_at_most_two_units_less_than_it_says(amount):
    quoted, paid = LIDO.quote(WSTETH, amount), LIDO.paid(WSTETH, amount)
    assert quoted - 2 <= paid <= quoted
    assert LIDO.paid(STETH, amount) == LIDO.quote(STETH, amount)


def test_stakes_and_reports_move_the_shares_worth():
    steth = at(601)
    assert LIDO.sources == (Source(steth),)
    staked = LIDO.applied(log(steth, [wrapping_wsteth.SUBMITTED, word(1)], 10**20, 0))
    assert staked.pooled == LIDO.pooled + 10**20
    assert staked.shares == LIDO.shares + LIDO.quote(STETH, 10**20)
    report = log(steth, [wrapping_wsteth.REBASED, word(1)], 86_400, 1, 2, 8 * 10**24, 10**25, 5)
    reported = LIDO.applied(report)
    assert (reported.shares, reported.pooled) == (8 * 10**24, 10**25)
    assert reported.marginal_price(WSTETH) == pytest.approx(1.25)
    with pytest.raises(StaleState, match="burnt"):
        LIDO.applied(log(steth, [wrapping_wsteth.BURNT, word(1)], 1, 1, 1))
    for bad in (
        log(steth, [wrapping_wsteth.SUBMITTED, word(1)], 1),
        log(at(9), [wrapping_wsteth.SUBMITTED, word(1)], 1, 1),
        log(steth, [wrapping_wsteth.SUBMITTED, word(1)], 2**200, 1),
    ):
        with pytest.raises(MalformedLog):
            LIDO.applied(bad)


def test_wsteth_without_shares_or_of_other_tokens_is_refused():
    empty = replace(LIDO, pooled=0)
    with pytest.raises(EmptyPool):
        empty.quote(STETH, 1)
    assert empty.marginal_price(STETH) == 0.0 and empty.pieces(STETH) == ()
    for refused in (0, 2**256):
        with pytest.raises(AmountOutOfRange):
            LIDO.quote(STETH, refused)
    with pytest.raises(MalformedState):
        replace(LIDO, tokens=(WSTETH, STETH))
    assert LIDO.hop(STETH) == Hop(HopKind.WSTETH, at(602), True, 0)


def test_both_load():
    steps = loader("wsteth")(PoolFacts("wsteth", at(602), (STETH, WSTETH), 0))
    next(steps)
    steps.send((word(601),))
    with pytest.raises(StopIteration) as end:
        steps.send((word(LIDO.pooled), word(LIDO.shares)))
    assert end.value.value == LIDO
    steps = loader("wrapped_native")(PoolFacts("wrapped_native", at(600), (COIN, WETH), 0))
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send((word(5),))
    assert end.value.value == NATIVE
    steps = loader("wsteth")(PoolFacts("wsteth", at(602), (A, WSTETH), 0))
    next(steps)
    with pytest.raises(MalformedState, match="not A"):
        steps.send((word(601),))
