"""What was taken in can be undone: states, refusals and removals, to the depth that is remembered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from bot.market import Market
from bot.market.journal import KEEP_BLOCKS, KEEP_ORPHANS, Journal
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.pool import StaleState
from tests.bot.market.samples import USDC, WETH, block, market, sync, v2
from tests.chains.pools.samples import log

PAIR = v2(1, USDC, WETH, (1_900_000 * 10**6, 10**21))
OTHER = v2(2, USDC, WETH, (2_000_000 * 10**6, 10**21))


@dataclass(frozen=True, slots=True)
class Clockwork(ConstantProductPool):
    """A pool whose mathematics breaks at a time, or at a price."""

    def at(self, timestamp_s: int) -> ConstantProductPool:
        if timestamp_s % 10 == 3:
            raise StaleState("its parameters ended")
        return self

    def marginal_price(self, token_in, token_out=None) -> float:
        if self.reserves[0] == 13:
            raise ZeroDivisionError("no price at thirteen")
        return ConstantProductPool.marginal_price(self, token_in, token_out)


def clockwork(pair: ConstantProductPool = PAIR) -> Clockwork:
    return Clockwork(pair.address, pair.tokens, pair.reserves, pair.fee_ppm)


def followed(made: Market, first: int, last: int) -> None:
    for number in range(first, last + 1):
        made.apply(block(number, sync(PAIR, (number + 1, 10**9))))


@pytest.mark.parametrize("depth", [1, 8, 64, KEEP_BLOCKS])
def test_a_reorganisation_is_undone_to_any_remembered_depth(depth: int) -> None:
    made = market(PAIR, OTHER)
    followed(made, 1, 200)
    assert made.undo(200 - depth) == ()
    assert made.pool(PAIR.address).reserves == (200 - depth + 1, 10**9)
    followed(made, 200 - depth + 1, 205)
    assert made.pool(PAIR.address).reserves == (206, 10**9)


def test_the_last_block_once_more_changes_nothing() -> None:
    made = market(PAIR)
    followed(made, 1, 3)
    made.take_changed()
    updates = made.graph.updates
    made.apply(block(3, sync(PAIR, (77, 77))))
    assert (made.graph.updates, made.changed) == (updates, frozenset())


def test_a_pool_that_was_removed_comes_back_with_the_block_in_which_it_went() -> None:
    made = market(PAIR, OTHER)
    followed(made, 1, 5)
    made.remove(PAIR.address, "somebody said so")
    made.apply(block(6))
    made.undo(5)
    assert PAIR.address not in made.pools
    made.undo(4)
    assert made.pool(PAIR.address).reserves == (5, 10**9) and made.refused == {}


def test_a_pool_that_must_be_read_again_is_not_brought_back_by_an_undo() -> None:
    made = market(PAIR)
    followed(made, 1, 5)
    made.remove(PAIR.address, "differs from the chain", until_read=True)
    assert made.undo(2) == () and made.refused[PAIR.address] == "differs from the chain"
    made.add_pool(PAIR, at_block=2)
    assert made.pool(PAIR.address) == PAIR


def test_a_pool_read_on_a_block_that_was_undone_is_lost_even_if_it_went_out_since() -> None:
    made = market(OTHER)
    made.apply(block(1))
    made.apply(block(2))
    made.add_pool(PAIR, at_block=2)
    made.apply(block(3, log(PAIR.address, [SYNC], 1)))
    assert "not understood" in made.refused[PAIR.address]
    assert made.undo(1) == (PAIR.address,)
    assert "reorganisation" in made.refused[PAIR.address] and PAIR.address not in made.pools


def test_a_pool_lost_to_one_reorganisation_is_not_guessed_by_a_deeper_one() -> None:
    made = market(PAIR)
    followed(made, 1, 7)
    made.add_pool(replace(PAIR, reserves=(7, 7)), at_block=7)
    assert made.undo(6) == (PAIR.address,)
    assert made.undo(4) == () and PAIR.address not in made.pools


def test_pools_that_went_out_by_themselves_are_told_once() -> None:
    made = market(PAIR, OTHER)
    made.apply(block(1, log(PAIR.address, [SYNC], 1)))
    assert made.take_lost() == {PAIR.address}
    assert made.take_lost() == frozenset()
    made.remove(OTHER.address, "somebody said so")
    assert made.take_lost() == frozenset()


def test_a_pool_that_came_back_meanwhile_is_not_told_as_lost() -> None:
    made = market(PAIR)
    made.apply(block(1, log(PAIR.address, [SYNC], 1)))
    made.undo(0)
    assert made.take_lost() == frozenset() and PAIR.address in made.pools


def test_a_pool_whose_mathematics_breaks_goes_out_alone() -> None:
    made = market(clockwork(), OTHER)
    made.apply(block(1, sync(PAIR, (13, 5)), sync(OTHER, (3, 4))))
    assert "its prices cannot be told: no price at thirteen" in made.refused[PAIR.address]
    assert made.pool(OTHER.address).reserves == (3, 4) and made.take_lost() == {PAIR.address}


def test_a_pool_whose_time_has_come_goes_out_until_that_block_is_undone() -> None:
    made = market(clockwork(), OTHER)
    for number in (1, 2, 3):
        made.apply(block(number))
    assert "the time of block 3 was not understood" in made.refused[PAIR.address]
    made.undo(2)
    assert made.pool(PAIR.address) == clockwork()


def test_what_orphaned_blocks_left_is_remembered_for_a_while() -> None:
    made = market(PAIR)
    followed(made, 1, 4)
    made.undo(2)
    assert [pool.reserves[0] for pool in made.orphaned(PAIR.address)] == [5, 4]
    assert made.orphaned(OTHER.address) == ()


def test_a_market_begun_anew_takes_any_block_and_no_old_state() -> None:
    made = market(PAIR, OTHER)
    followed(made, 1, 3)
    assert made.begin_anew("blocks are missing") == (PAIR.address, OTHER.address)
    made.apply(block(9))
    assert (made.number, dict(made.pools)) == (9, {})
    assert made.take_lost() == {PAIR.address, OTHER.address}


def test_the_journal_remembers_no_more_than_it_says() -> None:
    journal: Journal[str, int] = Journal()
    values = {"a": 0, "b": 0}
    for round_ in range(40):
        for number in range(1, 2 * KEEP_BLOCKS):
            journal.begin(number, str(number))
            for key in values:
                journal.remember(key, values[key])
                values[key] += 1
        journal.back_to(0 if round_ % 2 else KEEP_BLOCKS, values)
    assert len(journal._pages) <= KEEP_BLOCKS
    assert len(journal._orphans) <= KEEP_ORPHANS


def test_in_whatever_order_pools_are_lost_what_comes_after_has_the_same_numbers() -> None:
    """A set of names has another order in each process; walks that gain alike are told apart by numbers."""
    numbers = []
    for order in (1, -1):
        made = market(PAIR, OTHER)
        made.pack()
        made.lose((PAIR.address, OTHER.address)[::order], "not to be trusted")
        for pool in (PAIR, OTHER):
            made.add_pool(pool)
        numbers.append([edge.id for pool in (PAIR, OTHER) for edge in made.graph.edges_of(pool.address)])
    assert numbers[0] == numbers[1]
