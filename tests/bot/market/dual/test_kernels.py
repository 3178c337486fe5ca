"""The compiled kernels are the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.market.dual import kernels as plain
from bot.market.dual.compiled import kernels, plain_kernels
from bot.market.dual.problem import opening_prices, problem_of
from bot.market.dual.solve import solve
from bot.market.kernels import output
from chains.pools.pool import Piece
from tests.bot.market.dual.markets import WETH, markets
from tests.bot.market.samples import WBTC, v3


@given(markets(least=10**9))
@settings(max_examples=40, deadline=None)
def test_compiled_and_plain_agree_on_every_kernel(pools) -> None:
    problem = problem_of(pools, WETH)
    prices = opening_prices(problem)
    arrays = problem.ends, problem.stretches, problem.pieces
    results = []
    for made in (kernels(), plain_kernels()):
        balance, conductance = np.zeros((len(prices), 3)), np.zeros(len(problem.ways))
        amounts, worth = np.zeros((len(problem.ways), 2)), np.zeros(len(problem.ways))
        value = made.evaluate(prices, *arrays, balance, conductance)
        made.flows(prices, *arrays, amounts)
        made.gains(prices, *arrays, np.arange(len(problem.ways)), worth)
        results.append((value, balance, conductance, amounts, worth))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(one).max(initial=0.0)))
    compiled, written = solve(problem, using=kernels()), solve(problem, using=plain_kernels())
    assert compiled.value == pytest.approx(written.value, rel=1e-6, abs=4.0)


def test_numba_compiles_what_the_tests_compare() -> None:
    assert kernels().compiled and not plain_kernels().compiled


def test_without_numba_the_plain_kernels_are_used(monkeypatch) -> None:
    monkeypatch.setenv("ISTHMUS_NO_NUMBA", "1")
    kernels.cache_clear()
    assert not kernels().compiled
    kernels.cache_clear()


@given(st.floats(0.5, 20.0), st.integers(0, 60))
def test_fill_finds_the_best_trade_of_a_curve(price_factor, piece_at) -> None:
    pool = v3(7, WETH, WBTC, -27_000, [(-30_000, -24_000, 10**15), (-27_600, -26_400, 10**15), (-60_000, 0, 10**14)])
    curve = pool.pieces(WETH)
    rows, before_in, before_out = [], 0.0, 0.0
    for rate, curvature, cap in curve:
        rows.append((rate, curvature, cap, before_in, before_out))
        before_in += cap
        before_out += rate * cap / (1 + curvature * cap)
    price = curve[piece_at % len(curve)].rate / price_factor
    amount_in, amount_out, _ = plain.fill(price, 0, len(rows), np.array(rows))
    assert amount_out == pytest.approx(output(curve, amount_in), rel=1e-9, abs=1e-9)
    gain = amount_out - price * amount_in
    for other in (0.0, amount_in * 0.99, amount_in * 1.01 + 1.0):
        assert output(curve, other) - price * other <= gain + 1e-9 * (abs(gain) + amount_out)


def test_elimination_and_iteration_solve_the_same_equations() -> None:
    rng = np.random.default_rng(5)
    ends = np.array([(i, j) for i in range(6) for j in range(6) if i < j])
    conductance = rng.uniform(0.1, 5.0, len(ends))
    surplus = rng.normal(size=6)
    steps = []
    for most_dense in (100, 0):
        step = np.zeros(6)
        before, plain.MOST_DENSE = plain.MOST_DENSE, most_dense
        try:
            plain.direction(surplus * 0.01, ends, conductance, 1.0, step)
        finally:
            plain.MOST_DENSE = before
        steps.append(step)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-4)
    laplacian = np.zeros((6, 6))
    for (one, other), weight in zip(ends, conductance, strict=True):
        laplacian[[one, other], [one, other]] += weight
        laplacian[[one, other], [other, one]] -= weight
    damped = laplacian + np.diag(np.abs(surplus * 0.01))
    expected = np.linalg.solve(damped[1:, 1:], -surplus[1:] * 0.01)
    np.testing.assert_allclose(steps[0][1:], expected, rtol=1e-9)


def test_a_piece_is_what_its_row_says() -> None:
    row = Piece(2.0, 0.5, 10.0)
    amount_in, amount_out, slope = plain.fill(0.5, 0, 1, np.array([(*row, 3.0, 4.0)]))
    assert (amount_in, amount_out) == (3.0 + 2.0, 4.0 + 2.0 * 2.0 / 2.0)
    assert slope == pytest.approx(2.0 / (2.0 * 0.5 * 0.5))
    assert plain.fill(2.5, 0, 1, np.array([(*row, 0.0, 0.0)])) == (0.0, 0.0, 0.0)
