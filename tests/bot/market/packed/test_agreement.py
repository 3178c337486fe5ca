"""Compiled kernels and their plain twins give the same."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bot.market.packed.detector as detector_module
from bot.market.packed import Detector, Filter, compiled, reference
from bot.market.packed.kernels import Kernels
from bot.market.packed.shapes import PRODUCT, RANGES
from tests.bot.market.packed.samples import GAS, markets

FEW = settings(max_examples=60, deadline=None)
NONE = np.zeros(0, np.int32)
ROOM = 4096
"""More walks than ever pass the screen of these markets: which of equal ones are left out is not the same in both."""


def detector_on(kernels, market):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector_module, "kernels", lambda: kernels)
        return Detector(market, 512, ROOM)


def refilled(kernels, market):
    """The market's arrays after these kernels filled every table."""
    detector = detector_on(kernels, market)
    detector.search(NONE)
    return market.arrays()


def answers(found):
    return {candidate.edges: (candidate.size, candidate.gain, candidate.net) for candidate in found.candidates}


def assert_same(found, expected):
    """The same walks, but for those that gain no more than ladders of float32 can hide."""
    assert not found.unsized and not expected.unsized
    one, other = answers(found), answers(expected)
    telling = [
        {walk for walk, (size, _, net) in each.items() if net > 2 * detector_module.NOISE * size}
        for each in (one, other)
    ]
    assert telling[0] <= other.keys() and telling[1] <= one.keys()
    for walk in one.keys() & other.keys():
        assert one[walk] == pytest.approx(other[walk], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in vars(Kernels) if not name.startswith("_")])
def test_every_kernel_has_a_twin_of_the_same_signature(name):
    fast, plain = getattr(compiled, name), getattr(reference, name)
    assert inspect.signature(fast.py_func) == inspect.signature(plain)


@FEW
@given(markets())
def test_ladders_and_pairs_agree(market):
    arrays = refilled(reference, market)
    rows, pairs = arrays.edges.row.copy(), arrays.pairs.row.copy()
    arrays.edges.row[:], arrays.pairs.row[:] = -1, -1
    refilled(compiled, market)
    known = arrays.edges.pool >= 0
    np.testing.assert_allclose(arrays.edges.row[known], rows[known], rtol=3e-7, atol=1e-9)
    joined = arrays.pairs.many > 0
    np.testing.assert_allclose(arrays.pairs.row[joined], pairs[joined], rtol=3e-7, atol=1e-9)


@FEW
@given(markets(), st.integers(2, 4), st.booleans())
def test_searches_agree_on_every_walk_its_size_and_its_gain(market, max_hops, from_eth):
    allowed = Filter(
        max_hops=max_hops,
        starts=(0,) if from_eth else (),
        gas_price_wei=GAS.gas_price_wei,
        gas_base=GAS.gas_base,
        gas_of_class=GAS.gas_of_class,
    )
    pools = np.arange(market.pools, dtype=np.int32)
    found = [detector_on(kernels, market).search(pools, allowed) for kernels in (compiled, reference)]
    assert_same(*found)


@FEW
@given(markets(), st.data())
def test_tables_kept_block_by_block_equal_tables_made_anew(market, data):
    detector = Detector(market, 512, ROOM)
    detector.search(NONE)
    arrays = market.arrays()
    for _ in range(3):
        moved = data.draw(st.lists(st.integers(0, market.pools - 1), min_size=1, max_size=4, unique=True))
        values = np.full((len(moved), 2), np.nan)
        for k, pool in enumerate(moved):
            factor = data.draw(st.floats(0.8, 1.25))
            state = arrays.pools.state[pool]
            if arrays.pools.kind[pool] == PRODUCT:
                values[k] = state[0:2] / state[4:6] * (factor, 1 / factor)
            elif arrays.pools.kind[pool] == RANGES:
                values[k, 0] = state[0] / state[1] * factor
        detector.step(np.array(moved, np.int32), values)
    pools = np.arange(market.pools, dtype=np.int32)
    assert_same(detector.search(pools), detector_on(reference, market).search(pools))
    kept = [(table.row.copy(), table.top.copy(), table.best.copy()) for table in (arrays.bridges, arrays.chains)]
    pairs, beyond = arrays.pairs.row.copy(), arrays.links.beyond.copy()
    for table in (arrays.bridges, arrays.chains):
        table.row[:], table.top[:], table.best[:] = 0, 0, 0
    arrays.links.beyond[:] = 0
    refilled(compiled, market)
    np.testing.assert_array_equal(pairs, arrays.pairs.row)
    assert np.all(beyond >= arrays.links.beyond), "a bound below what it bounds hides walks"
    for (row, top, best), table in zip(kept, (arrays.bridges, arrays.chains), strict=True):
        np.testing.assert_array_equal(row, table.row)
        np.testing.assert_array_equal(top, table.top)
        np.testing.assert_array_equal(best, table.best)


@FEW
@given(markets(), st.integers(0, 1), st.integers(0, 2), st.data())
def test_searches_agree_where_hops_of_a_class_are_counted_and_edges_forbidden(market, exactly, klass, data):
    market.arrays()
    edges = sorted(edge for pool in range(market.pools) for edge in market.edges_of(pool))
    forbidden = data.draw(st.lists(st.sampled_from(edges), max_size=3))
    allowed = Filter(
        counted=frozenset({klass}),
        exactly=exactly,
        forbidden_edges=np.array(forbidden, np.int32),
        starts=data.draw(st.sampled_from([(), (0,), (1, 0)])),
    )
    pools = np.arange(market.pools, dtype=np.int32)
    found = [detector_on(kernels, market).search(pools, allowed) for kernels in (compiled, reference)]
    assert_same(*found)
    arrays = market.arrays()
    for candidate in found[0].candidates:
        assert sum(int(arrays.pools.klass[market.pool_of(edge)]) == klass for edge in candidate.edges) == exactly
        assert not set(candidate.edges) & set(forbidden)
        sources = [market.ends_of(edge)[0] for edge in candidate.edges]
        wanted = [node for node in allowed.starts if node in sources]
        assert not allowed.starts or sources[0] == wanted[0]
