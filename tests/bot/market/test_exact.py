"""Integer sizes: the best there is, found by trying every one."""

import random
from dataclasses import replace

import pytest

from bot.market.exact import PoolHop, backward, best_cycle, forward
from bot.market.kernels import optimal_input
from chains.pools.solidly import SolidlyPool
from tests.bot.market.samples import v2, v3
from tests.chains.pools.samples import at, token
from tests.chains.pools.test_balancer_v2 import weighted
from tests.chains.pools.test_balancer_v3 import stable

TOKENS = [token(1), token(2), token(3)]
LARGEST_TRIED = 6_000


def ring(pools):
    """The hops round the pools' tokens, in order."""
    return [PoolHop(pool, TOKENS[index], TOKENS[(index + 1) % len(pools)]) for index, pool in enumerate(pools)]


def estimated(route):
    return optimal_input([hop.pool.pieces(hop.token_in) for hop in route])


def exhaustively(route, most):
    """The greatest gain over every input up to `most`."""
    best = 0
    for amount in range(1, most):
        amounts = forward(route, amount)
        if amounts:
            best = max(best, amounts[-1] - amount)
    return best


@pytest.mark.parametrize("magnitude", [20, 300, 2_000, 10_000])
@pytest.mark.parametrize("hops", [2, 3])
def test_no_integer_size_gains_more_than_one_part_in_a_hundred_thousand_more(magnitude, hops):
    rng = random.Random(magnitude * hops)
    compared = 0
    for _ in range(25):
        pools = []
        for index in range(hops):
            one, other = TOKENS[index], TOKENS[(index + 1) % hops]
            scale = rng.choice([1, 1, 1_000, 1_000_000]) if index else 1
            reserves = (rng.randint(magnitude, 3 * magnitude), rng.randint(magnitude, 4 * magnitude) * scale)
            pools.append(v2(index + 1, one, other, reserves))
        route = ring(pools)
        estimate, gain = estimated(route)
        if not 0 < estimate < LARGEST_TRIED / 2.5:
            continue
        best = exhaustively(route, int(2.5 * estimate) + 50)
        if best > 0:
            compared += 1
            found = best_cycle(route, int(estimate), gain)
            assert found is not None and found[-1] - found[0] >= best * (1 - 1e-5)
            assert forward(route, found[0]) == found
    assert compared >= 3


@pytest.mark.parametrize("dear", [1.003, 1.02, 1.1])
def test_a_size_on_a_fitted_curve_is_settled_by_the_pool_itself(dear):
    solidly = SolidlyPool(at(7), (TOKENS[0], TOKENS[1]), (10**23, 10**23), 5, True, at(8))
    route = ring([solidly, v2(2, TOKENS[1], TOKENS[0], (10**27, int(10**27 * dear)), 100)])
    estimate, gain = estimated(route)
    found = best_cycle(route, int(estimate), gain)
    tried = (forward(route, int(estimate * step / 1_000)) for step in range(500, 2_000))
    best = max(amounts[-1] - amounts[0] for amounts in tried if amounts)
    assert found is not None and found[-1] - found[0] >= best * (1 - 1e-5) > 0


@pytest.mark.parametrize("held", [1, 3])
@pytest.mark.parametrize("dear", [1.01, 1.04, 1.06, 1.1])
def test_a_size_where_a_curve_bends_sharply_is_settled_too(held, dear):
    wei, tokens = 10**18, (TOKENS[1], TOKENS[0])
    flat = replace(stable(), tokens=tokens, balances=(11 * wei, held * wei), rates=(wei, wei), amp=2_000_000)
    route = ring([flat, v2(2, TOKENS[1], TOKENS[0], (10**23, int(10**23 * dear)), 100)])
    estimate, gain = estimated(route)
    found = best_cycle(route, int(estimate), gain)
    tried = (forward(route, int(estimate * step / 1_000)) for step in range(800, 1_300))
    best = max(amounts[-1] - amounts[0] for amounts in tried if amounts)
    assert found is not None and found[-1] - found[0] >= best * (1 - 1e-5) > 0


def test_a_coarse_token_in_the_middle_is_bought_in_whole_units():
    wei = 10**18
    route = ring([v2(1, TOKENS[0], TOKENS[1], (100 * wei, 1_000)), v2(2, TOKENS[1], TOKENS[0], (1_000, 130 * wei))])
    estimate, gain = estimated(route)
    found = best_cycle(route, int(estimate), gain)
    by_unit = []
    for units in range(1, 200):
        amount_in = backward(route[:1], units)
        by_unit.append(forward(route, amount_in)[-1] - amount_in)
    assert found[-1] - found[0] == max(by_unit)
    assert forward(route, found[0] - 1)[1] == found[1] - 1


def test_a_route_through_ranges_is_sized_to_the_end_of_its_liquidity_at_most():
    deep = v3(1, TOKENS[0], TOKENS[1], 0, [(-600, 600, 10**21)])
    dear = v2(2, TOKENS[1], TOKENS[0], (10**22, 2 * 10**22))
    route = ring([deep, dear])
    estimate, gain = estimated(route)
    found = best_cycle(route, int(estimate), gain)
    assert found is not None and found[-1] - found[0] == pytest.approx(gain, rel=1e-6)
    assert found[1] <= deep.filled(TOKENS[0], 2**200).amount_out


@pytest.mark.parametrize("over", [1.0, 1.0001, 1.05])
def test_an_estimate_that_the_last_pool_does_not_take_is_cut_to_what_it_takes(over):
    wei = 10**18
    held = {"balances": (2_000 * wei, 1_000 * wei), "managed": (0, 0), "weights": (wei // 2, wei // 2)}
    small = replace(weighted(), tokens=tuple(TOKENS[:2]), **held)
    route = ring([v2(1, TOKENS[0], TOKENS[1], (10**24, 10**24), 100), small])
    estimate, gain = estimated(route)
    found = best_cycle(route, int(estimate * over), gain)
    assert found is not None and found[-1] - found[0] >= gain * (1 - 1e-5)


def test_nothing_is_found_where_every_integer_loses():
    even = ring([v2(1, TOKENS[0], TOKENS[1], (10, 10)), v2(2, TOKENS[1], TOKENS[0], (10, 10))])
    assert best_cycle(even, 3, 0.5) is None
    empty = ring([v2(1, TOKENS[0], TOKENS[1], (0, 0)), v2(2, TOKENS[1], TOKENS[0], (10, 10))])
    assert best_cycle(empty, 3, 0.5) is None
