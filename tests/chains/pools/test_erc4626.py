"""ERC-4626 vaults: how their arithmetic is found out, and refusals."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chains.assets import Token
from chains.executor import Hop, HopKind
from chains.pools import erc4626
from chains.pools.erc4626 import Erc4626Pool
from chains.pools.pool import (
    AmountOutOfRange,
    HookedPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PoolFacts,
    StaleState,
    UnknownToken,
)
from chains.pools.registry import loader
from chains.pools.words import word
from tests.chains.pools.properties import never_gains, pieces_agree
from tests.chains.pools.samples import A, at, log, token

VAULT = at(500)
SHARE = Token("twin", VAULT, "S", 18)
CAP = 2**256 - 1


def vault(assets=2 * 10**24, shares=10**24, virtual=(1, 1), **changes):
    return replace(Erc4626Pool(VAULT, (A, SHARE), assets, shares, virtual, CAP), **changes)


vaults = st.builds(
    vault,
    st.integers(10**6, 10**27),
    st.integers(10**6, 10**27),
    st.sampled_from([(0, 0), (1, 1), (1, 10**6)]),
)
directions = st.sampled_from([(A, SHARE), (SHARE, A)])


@given(vaults, directions, st.integers(1, 10**27))
def test_there_and_back_never_gains(pool, direction, amount):
    assume(direction[0] == A or amount < pool.shares)  # whoever redeems the last share of some vaults starts it anew
    never_gains(pool, *direction, amount)


@given(vaults, directions, st.floats(1e-9, 0.99))
def test_the_piece_agrees_with_exact_quotes(pool, direction, fraction):
    pieces_agree(pool, *direction, fraction, 1e-6)


@given(vaults, directions, st.integers(1, 10**27))
def test_what_exact_out_asks_for_buys_it(pool, direction, amount):
    token_in, token_out = direction
    try:
        asked = pool.quote_exact_out(token_out, amount, token_in)
        bought = pool.quote(token_in, asked, token_out)
    except InsufficientLiquidity:
        return
    assert bought >= amount


def test_events_change_the_totals_and_time_makes_them_stale():
    pool = vault()
    after = pool.swapped(A, 10**20)
    bought = pool.quote(A, 10**20)
    assert pool.applied(log(VAULT, [erc4626.DEPOSIT, b"", b""], 10**20, bought)) == after
    assert after.applied(log(VAULT, [erc4626.WITHDRAW, b"", b"", b""], 10**20, bought)) == pool
    late = pool.at(5)
    with pytest.raises(StaleState, match="earned"):
        late.quote(A, 1)
    assert late.marginal_price(A) == 0.0 and late.at(6) is late
    assert pool.hop(SHARE) == Hop(HopKind.ERC4626, VAULT, False, 0)


def test_a_vault_takes_no_more_than_its_cap_in_several_deposits_either():
    pool = vault(deposit_cap=10**20)
    after = pool.swapped(A, 6 * 10**19)
    bought = pool.quote(A, 6 * 10**19)
    assert pool.applied(log(VAULT, [erc4626.DEPOSIT, b"", b""], 6 * 10**19, bought)) == after
    assert after.deposit_cap == 4 * 10**19 == after.swapped(SHARE, 10**18).deposit_cap
    with pytest.raises(InsufficientLiquidity, match="takes 40000000000000000000"):
        after.quote(A, 6 * 10**19)
    assert after.swapped(A, 4 * 10**19).pieces(A) == ()


def test_questions_without_an_answer_are_refused_by_name():
    pool = vault()
    for refused in (0, -1):
        with pytest.raises(AmountOutOfRange):
            pool.quote(A, refused)
        with pytest.raises(AmountOutOfRange):
            pool.quote_exact_out(A, refused)
    with pytest.raises(InsufficientLiquidity, match="shares of"):
        pool.quote(SHARE, 10**24 + 1)
    with pytest.raises(InsufficientLiquidity, match="shares of"):
        pool.quote_exact_out(A, 2 * 10**24 + 1)
    with pytest.raises(InsufficientLiquidity, match="takes 5"):
        vault(deposit_cap=5).quote(A, 6)
    with pytest.raises(AmountOutOfRange):
        pool.quote_exact_out(SHARE, 2**256 - 1)
    with pytest.raises(InsufficientLiquidity, match="worth nothing"):
        vault(0, 10, (0, 0)).quote(A, 5)
    assert vault(0, 0, (0, 0)).quote(A, 5) == 5
    with pytest.raises(UnknownToken):
        pool.quote(token(9), 1)


def test_malformed_logs_and_states_are_refused():
    for bad in (
        log(VAULT, [erc4626.DEPOSIT, b"", b""], 1),
        log(at(9), [erc4626.DEPOSIT, b"", b""], 1, 1),
        log(VAULT, [erc4626.WITHDRAW, b"", b"", b""], 10**25, 1),
    ):
        with pytest.raises(MalformedLog):
            vault().applied(bad)
    for changes in ({"tokens": (A, A)}, {"assets": -1}, {"shares": 2**256}, {"tokens": (SHARE, A)}):
        with pytest.raises(MalformedState):
            vault(**changes)


def answers_of(pool, fee_ppm=0, asset=A):
    """What the chain answers to the one round of `loader`."""
    amounts = erc4626._amounts(A)
    previews = [word(value - value * fee_ppm // 10**6) for value in erc4626._previews(pool, amounts)]
    kept = word(pool.rate) if pool.rate else b""
    return [word(int(asset.address, 16)), word(pool.assets), word(pool.shares), kept, word(CAP), *previews]


def loaded(answers):
    steps = loader("erc4626")(PoolFacts("erc4626", VAULT, (A, SHARE), 0))
    assert len(next(steps)) == len(answers)
    with pytest.raises(StopIteration) as end:
        steps.send(answers)
    return end.value.value


@pytest.mark.parametrize("virtual", [(0, 0), (1, 1), (1, 1000), (1, 10**18)])
def test_a_vaults_arithmetic_is_found_out_from_its_previews(virtual):
    pool = vault(2 * 10**18 + 12_345, 10**18 + 7, virtual)
    assert loaded(answers_of(pool)) == pool


@pytest.mark.parametrize("virtual", [(0, 0), (1, 1), (1, 1000)])
def test_vaults_that_hold_much_are_told_apart_each_time_they_are_read(virtual):
    """Of all that is held, a virtual unit is less than a part in 10^23."""
    for assets, shares in ((10**23 + 10**20, 10**23), (10**23, 10**23 - 7 * 10**19), (9 * 10**22, 10**23)):
        pool = vault(assets, shares, virtual)
        assert loaded(answers_of(pool)) == pool
        steps = vault(assets, shares).at(5).refreshing()
        next(steps)
        with pytest.raises(StopIteration) as end:
            steps.send(answers_of(pool)[1:])
        assert end.value.value == pool


def test_a_vault_that_previews_no_more_than_there_can_be_is_told_by_the_rest():
    pool = vault(2 * 10**18 + 12_345, 10**18 + 7, (0, 0))
    answers = answers_of(pool)
    assert loaded([*answers[:8], b"", *answers[9:]]) == pool
    with pytest.raises(HookedPool, match="usual ways"):
        loaded([*answers[:7], b"", *answers[8:]])


def test_a_vault_may_convert_by_a_rate_it_keeps():
    pool = vault(2 * 10**18 + 12_345, 10**18 + 7, (0, 0), rate=1_115_987_637_915_440_452_123_456_789)
    assert loaded(answers_of(pool)) == pool
    assert pool.quote(SHARE, 10**17) == 10**17 * pool.rate // 10**27
    assert pool.swapped(A, 10**17).rate == pool.rate


def test_a_vault_with_a_fee_or_of_another_asset_is_refused():
    with pytest.raises(HookedPool, match="usual ways"):
        loaded(answers_of(vault(), fee_ppm=1_000))
    with pytest.raises(MalformedState, match="not of A"):
        loaded(answers_of(vault(), asset=token(7)))
