"""The packed market while it runs: pools come, change, are closed and go."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.market.kernels import optimal_input
from bot.market.packed import Detector, Filter, PackedMarket
from bot.market.packed.reference import curve_of
from chains.tools import ROOT
from tests.bot.market.packed.samples import GAS, KEPT, hand_made, level, markets

NONE, ONE = np.zeros(0, np.int32), np.ones(1, np.int32)


def walks(market, found):
    return [tuple(market.pool_of(edge) for edge in candidate.edges) for candidate in found.candidates]


def test_the_best_walk_is_first_and_closes():
    market, pools = hand_made()
    found = Detector(market).search(pools)
    assert [candidate.net for candidate in found.candidates] == sorted((c.net for c in found.candidates), reverse=True)
    for candidate in found.candidates:
        ends = [market.ends_of(edge) for edge in candidate.edges]
        assert all(one[1] == other[0] for one, other in zip(ends, ends[1:] + ends[:1], strict=True))


def test_only_walks_through_what_changed_are_found():
    market, pools = hand_made()
    detector = Detector(market)
    assert all(2 in walk for walk in walks(market, detector.search(pools[2:3])))
    assert not detector.search(NONE).candidates


def test_what_is_not_among_the_best_is_counted():
    market, pools = hand_made()
    all_found, one_found = Detector(market).search(pools), Detector(market, most=1).search(pools)
    assert one_found.candidates == all_found.candidates[:1]
    assert one_found.rest == len(all_found.candidates) - 1


def test_what_is_not_sized_is_counted():
    market, pools = hand_made()
    found = Detector(market, most_sized=1).search(pools)
    assert len(found.candidates) == 1
    assert found.unsized > 0


def test_a_closed_pool_is_used_by_no_walk_until_it_is_opened():
    market, pools = hand_made()
    detector = Detector(market)
    before = detector.search(pools)
    market.close([3])
    assert not any(3 in walk for walk in walks(market, detector.search(pools)))
    market.reopen([3])
    assert detector.search(pools) == before


def test_setting_the_former_state_undoes():
    market, pools = hand_made()
    detector = Detector(market)
    before = detector.search(pools)
    detector.step(pools[:2], np.array([[90, 2.2e5], [110, 1.9e5]]))
    detector.step(pools[:2], np.array([[100, 2e5], [100, 2.05e5]]))
    assert detector.search(pools) == before


def test_a_removed_pool_is_gone_and_its_number_is_used_again():
    market, pools = hand_made()
    detector = Detector(market)
    before = detector.search(pools)
    market.remove([4])
    assert not any(4 in walk for walk in walks(market, detector.search(pools[:4])))
    again = market.add_products(
        np.array([[3, 1]], np.int32), np.array([[200, 2.1e5]]), np.full((1, 2), KEPT), np.zeros(1, np.int32)
    )
    assert list(again) == [4]
    assert detector.search(pools) == before


@pytest.mark.parametrize("most_hubs", [1, 3, 12])
def test_a_market_grown_pool_by_pool_finds_what_one_built_at_once_finds(most_hubs):
    rng = np.random.default_rng(7)
    value = np.exp(rng.normal(0, 1, 30))
    ends = np.array([rng.choice(30, 2, replace=False) for _ in range(150)], np.int32)
    depth, noise = np.exp(rng.normal(2, 1, 150)), rng.normal(0, 0.01, 150)
    reserves = np.column_stack([depth / value[ends[:, 0]] * np.exp(noise), depth / value[ends[:, 1]]])
    kept, klass, decimals = np.full((150, 2), KEPT), np.zeros(150, np.int32), np.full(30, 18, np.int32)
    at_once, grown = PackedMarket(most_hubs), PackedMarket(most_hubs)
    at_once.add_nodes(value, decimals)
    pools = at_once.add_products(ends, reserves, kept, klass)
    grown.add_nodes(value[:20], decimals[:20])
    early = np.flatnonzero(ends.max(axis=1) < 20)
    late = np.setdiff1d(np.arange(150), early)
    grown.add_products(ends[early], reserves[early], kept[early], klass[early])
    detector = Detector(grown, 4096)
    detector.search(NONE)
    grown.add_nodes(value[20:], decimals[20:])
    for pool in late:
        one = slice(pool, pool + 1)
        grown.add_products(ends[one], reserves[one], kept[one], klass[one])
        detector.search(NONE)
    number = {int(pool): at for at, pool in enumerate([*early, *late])}
    allowed = Filter(max_hops=3)
    expected = walks(at_once, Detector(at_once, 4096, 4096).search(pools, allowed))
    renumbered = {frozenset(number[pool] for pool in walk) for walk in expected}
    assert {frozenset(walk) for walk in walks(grown, Detector(grown, 4096, 4096).search(pools, allowed))} == renumbered


def test_filters_by_class_pool_node_hops_and_start():
    market, pools = hand_made()
    detector = Detector(market)
    assert not detector.search(pools, Filter(classes=frozenset({1}))).candidates
    without = detector.search(pools, Filter(forbidden_pools=np.array([4], np.int32)))
    assert without.candidates and not any(4 in walk for walk in walks(market, without))
    assert not any(
        3 in market.ends_of(edge)
        for candidate in detector.search(pools, Filter(forbidden_nodes=np.array([3], np.int32))).candidates
        for edge in candidate.edges
    )
    assert all(len(walk) <= 3 for walk in walks(market, detector.search(pools, Filter(max_hops=3))))
    started = detector.search(pools, Filter(starts=(0,))).candidates
    assert started and all(market.ends_of(candidate.edges[0])[0] == 0 for candidate in started)


def test_gas_is_taken_off_by_hop():
    market, pools = hand_made()
    detector = Detector(market)
    for candidate in detector.search(pools, GAS).candidates:
        assert candidate.gain - candidate.net == pytest.approx((40_000 + 70_000 * len(candidate.edges)) / 1e9)


def test_a_pool_of_three_tokens_is_never_used_twice():
    market = PackedMarket()
    nodes = market.add_nodes(np.ones(3), np.full(3, 18, np.int32))
    generous = level(1.05, 10.0)
    market.add_pieces(nodes, 2, [generous] * 6)
    market.add_pieces(nodes[:2], 2, [level(0.999, 10.0)] * 2)
    found = Detector(market).search(np.arange(2, dtype=np.int32))
    assert found.candidates
    assert all(len(set(walk)) == len(walk) for walk in walks(market, found))


def test_pieces_may_become_more_or_fewer():
    market, _ = hand_made()
    book = market.add_pieces(np.array([0, 1], np.int32), 5, [level(2000 * 0.999, 5.0), level(0.999 / 2000, 1e4)])
    detector = Detector(market)
    quiet = detector.search(np.array([book], np.int32))
    edge = market.edges_of(book)[0]
    market.set_pieces(edge, level(2300.0, 1.0, levels=40))
    found = detector.search(np.array([book], np.int32))
    assert found.candidates[0].gain > 0.4 > sum(candidate.gain for candidate in quiet.candidates)
    market.set_pieces(edge, np.zeros((0, 3)))
    assert not any(edge in candidate.edges for candidate in detector.search(np.array([book], np.int32)).candidates)


def test_liquidity_may_be_set_anew_in_more_ranges():
    market, _ = hand_made()
    bounds, root = np.sqrt(2000 * np.array([0.9, 1.1])), np.array([np.sqrt(2000)])
    pool = market.add_ranges(
        np.array([[0, 1]], np.int32),
        np.array([1]),
        bounds,
        np.array([500.0, 0.0]),
        root,
        np.array([KEPT]),
        np.array([1]),
    )
    detector = Detector(market)
    detector.search(pool)
    finer = np.sqrt(2000 * np.linspace(0.8, 1.4, 30))
    market.set_ranges(int(pool[0]), finer, np.full(30, 5e4), float(np.sqrt(2400)))
    found = detector.search(pool)
    assert found.candidates[0].gain > 0.1


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_node_without_a_value_is_refused(value):
    with pytest.raises(ValueError, match="positive and finite"):
        PackedMarket().add_nodes(np.array([value]), np.array([18], np.int32))


def test_an_empty_market_and_a_single_pool_have_nothing():
    assert not Detector(PackedMarket()).search(NONE).candidates
    market = PackedMarket()
    market.add_nodes(np.ones(2), np.full(2, 18, np.int32))
    pools = market.add_products(np.array([[0, 1]], np.int32), np.ones((1, 2)), np.ones((1, 2)), np.zeros(1, np.int32))
    assert not Detector(market).search(pools).candidates


@pytest.mark.parametrize(
    "reserves", [(0.0, 0.0), (0.0, 1.0), (np.nan, 1.0), (np.inf, 1.0), (1e-18, 1e-18), (1e30, 1e-30)]
)
def test_reserves_that_cannot_be_traded_give_no_phantom(reserves):
    market, pools = hand_made()
    detector = Detector(market)
    broken = market.add_products(
        np.array([[0, 1]], np.int32), np.array([reserves]), np.full((1, 2), KEPT), np.zeros(1, np.int32)
    )
    assert not any(5 in walk for walk in walks(market, detector.search(np.concatenate([pools, broken]))))


def test_of_a_million_parallel_pools_the_best_two_are_taken():
    many = 1_000_000
    market = PackedMarket()
    market.add_nodes(np.array([1.0, 1 / 2000]), np.full(2, 18, np.int32))
    price = np.full(many, 2000.0)
    price[[123_456, 777_777]] = 2040.0, 1960.0
    pools = market.add_products(
        np.tile(np.array([[0, 1]], np.int32), (many, 1)),
        np.column_stack([np.full(many, 100.0), 100.0 * price]),
        np.full((many, 2), KEPT),
        np.zeros(many, np.int32),
    )
    detector = Detector(market)
    best = detector.search(pools[[777_777]]).candidates[0]
    assert walks(market, detector.search(pools[[123_456]]))[0] in ((123_456, 777_777), (777_777, 123_456))
    assert {market.pool_of(edge) for edge in best.edges} == {123_456, 777_777}
    assert best.gain == pytest.approx(optimal_input([curve_of(edge, market.arrays()) for edge in best.edges])[1])
    market.close([123_456])
    assert 123_456 not in {pool for walk in walks(market, detector.search(pools[[777_777]])) for pool in walk}


def test_few_units_of_a_token_without_decimals_give_no_phantom():
    market, _ = hand_made()
    coarse = market.add_nodes(np.array([1.0]), np.array([0], np.int32))[0]
    ends = np.array([[0, coarse], [coarse, 1]], np.int32)
    pools = market.add_products(ends, np.array([[3.0, 5.0], [5.0, 2e4]]), np.full((2, 2), KEPT), np.zeros(2, np.int32))
    assert not Detector(market).search(pools).candidates


def test_a_price_beyond_all_numbers_hides_no_walk_by_another_token():
    market = PackedMarket(2)
    market.add_nodes(np.array([1.0, 1 / 2000, 1.0, 1.0]), np.full(4, 18, np.int32))
    market.add_pieces(np.array([0, 2], np.int32), 0, [np.array([[1e60, 0.0, 1e9]]), np.array([[1e-60, 0.0, 1e9]])])
    market.add_pieces(np.array([2, 1], np.int32), 0, [np.zeros((0, 3)), np.array([[5e-4, 0.0, 1e9]])])
    nodes = np.array([[0, 3], [3, 1], [0, 1]], np.int32)
    reserves = np.array([[1e3, 1e3], [1e3, 2e6], [1e3, 1.9e6]])
    pools = market.add_products(nodes, reserves, np.full((3, 2), KEPT), np.zeros(3, np.int32))
    detector = Detector(market)
    detector.take_in()
    market.set_reserves((int(pools[1]),), ((1e3, 1.99e6),))
    found = walks(market, detector.search(pools[2:]))
    assert set(pools.tolist()) in map(set, found)


def test_without_numba_everything_works_and_numba_is_not_asked_for():
    code = (
        "import sys, numpy as np\n"
        "from tests.bot.market.packed.samples import hand_made\n"
        "from bot.market.packed import Detector\n"
        "market, pools = hand_made()\n"
        "found = Detector(market).search(pools)\n"
        "assert 'numba' not in sys.modules\n"
        "print(len(found.candidates), found.candidates[0].edges)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"ISTHMUS_NO_NUMBA": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    market, pools = hand_made()
    found = Detector(market).search(pools)
    assert run.stdout.strip() == f"{len(found.candidates)} {found.candidates[0].edges}", run.stderr


def test_numba_is_not_imported_with_the_market():
    code = "import sys, bot.market.packed; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stderr


@given(markets(), st.data())
@settings(max_examples=25, deadline=None)
def test_other_values_of_nodes_change_no_curve(market, data):
    before = market.values().copy()
    factors = np.array([data.draw(st.just(1.0) | st.floats(1e-4, 1e4)) for _ in range(market.nodes)])
    edges = [edge for pool in range(market.pools) for edge in market.edges_of(pool)]
    curves = {edge: curve_of(edge, market.arrays()) for edge in edges}
    market.rebase(before * factors)
    for edge, curve in curves.items():
        one, other = market.ends_of(edge)
        scaled = np.array(curve_of(edge, market.arrays())).reshape(-1, 3)
        scaled *= np.array([factors[one] / factors[other], factors[one], 1.0 / factors[one]])
        np.testing.assert_allclose(scaled, np.array(curve).reshape(-1, 3), rtol=1e-9)


def test_values_that_are_none_are_refused():
    market, _ = hand_made()
    for values in (np.ones(2), np.array([1.0, 0.0, 1.0, 1.0]), np.full(4, np.nan)):
        with pytest.raises(ValueError, match="positive and finite"):
            market.rebase(values)


def test_a_root_price_may_be_set_alone():
    market, _ = hand_made()
    bounds = np.sqrt(2000 * np.linspace(0.8, 1.4, 30))
    ends = np.array([[0, 1]], np.int32)
    one, other = (
        market.add_ranges(
            ends, np.array([29]), bounds, np.full(30, 5e4), np.array([root]), np.array([KEPT]), np.array([1])
        )[0]
        for root in (np.sqrt(2000), np.sqrt(2400))
    )
    market.set_roots([int(one)], [float(np.sqrt(2400))])
    for first, second in zip(market.edges_of(int(one)), market.edges_of(int(other)), strict=True):
        assert curve_of(first, market.arrays()) == curve_of(second, market.arrays())


@given(st.lists(st.tuples(st.floats(0.5, 2.0), st.floats(0.5, 2.0)), min_size=1, max_size=5))
def test_root_prices_set_together_lie_in_the_ranges_in_which_they_would_begin(moves):
    market, _ = hand_made()
    bounds = np.sqrt(2000 * np.linspace(0.8, 1.4, 30))
    ends = np.array([[0, 1]], np.int32)

    def add(share):
        root = np.array([np.sqrt(2000) * share])
        return int(market.add_ranges(ends, np.array([29]), bounds, np.full(30, 5e4), root, np.array([KEPT]), ONE)[0])

    moved = [add(before) for before, _ in moves]
    fresh = [add(after) for _, after in moves]
    market.set_roots(moved, [float(np.sqrt(2000) * after) for _, after in moves])
    state = market.arrays().pools.state
    assert state[moved][:, [0, 5]].tolist() == state[fresh][:, [0, 5]].tolist()
    assert set(moved) <= set(market.take_dirty()[0].tolist())
