"""The size of a walk is the best there is: beside golden section, and beside every integer."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.market.kernels import output
from bot.market.packed import Detector, PackedMarket, reference
from tests.bot.market.packed.samples import KEPT, markets

GOLDEN = (math.sqrt(5) - 1) / 2
GAP = 1e-5
"""How much less than the best integer's gain a float size may give."""


def golden_section(curves, most, steps=120):
    """The best input up to `most`, and its gain."""

    def gain(amount):
        out = amount
        for curve in curves:
            out = output(curve, out)
        return out - amount

    low, high = 0.0, most
    for _ in range(steps):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, right) if gain(left) >= gain(right) else (left, high)
    return low, gain(low)


@settings(max_examples=60, deadline=None)
@given(markets())
def test_no_search_over_all_sizes_gains_more(market):
    detector = Detector(market)
    found = detector.search(np.arange(market.pools, dtype=np.int32))
    assume(found.candidates)
    arrays = market.arrays()
    for candidate in found.candidates[:5]:
        curves = [reference.curve_of(edge, arrays) for edge in candidate.edges]
        _, best = golden_section(curves, 4.0 * candidate.size)
        assert candidate.gain >= best * (1 - 1e-9) - 1e-12


@settings(max_examples=60, deadline=None)
@given(markets())
def test_compiled_and_plain_sizes_agree(market):
    detector = Detector(market)
    for candidate in detector.search(np.arange(market.pools, dtype=np.int32)).candidates[:8]:
        size, gain = detector.size(candidate.edges)
        assert (size, gain) == (candidate.size, candidate.gain)
        walks, sized = np.full((1, 4), -1, np.int32), np.zeros((1, 2))
        walks[0, : len(candidate.edges)] = candidate.edges
        hops = np.array([len(candidate.edges)], np.int32)
        reference.size_all(walks, hops, market.arrays(), np.zeros((4, 3)), np.zeros(4, np.int32), sized)
        assert (size, gain) == pytest.approx(tuple(sized[0]), rel=1e-9, abs=1e-12)


def pair_out(reserve_in, reserve_out, amount):
    """What a Uniswap V2 pair pays, in integers; for an array of amounts, as long as the product fits 63 bits."""
    kept = amount * 997
    return kept * reserve_out // (reserve_in * 1000 + kept)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(200_000, 900_000), min_size=4, max_size=4),
    st.floats(1.02, 1.3),
    st.integers(10**3, 5 * 10**3),
)
def test_the_size_is_within_a_hundred_thousandth_of_the_best_integer(reserves, dearer, scale):
    a_in, a_out, b_in, b_out = reserves[0], reserves[1] * scale, reserves[2] * scale, reserves[3]
    b_out = int(b_in * a_in / a_out * dearer)
    market = PackedMarket()
    market.add_nodes(np.ones(2), np.full(2, 18, np.int32))
    pools = market.add_products(
        np.array([[0, 1], [1, 0]], np.int32),
        np.array([[a_in, a_out], [b_in, b_out]], np.float64),
        np.full((2, 2), KEPT),
        np.zeros(2, np.int32),
    )
    size, _ = Detector(market).size((market.edges_of(pools[0])[0], market.edges_of(pools[1])[0]))

    def gain(amount):
        return pair_out(b_in, b_out, pair_out(a_in, a_out, amount)) - amount

    best = int(gain(np.arange(1, a_in // 2)).max())
    assume(best > 2 / GAP**0.5)
    tried = max(gain(max(round(size) + step, 1)) for step in range(-8, 9))
    assert best - tried <= max(GAP * best, 1)
