"""What may be spent: no more than there is, than a block releases, or than nobody has spoken for yet."""

from __future__ import annotations

import dataclasses

from bot.ledger.ledger import Ledger
from bot.ledger.records import Account
from bot.reasons import Reason, Refusal
from tests.bot.execution.given import INVENTORY, buys_on_chain, cycle, inventory, sells_on_chain
from tests.bot.ledger.given import ETHER
from tests.bot.market.samples import ETH_AT_EXCHANGE, USD_AT_EXCHANGE, USDC, WETH


def test_on_the_chain_a_block_releases_no_more_than_its_cap(ledger: Ledger) -> None:
    assert inventory(ledger, weth_cap=3 * ETHER).free()[WETH] == 3 * ETHER
    assert inventory(ledger, weth_cap=300 * ETHER).free()[WETH] == 20 * ETHER


def test_at_an_exchange_the_whole_balance_is_free(ledger: Ledger) -> None:
    free = inventory(ledger).free()
    assert (free[ETH_AT_EXCHANGE], free[USD_AT_EXCHANGE]) == (20 * 10**8, 40_000 * 10**8)


def test_a_plan_in_flight_has_spoken_for_both_of_its_sides(ledger: Ledger) -> None:
    desk = inventory(ledger)
    before, plan = desk.free(), sells_on_chain()
    desk.speak_for(1, plan)
    spoken = {token: units - desk.free()[token] for token, units in before.items()}
    (order,) = plan.orders
    assert spoken == {WETH: ETHER, USDC: 0, ETH_AT_EXCHANGE: 0, USD_AT_EXCHANGE: order.expected_quote * 101 // 100}
    desk.release(1)
    assert desk.free() == before


def test_what_was_free_before_the_plans_of_a_block_is_still_told(ledger: Ledger) -> None:
    desk = inventory(ledger)
    before, plan = desk.offered({USD_AT_EXCHANGE}), sells_on_chain()
    desk.speak_for(1, plan)
    assert desk.offered({USD_AT_EXCHANGE}, before=plan.block_number) == before
    assert desk.offered({USD_AT_EXCHANGE}, before=plan.block_number + 1) == desk.offered({USD_AT_EXCHANGE}) != before


def test_a_selling_order_speaks_for_its_base(ledger: Ledger) -> None:
    desk = inventory(ledger)
    before, plan = desk.free(), buys_on_chain()
    desk.speak_for(1, plan)
    assert before[ETH_AT_EXCHANGE] - desk.free()[ETH_AT_EXCHANGE] == plan.orders[0].amount
    assert before[USDC] - desk.free()[USDC] == plan.swaps[0].amount_in


def test_what_is_spoken_for_is_refused_to_the_next_plan(ledger: Ledger) -> None:
    desk = inventory(ledger)
    plan = sells_on_chain(weth=6 * ETHER)
    assert desk.refusal(plan) is None
    desk.speak_for(1, plan)
    refusal = desk.refusal(sells_on_chain(11, weth=6 * ETHER))
    assert refusal is not None and refusal.reason is Reason.NO_INVENTORY
    assert "6" in refusal.detail and "4" in refusal.detail and "WETH" in refusal.detail
    assert desk.refusal(sells_on_chain(11, weth=4 * ETHER)) is None


def test_a_token_nobody_holds_cannot_be_spent(ledger: Ledger) -> None:
    plan = sells_on_chain()
    (swap,), (order,) = plan.swaps, plan.orders
    dai = dataclasses.replace(USD_AT_EXCHANGE, address="DAI", symbol="DAI")
    refusal = inventory(ledger).refusal(dataclasses.replace(plan, legs=(swap, dataclasses.replace(order, quote=dai))))
    assert refusal is not None and refusal.reason is Reason.NO_INVENTORY and "DAI" in refusal.detail


def test_what_is_offered_can_all_be_spent(ledger: Ledger) -> None:
    desk = inventory(ledger)
    offered = desk.offered({USD_AT_EXCHANGE})
    assert {token: units for token, units in offered.items() if token != USD_AT_EXCHANGE}.items() <= desk.free().items()
    plan = sells_on_chain()
    (swap,), (order,) = plan.swaps, plan.orders

    def for_quote(units: int) -> Refusal | None:
        return desk.refusal(dataclasses.replace(plan, legs=(swap, dataclasses.replace(order, expected_quote=units))))

    assert for_quote(offered[USD_AT_EXCHANGE]) is None
    assert for_quote(desk.free()[USD_AT_EXCHANGE]) is not None


def test_a_cycle_spends_nothing_of_ours(ledger: Ledger) -> None:
    desk = inventory(ledger, weth_cap=0)
    before = desk.free()
    assert desk.refusal(cycle()) is None
    desk.speak_for(1, cycle())
    assert desk.free() == before


def test_free_inventory_is_never_negative(ledger: Ledger) -> None:
    desk = inventory(ledger)
    desk.speak_for(1, sells_on_chain(weth=9 * ETHER))
    desk.speak_for(2, sells_on_chain(11, weth=9 * ETHER))
    assert desk.free()[WETH] == 0
    assert ledger.balance(Account.of(INVENTORY, WETH)) == 20 * ETHER
