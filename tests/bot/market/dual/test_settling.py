"""What the executor sends in one transaction is paid for as one, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from bot.market.dual.capture import Capture, Terms, capture
from bot.market.dual.exact import Desk, Trade, Walk
from bot.market.dual.problem import Way, problem_of
from bot.market.dual.settling import MOST_GAS, gas_of_settlement, gas_of_trades, settlements
from bot.market.dual.solve import solve
from bot.market.opportunity import GAS_BASE, GAS_PER_ROUTE, gas_of_routes
from tests.bot.market.dual.markets import WETH
from tests.chains.pools.samples import pair, token

USDC, DAI, MKR = token(0xD, "USDC", 6), token(0xDA, "DAI"), token(0xDB, "MKR")
ETH = 10**18


def pools(other, number):
    """Two pools of one pair, ten percent apart."""
    units = 2_000_000 * 10**other.decimals
    return [
        pair((1_000 * ETH, units), number=number, tokens=(WETH, other)),
        pair((1_000 * ETH, units * 9 // 10), number=number + 1, tokens=(WETH, other)),
    ]


@pytest.fixture(scope="module")
def trades() -> tuple[Trade, ...]:
    """A cycle over each of three tokens."""
    everything = [*pools(USDC, 1), *pools(DAI, 3), *pools(MKR, 5)]
    found = capture(solve(problem_of(everything, WETH)), Terms(gas_price_wei=10**9)).trades
    assert len({trade.walk.cycle[0].token_out for trade in found}) == len(found) == 3
    return found


def test_cycles_of_one_token_share_the_cost_of_one_transaction(trades) -> None:
    assert list(settlements(trades)) == [trades]
    spared = 2 * (GAS_BASE - GAS_PER_ROUTE)
    assert gas_of_trades(trades) == sum(trade.gas for trade in trades) - spared
    assert gas_of_trades(trades) == gas_of_routes([step.hop.kind for step in trade.steps] for trade in trades)
    apart = sum(trade.net(10**9) for trade in trades)
    assert Capture(trades).net(10**9) == apart + spared * 10**9
    assert Capture(trades).net(0) == Capture(trades).gain


def test_a_trade_alone_costs_what_it_costs(trades) -> None:
    assert gas_of_settlement(trades[:1]) == trades[0].gas == gas_of_trades(trades[:1])
    assert list(settlements(())) == [] and Capture().net(10**9) == 0


def test_what_is_sold_afterwards_and_what_ends_at_an_exchange_goes_by_itself(trades) -> None:
    one, two, three = trades
    sale = Walk(two.walk.cycle, (Way("0x9", USDC, WETH),))
    ordered = replace(two, steps=(two.steps[0], replace(two.steps[1], hop=None)))
    for between in (replace(two, walk=sale), ordered):
        assert list(settlements((one, between, three))) == [(one,), (between,), (three,)]
        assert gas_of_trades((one, between, three)) == one.gas + two.gas + three.gas


def test_cycles_of_another_token_go_by_themselves() -> None:
    first, second = pools(USDC, 1)
    desk = Desk({pool.venue: pool for pool in (first, second)})
    forth, back = Way(first.venue, WETH, USDC), Way(second.venue, USDC, WETH)
    ours, theirs = Walk((forth, back)), Walk((back, forth))
    made = [desk.trade(walk, amount) for walk, amount in ((ours, ETH), (theirs, 10**9), (theirs, 10**9), (ours, ETH))]
    assert all(made)
    assert [len(together) for together in settlements(made)] == [1, 2, 1]


def test_no_transaction_burns_more_than_a_chain_allows(trades) -> None:
    many = trades * 60
    shared = list(settlements(many))
    assert [trade for together in shared for trade in together] == list(many)
    assert len(shared) > 1 and all(gas_of_settlement(together) <= MOST_GAS for together in shared)
    assert all(gas_of_settlement((*one, other[0])) > MOST_GAS for one, other in pairwise(shared))
