"""What a plan may lose: no less for what its strategy says of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.execution.build import Terms
from bot.execution.worst import WorstCases
from bot.gas import ETHER as ETHER_COIN
from bot.ledger.records import WorstCase
from bot.plan import Order, Plan, Swap
from tests.bot.execution.given import FEES, MARKS, buys_on_chain, cycle, market, sells_on_chain
from tests.bot.ledger.given import ETHER
from tests.bot.market.samples import book

GAS = FEES.worst_cost_wei
SHARE = ETHER // 100
WORST = WorstCases(market(), MARKS, ETHER_COIN, 10_000)


def lost(plan: Plan, min_out: int, worst: WorstCases = WORST) -> int:
    """What it may lose beside its gas."""
    return worst.of(plan, Terms(0, min_out), FEES).loss_wei - GAS


def cheap(plan: Plan, **said: object) -> Plan:
    """One ether sold for 1,800 dollars, and an order of which its strategy says so."""
    swap, order = plan.legs
    assert isinstance(swap, Swap) and isinstance(order, Order)
    legs = replace(swap, amount_out=1_800 * 10**6), replace(order, **said)  # type: ignore[arg-type]
    return replace(plan, legs=legs, expected_profit_wei=ETHER)


def test_a_cycle_may_lose_its_gas_and_a_trade_that_its_order_covers_what_unwinding_costs() -> None:
    assert WORST.of(cycle(), Terms(1, 0), FEES) == WorstCase(GAS, GAS)
    for plan, least in ((sells_on_chain(), 2_000 * 10**6), (buys_on_chain(), ETHER)):
        assert WORST.of(plan, Terms(0, least), FEES) == WorstCase(GAS + SHARE, GAS, ETHER)


def test_where_nothing_follows_all_that_an_exchange_may_give_up_is_lost() -> None:
    alone = replace(cheap(sells_on_chain()), legs=cheap(sells_on_chain()).swaps)
    assert lost(alone, 1_800 * 10**6) == ETHER // 10
    assert lost(alone, 1_990 * 10**6) == SHARE
    assert lost(replace(alone, unwinds="0" * 32), 1_800 * 10**6) == SHARE


@pytest.mark.parametrize("said", [{}, {"expected_quote": 1}, {"limit_price": Decimal(1)}, {"amount": 1}])
def test_what_the_book_takes_for_covering_it_is_lost_whatever_the_plan_says_of_its_order(
    said: dict[str, object],
) -> None:
    """Bought back at 2,000 dollars for a tenth of a percent."""
    assert lost(cheap(sells_on_chain(), **said), 1_800 * 10**6) == ETHER // 10 + ETHER // 1000
    (bought, order) = buys_on_chain().legs
    assert isinstance(order, Order)
    dear = replace(buys_on_chain(), legs=(bought, replace(order, **said)))  # type: ignore[arg-type]
    half = ETHER // 2 * 1999 // 2000 * 999 // 1000
    assert lost(dear, ETHER // 2) == ETHER - half


def test_an_order_that_its_book_cannot_take_covers_nothing() -> None:
    thin = WorstCases(market(book=book([("1999", "0.5")], [("2000", "0.5")])), MARKS, ETHER_COIN, 10_000)
    assert lost(cheap(sells_on_chain()), 1_800 * 10**6, thin) == ETHER // 10
