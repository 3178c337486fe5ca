"""Orders at exchanges within what is held, and what is left to pools where some venues may not be traded."""

from __future__ import annotations

from bot.market.dual.capture import Capture, Cause, Terms, capture
from bot.market.dual.certificate import bound
from bot.market.dual.explained import explained
from bot.market.dual.problem import problem_of
from bot.market.dual.solve import Solution, solve
from bot.market.dual.venues import BookVenue, Venue
from chains.assets import Token
from tests.bot.market.samples import ETH_AT_EXCHANGE, USD_AT_EXCHANGE, USDC, WETH, book, v2

ETHER = 10**18
CHEAP = v2(1, USDC, WETH, (2_000_000 * 10**6, 1_000 * ETHER))
DEAR = v2(2, USDC, WETH, (2_080_000 * 10**6, 1_000 * ETHER))
BOOK = BookVenue(book([("2200", "500")], [("2201", "500")]), (WETH, USDC))
PLENTY = {WETH: 10**6 * ETHER, USDC: 10**15, ETH_AT_EXCHANGE: 10**14, USD_AT_EXCHANGE: 10**17}


def optimum(*venues: Venue) -> Solution:
    return solve(problem_of(venues, WETH))


def ordered(made: Capture) -> int:
    """What was sold to the book, in wei."""
    return sum(step.amount_in for trade in made.trades for step in trade.steps if step.venue == BOOK.venue)


def test_orders_sell_no_more_than_the_exchange_holds() -> None:
    found = optimum(CHEAP, BOOK)
    freely = ordered(capture(found, Terms()))
    assert ordered(capture(found, Terms(inventory=PLENTY))) == freely > 3 * ETHER
    poor = PLENTY | {ETH_AT_EXCHANGE: 3 * 10**8}
    assert 2.99 * ETHER < ordered(capture(found, Terms(inventory=poor))) <= 3 * ETHER


def test_nor_does_the_chain_pay_for_more_than_is_held_there() -> None:
    poor = PLENTY | {USDC: 6_600 * 10**6}
    made = capture(optimum(CHEAP, BOOK), Terms(inventory=poor))
    assert 2.9 * ETHER < ordered(made) < 3.1 * ETHER


def test_two_walks_spend_one_inventory() -> None:
    poor = PLENTY | {ETH_AT_EXCHANGE: 3 * 10**8}
    made = capture(optimum(CHEAP, DEAR, BOOK), Terms(inventory=poor))
    assert 0 < ordered(made) <= 3 * ETHER


def test_pools_have_their_own_optimum_where_the_book_is_not_to_be_had() -> None:
    pools = capture(optimum(CHEAP, DEAR), Terms()).gain
    assert pools > 0
    for terms in (Terms(most_orders=0), Terms(inventory={}), Terms(avoided={BOOK.venue: "it is refused"})):
        made = capture(optimum(CHEAP, DEAR, BOOK), terms)
        assert ordered(made) == 0 and made.gain >= 0.999 * pools


def told(held: dict[Token, int] | None, orders: int) -> dict[Cause, int]:
    found = optimum(CHEAP, DEAR, BOOK)
    limit = bound(found.problem, found.prices)
    _, made, missed = explained(found, Terms(10**9, most_orders=orders, inventory=held), limit, {})
    assert made.gain + sum(missed.values()) == limit and min(missed.values()) >= 0
    return missed


def test_what_an_inventory_does_not_reach_is_the_budgets_and_what_nobody_orders_the_hops() -> None:
    assert told(PLENTY, 1)[Cause.BUDGET] == told({}, 0)[Cause.BUDGET] == 0
    assert told({}, 1)[Cause.BUDGET] > ETHER > told({}, 1)[Cause.HOPS]
    assert told({}, 0)[Cause.HOPS] > ETHER
