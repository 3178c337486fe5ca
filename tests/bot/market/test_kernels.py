"""The float walk finds what an exhaustive one-dimensional search finds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.market.kernels import capped, depth, optimal_input, output
from chains.pools.pool import Piece


@st.composite
def curves(draw):
    """A concave piecewise curve: each piece starts at or below the marginal price where the last one ended."""
    pieces, rate = [], draw(st.floats(0.7, 1.4))
    for _ in range(draw(st.integers(1, 6))):
        curvature = draw(st.sampled_from([0.0, 1e-3, 1e-2, 0.1]))
        cap = draw(st.floats(0.1, 50.0))
        pieces.append(Piece(rate, curvature, cap))
        rate = rate / (1 + curvature * cap) ** 2 * draw(st.floats(0.95, 1.0))
    return tuple(pieces)


def gain_of(hops, amount):
    out = amount
    for curve in hops:
        if out > sum(piece.cap for piece in curve) * (1 + 1e-12):
            return -math.inf
        out = output(curve, out)
    return out - amount


def by_ternary_search(hops):
    low, high = 0.0, sum(piece.cap for piece in hops[0])
    while gain_of(hops, high) == -math.inf:
        high *= 0.9999
    for _ in range(200):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if gain_of(hops, left) < gain_of(hops, right) else (low, right)
    return max(gain_of(hops, low), 0.0)


@given(st.lists(curves(), min_size=1, max_size=3))
def test_the_walk_gains_what_a_search_over_all_sizes_gains(hops):
    amount, gain = optimal_input(hops)
    assert gain == pytest.approx(max(gain_of(hops, amount), 0.0), abs=1e-9)
    assert gain >= by_ternary_search(hops) - 1e-6


@given(st.lists(curves(), min_size=1, max_size=3), st.floats(0.01, 20.0))
def test_the_walk_respects_the_most_that_may_go_in(hops, most):
    amount, gain = optimal_input(hops, most)
    free_amount, free_gain = optimal_input(hops)
    assert amount <= most * (1 + 1e-12) and gain <= free_gain + 1e-12
    assert amount == pytest.approx(min(most, free_amount))


def test_two_constant_product_pools_have_their_textbook_optimum():
    kept = 0.997
    buy, sell = Piece(kept * 1000 / 10, kept / 10, math.inf), Piece(kept * 12 / 1000, kept / 1000, math.inf)
    amount, gain = optimal_input([(buy,), (sell,)])
    virtual_in = 10 * 1000 / (1000 + kept * 1000)
    virtual_out = kept * 12 * 1000 / (1000 + kept * 1000)
    expected = (math.sqrt(kept * virtual_in * virtual_out) - virtual_in) / kept
    assert amount == pytest.approx(expected, rel=1e-12)
    assert gain == pytest.approx(gain_of([(buy,), (sell,)], amount), rel=1e-9)


@pytest.mark.parametrize(
    "hops",
    [
        [()],
        [(Piece(2.0, 0.1, 1.0),), ()],
        [(Piece(math.nan, 0.1, 1.0),)],
        [(Piece(2.0, 0.0, math.inf),)],
        [(Piece(1.0, 0.1, 1.0),)],
    ],
)
def test_what_has_no_finite_gain_has_no_size(hops):
    assert optimal_input(hops) == (0.0, 0.0)


@given(curves(), st.floats(0.001, 400.0))
def test_a_capped_curve_pays_the_same_up_to_its_cap(curve, most):
    cut = capped(curve, most)
    held = sum(piece.cap for piece in cut)
    assert held == pytest.approx(min(most, sum(piece.cap for piece in curve)))
    assert output(cut, held) == pytest.approx(output(curve, held))


def test_depth_ignores_a_price_nobody_can_trade_at():
    thin = (Piece(5.0, 0.0, 1e-6), Piece(1.0, 0.01, 100.0))
    assert depth(thin, 0.02) == 1e-6
    assert depth((Piece(1.0, 0.01, 100.0),), 0.02) == pytest.approx((math.sqrt(1 / 0.98) - 1) / 0.01)
    assert depth((), 0.02) == 0.0
