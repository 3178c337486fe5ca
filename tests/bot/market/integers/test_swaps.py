"""The compiled kernels, their plain twins and the pools themselves agree to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.market.integers import plain, swaps
from bot.market.integers.layout import FILLED, PARTLY, SHORT, UNFIT, UNKNOWN, Exact, Filled, limbs, packed, whole
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import MAX_RESERVE, ConstantProductPool
from chains.pools.pool import BeyondKnownLiquidity, PoolError
from chains.pools.tick_math import MAX_TICK, MIN_TICK, Ticks, sqrt_price_at, tick_at
from tests.chains.pools.samples import A, pair, ranged

KERNELS = pytest.mark.parametrize("kernels", [swaps, plain], ids=["compiled", "plain"])
Swap = tuple[int, bool, bool, int]
"""Which pool, whether token0 goes in, whether that is what `amount` says, and the amount."""


def answered(kernels: object, table: Exact, asked: list[Swap]) -> Filled:
    answers = Filled.room(len(asked))
    kernels.swap_batch(  # type: ignore[attr-defined]
        table,
        np.array([row for row, *_ in asked], np.int32),
        np.array([down for _, down, _, _ in asked], np.uint8),
        np.array([exact_in for _, _, exact_in, _ in asked], np.uint8),
        np.array([limbs(amount, 4) for *_, amount in asked], np.uint64).reshape(-1, 4),
        answers,
    )
    return answers


def expected(pool: ConstantProductPool | ConcentratedPool, down: bool, exact_in: bool, amount: int) -> tuple[int, int]:
    token_in, token_out = pool.tokens if down else pool.tokens[::-1]
    if exact_in:
        return amount, pool.quote(token_in, amount)
    return pool.quote_exact_out(token_out, amount), amount


amounts = st.integers(0, 260).flatmap(lambda bits: st.integers(0, (1 << min(bits, 256)) - 1))
reserves = st.integers(0, 112).flatmap(lambda bits: st.integers(0, min((1 << bits), MAX_RESERVE)))
pairs = st.builds(
    lambda first, second, fee: pair((first, second), fee_ppm=fee), reserves, reserves, st.integers(0, 999_999)
)


@st.composite
def concentrated(draw: st.DrawFn) -> ConcentratedPool:
    spacing = draw(st.sampled_from([1, 10, 60, 200, 2000]))
    widest = MAX_TICK // spacing
    index = st.integers(-widest, widest)
    positions = []
    for _ in range(draw(st.integers(0, 5))):
        low, high = sorted((draw(index), draw(index)))
        if low < high:
            positions.append((low * spacing, high * spacing, draw(st.integers(1, 2 ** draw(st.integers(1, 120))))))
    at_tick = draw(st.booleans())
    tick = min(draw(index) * spacing, MAX_TICK - 1)  # a price is below the greatest tick's
    price = sqrt_price_at(tick)
    if not at_tick:
        price = draw(st.integers(sqrt_price_at(MIN_TICK), sqrt_price_at(MAX_TICK) - 1))
    pool = ranged(price, positions, spacing=spacing, fee_ppm=draw(st.sampled_from([0, 100, 500, 3000, 10000, 999_999])))
    # A pool that came down to a tick is at the one below.
    if at_tick and tick > MIN_TICK and draw(st.booleans()):
        active = sum(size for low, high, size in positions if low <= tick - 1 < high)
        pool = replace(pool, tick=tick - 1, liquidity=active)
    if draw(st.integers(0, 4)) == 0:
        here = tick_at(pool.sqrt_price_x96)
        pool = replace(pool, tick=here, ticks=Ticks.around(here, spacing))
    return pool


@settings(max_examples=150)
@given(st.lists(st.one_of(pairs, concentrated()), min_size=1, max_size=4), st.data())
def test_compiled_plain_and_pool_agree_to_the_last_bit(
    pools: list[ConstantProductPool | ConcentratedPool], data: st.DataObject
) -> None:
    asked = data.draw(
        st.lists(st.tuples(st.integers(0, len(pools) - 1), st.booleans(), st.booleans(), amounts), max_size=12)
    )
    table = packed(pools)
    compiled, slow = answered(swaps, table, asked), answered(plain, table, asked)
    for name in Filled._fields:
        assert np.array_equal(getattr(compiled, name), getattr(slow, name)), name
    for at, (row, down, exact_in, amount) in enumerate(asked):
        try:
            wanted = expected(pools[row], down, exact_in, amount)
        except BeyondKnownLiquidity:
            assert compiled.status[at] == UNKNOWN
            continue
        except PoolError:
            assert compiled.status[at] != FILLED
            continue
        assert compiled.status[at] == FILLED
        assert (whole(compiled.amount_in[at]), whole(compiled.amount_out[at])) == wanted


@settings(max_examples=60)
@given(concentrated(), st.booleans(), amounts)
def test_price_and_liquidity_afterwards_are_those_of_the_pool(pool: ConcentratedPool, down: bool, amount: int) -> None:
    answers = answered(swaps, packed([pool]), [(0, down, True, amount)])
    if answers.status[0] != FILLED:
        return
    after = pool.swapped(pool.tokens[0 if down else 1], amount)
    assert whole(answers.price[0]) == after.sqrt_price_x96
    assert whole(answers.liquidity[0]) == after.liquidity


@KERNELS
def test_a_swap_that_runs_out_of_prices_is_only_partly_filled(kernels: object) -> None:
    pool = ranged(sqrt_price_at(0), [(-600, 600, 10**18)])
    answers = answered(kernels, packed([pool]), [(0, True, True, 2**200), (0, False, True, 2**200)])
    assert answers.status.tolist() == [PARTLY, PARTLY]


@KERNELS
def test_amounts_beyond_int256_and_beyond_the_reserves_are_refused(kernels: object) -> None:
    pool = ranged(sqrt_price_at(0), [(-600, 600, 10**18)])
    asked = [(0, True, True, 2**255), (1, True, True, MAX_RESERVE), (1, True, False, 1000), (0, True, True, 0)]
    answers = answered(kernels, packed([pool, pair((1000, 1000))]), asked)
    assert answers.status.tolist() == [UNFIT, UNFIT, SHORT, UNFIT]


@KERNELS
def test_a_route_gives_what_its_pools_give_one_after_the_other(kernels: object) -> None:
    first, second = pair((10**21, 10**21)), ranged(sqrt_price_at(7), [(-6000, 6000, 10**21)])
    table = packed([first, second])
    amounts, statuses = np.zeros((3, 4), np.uint64), np.zeros(2, np.uint8)
    inputs = np.array([limbs(10**18, 4), limbs(2**255, 4)], np.uint64)
    kernels.route_batch(  # type: ignore[attr-defined]
        table, np.array([0, 2, 3], np.int32), np.array([0, 1, 1], np.int32), np.array([1, 0, 0], np.uint8),
        inputs, amounts, statuses,
    )  # fmt: skip
    middle = first.quote(A, 10**18)
    assert [whole(row) for row in amounts[:2]] == [middle, second.quote(second.tokens[1], middle)]
    assert statuses.tolist() == [FILLED, UNFIT]


def test_without_numba_the_plain_kernels_answer() -> None:
    code = "import sys; from bot.market.integers import kernels; print(kernels().__name__, 'numba' in sys.modules)"
    environment = {**os.environ, "ISTHMUS_NO_NUMBA": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["bot.market.integers.plain", "False"]
