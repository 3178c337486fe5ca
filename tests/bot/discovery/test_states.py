"""A stored state comes back as it was; a damaged one is refused, never guessed at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discovery.states import packed, unpacked
from chains.pools.constant_product import MAX_RESERVE
from chains.pools.pool import MalformedState, Pool, PoolFacts
from chains.pools.solidly import SolidlyPool
from chains.pools.tick_math import Ticks, sqrt_price_at
from chains.snapshot.codec import reference
from tests.chains.pools.samples import A, B, at, pair, ranged

TOKENS = {reference(token): token for token in (A, B)}


def facts_of(pool: Pool) -> PoolFacts:
    return PoolFacts(pool.family, pool.address, pool.tokens, pool.fee_ppm)


def again(pool: Pool) -> Pool:
    return unpacked(facts_of(pool), packed(pool), TOKENS)


@given(st.integers(0, MAX_RESERVE), st.integers(0, MAX_RESERVE), st.integers(0, 999_999))
def test_reserves_come_back(first: int, second: int, fee_ppm: int) -> None:
    pool = pair((first, second), fee_ppm=fee_ppm)
    assert again(pool) == pool


@given(
    st.integers(-8_000, 8_000),
    st.lists(
        st.tuples(st.integers(-14_000, 13_000), st.integers(1, 900), st.integers(1, 2**100)).map(
            lambda drawn: (drawn[0] // 60 * 60, drawn[0] // 60 * 60 + drawn[1] * 60, drawn[2])
        ),
        max_size=12,
    ),
)
def test_ticks_come_back(tick: int, positions: list[tuple[int, int, int]]) -> None:
    pool = ranged(sqrt_price_at(tick), positions)
    assert again(pool) == pool


def test_what_only_the_active_liquidity_is_known_of_comes_back() -> None:
    from dataclasses import replace

    pool = replace(ranged(sqrt_price_at(5), []), ticks=Ticks.around(5, 60), liquidity=10**20)
    assert again(pool) == pool


def test_another_family_comes_back_through_the_snapshots_form() -> None:
    pool = SolidlyPool(at(9), (A, B), (10**20, 10**21), 30, True, at(8))
    assert again(pool) == pool


@given(st.binary(max_size=150), st.sampled_from(["constant_product", "concentrated", "solidly", "unheard_of"]))
def test_bytes_of_no_pool_are_refused(state: bytes, family: str) -> None:
    facts = PoolFacts(family, at(9), (A, B), 3000)
    try:
        pool = unpacked(facts, state, TOKENS)
    except MalformedState:
        return
    assert packed(pool) == state


@pytest.mark.parametrize("cut", [1, 7, 35, 36, 60])
def test_a_truncated_state_is_refused(cut: int) -> None:
    pool = ranged(sqrt_price_at(0), [(-600, 600, 10**18), (0, 1200, 5)])
    with pytest.raises(MalformedState):
        unpacked(facts_of(pool), packed(pool)[:-cut], TOKENS)
