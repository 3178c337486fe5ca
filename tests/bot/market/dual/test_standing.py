"""What stands from block to block is what would be laid out anew, and is laid out anew only where ways come or go."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from benchmarks.dual_market import displaced, made_market
from bot.market.dual.problem import Problem, Way, problem_of
from bot.market.dual.standing import Standing

BLOCKS = 40


def told(problem: Problem) -> dict[Way, list[list[float]]]:
    """Every way's pieces."""
    stretches = problem.stretches.tolist()
    return {way: problem.pieces[slice(*stretch)].tolist() for way, stretch in zip(problem.ways, stretches, strict=True)}


def same(ours: Problem, theirs: Problem) -> None:
    assert told(ours) == told(theirs)
    assert (ours.tokens, ours.venues, ours.refused) == (theirs.tokens, theirs.venues, theirs.refused)
    ends = [(ours.tokens[one], ours.tokens[other]) for one, other in ours.ends.tolist()]
    assert ends == [(way.token_in, way.token_out) for way in ours.ways]


def test_blocks_of_moves_leave_what_a_fresh_problem_says_and_nothing_is_laid_out_anew() -> None:
    made, rng = made_market(60, 20, 30), random.Random(1)
    pools = {pool.venue: pool for pool in made.pools}
    standing = Standing(made.weth)
    first = standing.posed(list(pools.values()))
    same(first, problem_of(made.pools, made.weth))
    known = told(first)
    for _ in range(6):
        moved = [displaced(pool, rng, 0.001, 0.05) for pool in rng.sample(list(pools.values()), 4)]
        pools.update((pool.venue, pool) for pool in moved)
        same(standing.posed(moved), problem_of(pools.values(), made.weth))
    assert standing.layouts == 1 and told(first) == known


def test_venues_that_come_go_dry_up_and_break_are_followed() -> None:
    made, rng = made_market(40, 10, 20), random.Random(2)
    out = {pool.venue: pool for pool in made.pools}
    pools = {}
    standing = Standing(made.weth)
    for _ in range(BLOCKS):
        gone = rng.sample(sorted(pools), min(len(pools), 2))
        taken = [pool for name, pool in rng.sample(sorted(out.items()), min(len(out), 5)) if name not in gone]
        changed = [
            rng.choice((pool, displaced(pool, rng, 0.01, 0.3), dried(pool), Broken(pool.venue))) for pool in taken
        ]
        for name in gone:
            del pools[name]
        pools.update((venue.venue, venue) for venue in changed)
        same(standing.posed(changed, gone), problem_of(pools.values(), made.weth))
    assert standing.layouts > 1


def test_rows_that_nothing_uses_any_more_do_not_pile_up() -> None:
    made, rng = made_market(30, 0, 15), random.Random(3)
    standing = Standing(made.weth)
    least = len(standing.posed(made.pools).pieces)
    for _ in range(BLOCKS):
        problem = standing.posed([displaced(pool, rng, 0.001, 0.01) for pool in made.pools])
        assert len(problem.pieces) <= 3 * least + 1
    assert 1 < standing.layouts < BLOCKS


def test_what_was_given_is_not_changed_by_what_follows() -> None:
    made = made_market(20, 0, 10)
    standing = Standing(made.weth)
    first = standing.posed(made.pools)
    before = first.pieces.copy(), first.stretches.copy(), dict(first.venues)
    standing.posed([displaced(made.pools[0], random.Random(4), 0.01, 0.3)])
    assert np.array_equal(first.pieces, before[0]) and np.array_equal(first.stretches, before[1])
    assert first.venues == before[2]


def dried(pool):
    """The pool without liquidity."""
    return replace(pool, reserves=(0, 0)) if hasattr(pool, "reserves") else replace(pool, liquidity=0)


class Broken:
    """A venue whose curve is no number."""

    def __init__(self, venue: str) -> None:
        self.venue, self.tokens = venue, ("one", "other")

    def pieces(self, token_in: str, token_out: str) -> tuple[()]:
        raise ValueError("a curve that is no number")
