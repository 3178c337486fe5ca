"""After a change the active set finds what solving everything finds, and counts what it leaves."""

from __future__ import annotations

import random

import numpy as np
import pytest

from benchmarks.dual_market import displaced, made_market
from bot.market.dual.active import Resting
from bot.market.dual.certificate import bound
from bot.market.dual.problem import problem_of
from bot.market.dual.solve import solve

LEAST = 1e13


@pytest.fixture(scope="module")
def resting():
    made = made_market(800, 120, 500)
    problem = problem_of(made.pools, made.weth)
    prices = np.array([made.worth[token] for token in problem.tokens])
    return made, problem, Resting(problem, prices)


def test_the_active_set_reaches_the_optimum_of_the_whole_market(resting) -> None:
    made, problem, rest = resting
    rng = random.Random(3)
    of_venue = {}
    for edge, way in enumerate(problem.ways):
        of_venue.setdefault(way.venue, []).append(edge)
    anchors = [edge for pool in made.hub_pools for edge in of_venue[pool.venue]]
    gained = 0
    for pool in rng.sample(
        [pool for pool in made.pools if pool.venue in of_venue and pool.family == "constant_product"], 6
    ):
        moved = displaced(pool, rng, 0.1, 0.5)
        for edge in of_venue[pool.venue]:
            way = problem.ways[edge]
            rest.change(edge, moved.pieces(way.token_in, way.token_out))
        local = rest.optimum(of_venue[pool.venue], LEAST, anchors)
        whole = problem_of([moved if one.venue == pool.venue else one for one in made.pools], made.weth)
        everything = solve(whole)
        assert everything.value * (1 - 1e-6) - LEAST <= local.bound
        assert local.solution.value <= everything.value * (1 + 1e-6) + LEAST
        exact = bound(whole, prices_of(local, problem, rest, whole))
        assert local.bound == pytest.approx(exact, rel=1e-6, abs=LEAST)
        gained += everything.value > LEAST
        for edge in of_venue[pool.venue]:
            way = problem.ways[edge]
            rest.change(edge, pool.pieces(way.token_in, way.token_out))
    assert gained >= 3


def prices_of(local, problem, rest, whole) -> np.ndarray:
    """The local prices, and those at rest for all other tokens."""
    at = dict(zip(problem.tokens, rest.prices, strict=True))
    at.update(zip(local.solution.problem.tokens, local.solution.prices, strict=True))
    return np.array([at[token] for token in whole.tokens])


def test_a_market_at_rest_has_nothing_to_gain(resting) -> None:
    _, _, rest = resting
    assert rest.optimum([0, 1], LEAST).bound == pytest.approx(0.0, abs=LEAST)


def test_a_curve_of_more_pieces_than_there_is_room_for_is_refused(resting) -> None:
    _, problem, rest = resting
    edge = next(
        number for number, way in enumerate(problem.ways) if problem.venues[way.venue].family == "constant_product"
    )
    way = problem.ways[edge]
    piece = problem.venues[way.venue].pieces(way.token_in)[0]
    with pytest.raises(ValueError, match="room for 1 pieces"):
        rest.change(edge, (piece, piece))
