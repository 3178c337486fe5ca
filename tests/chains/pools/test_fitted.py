"""Fitted pieces follow their curves, also where a pool holds next to nothing of what comes in."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness.curve import tripool
from chains.pools.fitted import GRID, bridged, grid_within
from chains.pools.pool import InsufficientLiquidity
from tests.chains.pools import test_balancer_v2, test_balancer_v3, test_solidly
from tests.chains.pools.properties import pieces_agree
from tests.chains.pools.samples import A, B

TRIPOOL = tripool()
lopsided = st.integers(10**18, 10**27)
few = st.integers(10**6, 10**15)
pools = st.one_of(
    st.builds(test_balancer_v2.stable, st.tuples(lopsided, lopsided, few), st.sampled_from([1_000, 2_000_000])),
    st.builds(test_balancer_v3.stable, st.tuples(lopsided, lopsided, few), st.sampled_from([1_000, 2_000_000])),
    st.builds(test_solidly.pool_of, st.tuples(lopsided, few)),
    st.builds(lambda *held: replace(TRIPOOL, balances=held), lopsided, few, few),
)


@given(pools, st.booleans(), st.floats(1e-9, 0.999))
def test_pieces_agree_however_lopsided_the_pool_is(pool, forwards, fraction):
    token_in, token_out = pool.tokens[:2] if forwards else pool.tokens[1::-1]
    pieces_agree(pool, token_in, token_out, fraction, 1e-2)


def test_the_first_point_lies_where_the_curve_bends():
    pool = test_balancer_v2.stable((10**18, 267_266 * 10**18, 10**6), 1_000)
    pieces = pool.pieces(A, B)
    assert pieces[0].cap < 10**18 < sum(piece.cap for piece in pieces) / 10**4
    assert set(GRID) < set(grid_within(10.0, 10.0)) and min(grid_within(10.0, 10.0)) == GRID[0]


@pytest.mark.parametrize("made", [test_balancer_v2.stable, test_balancer_v3.stable])
@pytest.mark.parametrize("fraction", [0.46875, 0.484, 0.51])
def test_pieces_agree_where_a_flat_curve_bends(made, fraction):
    pool = made((394_019_519_134_081_209_564_016, 17_465_870_191_499_139_268_400, 1_241_218_590), 2_000_000)
    pieces_agree(pool, pool.tokens[2], A, fraction, 1e-2)


@given(st.lists(st.floats(1e-6, 1e30), min_size=1, max_size=20, unique=True).map(sorted), st.floats(1.0, 1e25))
def test_no_two_points_lie_far_apart(points, held):
    found = bridged(points, held)
    assert set(points) <= set(found) and found == sorted(found)
    before = held / 12
    for point in found:
        assert point <= 3.001 * before or point == points[0]
        before = max(point, before)


def test_a_pool_without_a_curve_has_no_pieces_and_no_price():
    pool = replace(TRIPOOL, balances=(10**27, 10**6, 1))
    with pytest.raises(InsufficientLiquidity, match="does not converge"):
        pool.quote(pool.tokens[0], 10**18, pool.tokens[1])
    assert pool.pieces(*pool.tokens[:2]) == () and pool.marginal_price(*pool.tokens[:2]) == 0.0
