"""Walks that share pools: no split of the input in integers gains more, and what does not pay for its gas is left."""

from __future__ import annotations

import random
from itertools import product

import pytest

from bot.market.combined import Combining, Walk
from bot.market.dual.problem import Way
from bot.market.exact import PoolHop, best_cycle
from bot.market.kernels import Curve, optimal_input
from bot.market.opportunity import GAS_PASSED_BEFORE, Opportunity, gas_of_routes
from chains.hops import HopKind
from chains.pools.pool import Pool
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.market.samples import DAI, ETH, USDC, WBTC, WETH, market, v2, v3
from tests.chains.pools.samples import token

A, B, C = (token(number) for number in (1, 2, 3))
NEAR = 1e-5
LARGEST_TRIED = 100


def walk_through(*pools: Pool) -> Walk:
    """There through the pools in turn, from A or WETH and back, at the size that is best for it alone."""
    start = WETH if WETH in pools[0].tokens else A
    ways, at = [], start
    for pool in pools:
        other = next(token for token in pool.tokens if token != at)
        ways.append(Way(pool.venue, at, other))
        at = other
    hops = [PoolHop(pool, way.token_in, way.token_out) for pool, way in zip(pools, ways, strict=True)]
    estimate, gain = optimal_input([pool.pieces(way.token_in) for pool, way in zip(pools, ways, strict=True)])
    amounts = best_cycle(hops, int(estimate), gain) if gain > 0 else None
    return Walk(tuple(ways), amounts[0] if amounts else max(1, int(estimate)))


def together(pools: list[Pool], walks: list[Walk], *, gas_price_wei: int = 0, max_routes: int = 4) -> list[Walk]:
    by_venue = {pool.venue: pool for pool in pools}

    def curve_of(way: Way) -> Curve:
        return by_venue[way.venue].pieces(way.token_in, way.token_out)

    return Combining(by_venue, gas_price_wei, max_routes, max_hops=3).best(walks, curve_of)


def combined(pools: list[Pool], walks: list[Walk]) -> Opportunity | None:
    return Combining({pool.venue: pool for pool in pools}, 0, len(walks), max_hops=3).made(ETH, walks)


def gained(pools: list[Pool], walks: list[Walk]) -> int:
    made = combined(pools, walks)
    return 0 if made is None else made.gain


def exhaustively(pools: list[Pool], walks: list[Walk], most: int) -> int:
    """The greatest gain over every split of every input up to `most`, in every order of the walks given."""
    at = {pool.venue: pool for pool in pools}
    best = 0
    for order in (walks, walks[::-1]):
        (first, second) = order
        for one in range(most):
            after, got = dict(at), one
            for way in first.ways if one else ():
                pool, amount = after[way.venue], got
                got = pool.paid(way.token_in, amount, way.token_out) if amount else 0
                if amount:
                    after[way.venue] = pool.swapped(way.token_in, amount, way.token_out)
            for other in range(most - one):
                back = other
                for way in second.ways if other else ():
                    back = after[way.venue].paid(way.token_in, back, way.token_out) if back else 0
                best = max(best, got + back - one - other)
    return best


@pytest.mark.parametrize("magnitude", [100, 200])
def test_no_split_in_integers_gains_more_than_one_part_in_a_hundred_thousand_more(magnitude: int) -> None:
    rng, compared = random.Random(magnitude), 0
    while compared < 4:
        there = [
            v2(n, A, B, (rng.randint(magnitude, 3 * magnitude), rng.randint(magnitude, 4 * magnitude))) for n in (1, 2)
        ]
        back = v2(3, B, A, (rng.randint(2 * magnitude, 5 * magnitude), rng.randint(2 * magnitude, 8 * magnitude)))
        pools: list[Pool] = [*there, back]
        walks = [walk_through(pool, back) for pool in there]
        most = 2 * sum(walk.amount_in for walk in walks)
        if not all(walk.amount_in > 2 for walk in walks) or most > LARGEST_TRIED:
            continue
        best = exhaustively(pools, walks, most)
        if best <= max(gained(pools, [walk]) for walk in walks):
            continue
        compared += 1
        assert gained(pools, together(pools, walks)) >= best * (1 - NEAR)


def test_a_split_of_real_sizes_is_the_best_there_is() -> None:
    """Held against what remains to be gained by moving either size by one part in ten thousand, or from one to the
    other: by concavity no better split is further away than where none of these helps."""
    pools: list[Pool] = [
        v2(1, WETH, USDC, (800 * ETHER, 1_700_000 * 10**6)),
        v3(2, USDC, WETH, 199_800, [(195_000, 207_000, 10**17)], fee_ppm=500),
        v2(3, USDC, WETH, (2_000_000 * 10**6, 1_050 * ETHER)),
    ]
    walks = [walk_through(pools[0], pools[2]), walk_through(pools[1], pools[2])]
    assert all(walk.amount_in > ETHER // 10 for walk in walks)
    found = together(pools, walks)
    assert len(found) == 2
    best = gained(pools, found)
    assert best > max(gained(pools, [walk]) for walk in walks)
    for moves in product((-1, 0, 1), repeat=2):
        sizes = [walk.amount_in + move * walk.amount_in // 10_000 for walk, move in zip(found, moves, strict=True)]
        moved = [Walk(walk.ways, size) for walk, size in zip(found, sizes, strict=True)]
        assert gained(pools, moved) <= best * (1 + NEAR)


@pytest.mark.parametrize("seed", [9, 12, 17, 48, 62])
def test_of_the_walks_that_are_kept_no_size_moved_by_itself_gains_more(seed: int) -> None:
    rng, worth = random.Random(seed), {WETH: 1.0, USDC: 1 / 2_000, DAI: 1 / 2_000, WBTC: 16.0}
    pools = []
    for number in range(1, 10):
        one, other = rng.sample(list(worth), 2)
        depth = rng.uniform(5, 200)
        held = [int(depth * rng.uniform(0.98, 1.02) / worth[each] * 10**each.decimals) for each in (one, other)]
        pools.append(v2(number, one, other, (held[0], held[1])))
    (found,) = (each for each in market(*pools).cycles(max_routes=4, gas_price_wei=GWEI) if len(each.routes) > 1)
    walks = [
        Walk(tuple(Way(step.venue, step.token_in, step.token_out) for step in route), route[0].amount_in)
        for route in found.routes
    ]
    for at, walk in enumerate(walks):
        for factor in (0.95, 0.98, 0.99, 1.01, 1.02, 1.05):
            moved = [*walks[:at], Walk(walk.ways, int(walk.amount_in * factor)), *walks[at + 1 :]]
            assert gained(pools, moved) <= found.gain * 1.0001


def test_each_route_is_quoted_on_what_those_before_it_leave() -> None:
    pools, walks = _shared()
    made = combined(pools, together(pools, walks))
    assert made is not None and len(made.routes) == 2
    state = {pool.venue: pool for pool in pools}
    for step in made.steps:
        assert step.amount_out == state[step.venue].paid(step.token_in, step.amount_in, step.token_out)
        state[step.venue] = state[step.venue].swapped(step.token_in, step.amount_in, step.token_out)
    assert made.gain == sum(route[-1].amount_out - route[0].amount_in for route in made.routes)
    assert made.amount_in == sum(route[0].amount_in for route in made.routes)


def test_a_route_that_earns_less_than_its_gas_is_dropped() -> None:
    pools, walks = _shared()
    alone = max(gained(pools, [walk]) for walk in walks)
    more = gained(pools, together(pools, walks)) - alone
    two, one = ([[HopKind.CONSTANT_PRODUCT] * 2] * count for count in (2, 1))
    # The pool that both pass is warm the second time.
    gas = gas_of_routes(two) - GAS_PASSED_BEFORE[HopKind.CONSTANT_PRODUCT]
    dear = more // (gas - gas_of_routes(one)) + GWEI
    made = combined(pools, together(pools, walks))
    assert made is not None and made.gas_estimate == gas
    assert len(together(pools, walks, gas_price_wei=dear - 2 * GWEI)) == 2
    assert len(together(pools, walks, gas_price_wei=dear)) == 1


def test_no_more_routes_are_taken_than_may_be() -> None:
    back = v2(9, USDC, WETH, (9_000_000 * 10**6, 5_500 * ETHER))
    there = [v2(n, WETH, USDC, (800 * ETHER, (1_600_000 + 5_000 * n) * 10**6)) for n in range(1, 7)]
    walks = [walk_through(pool, back) for pool in there]
    gains = [gained([*there, back], together([*there, back], walks, max_routes=most)) for most in (1, 2, 4, 6)]
    assert gains == sorted(gains) and gains[0] < gains[-1]
    assert [len(together([*there, back], walks, max_routes=most)) for most in (1, 2, 4, 6)] == [1, 2, 4, 6]


def test_no_more_is_combined_than_one_transaction_may_burn() -> None:
    pools, _ = _shared()
    made = market(*pools)
    (split,) = made.cycles(gas_price_wei=GWEI, max_routes=4)
    assert len(split.routes) == 2
    (just,) = made.cycles(gas_price_wei=GWEI, max_routes=4, most_gas=split.gas_estimate)
    assert just == split
    (less,) = made.cycles(gas_price_wei=GWEI, max_routes=4, most_gas=split.gas_estimate - 1)
    assert len(less.routes) == 1 and less == next(made.cycles(gas_price_wei=GWEI))


def test_walks_that_gain_nothing_together_are_none() -> None:
    pools: list[Pool] = [v2(1, A, B, (1_000, 1_000)), v2(2, A, B, (1_000, 1_000))]
    assert together(pools, [walk_through(*pools), walk_through(*pools[::-1])]) == []


def test_a_market_offers_the_split_where_it_nets_more_and_single_walks_where_it_does_not() -> None:
    pools, _ = _shared()
    made = market(*pools)
    (best, *_) = made.cycles(gas_price_wei=10 * GWEI)
    (split,) = made.cycles(gas_price_wei=10 * GWEI, max_routes=4)
    assert len(split.routes) == 2 and split.net_profit_wei(10 * GWEI) > best.net_profit_wei(10 * GWEI)
    dear = list(made.cycles(gas_price_wei=9_000 * GWEI, max_routes=4))
    assert [len(found.routes) for found in dear] == [1] * len(dear)


def test_disjoint_walks_stay_apart() -> None:
    """What goes wrong with one of them does not undo the other."""
    pools, _ = _shared()
    elsewhere: list[Pool] = [
        v2(11, WETH, B, (1_000 * ETHER, 1_000 * ETHER)),
        v2(12, B, WETH, (1_000 * ETHER, 1_100 * ETHER)),
    ]
    found = list(market(*pools, *elsewhere).cycles(gas_price_wei=GWEI, max_routes=4))
    assert sorted(len(each.routes) for each in found) == [1, 2]
    assert found[0].venues.isdisjoint(found[1].venues)


def test_an_opportunity_of_several_routes_tells_each() -> None:
    pools, walks = _shared()
    made = combined(pools, together(pools, walks))
    assert isinstance(made, Opportunity)
    assert str(made).startswith("WETH -> USDC -> WETH + WETH -> USDC -> WETH: ")
    assert made.explain().count("marginal") == 4 + 1


def _shared() -> tuple[list[Pool], list[Walk]]:
    """Two ways to buy what one deep pool buys back dear."""
    pools: list[Pool] = [
        v2(1, WETH, USDC, (800 * ETHER, 1_700_000 * 10**6)),
        v2(2, WETH, USDC, (600 * ETHER, 1_280_000 * 10**6)),
        v2(3, USDC, WETH, (4_000_000 * 10**6, 2_100 * ETHER)),
    ]
    return pools, [walk_through(pool, pools[2]) for pool in pools[:2]]


def test_small_sizes_of_many_walks_are_not_tried_in_every_order_of_them(monkeypatch):
    weighed = Combining._weighed
    asked = []
    monkeypatch.setattr(Combining, "_weighed", lambda self, trips: asked.append(trips) or weighed(self, trips))
    cheap = [v2(number, A, B, (4_000_000, 4_000_000 * ETHER), 100) for number in range(1, 6)]
    dear = v2(9, A, B, (10**11, 998 * 10**8 * ETHER), 100)
    pools = [*cheap, dear]
    found = together(pools, [walk_through(pool, dear) for pool in cheap], max_routes=5)
    assert len(found) == 5 and gained(pools, found) > 0
    assert len(asked) < 25_000
