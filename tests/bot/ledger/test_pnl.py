"""Profit in wei of ETH at opening marks, exact until one rounding at the end."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gas import ETHER as ETHER_COIN
from bot.gas import GasCoin
from bot.ledger.history import history
from bot.ledger.ledger import Ledger
from bot.ledger.pnl import gas_coin_of, gas_of_intent, marks_of, net_profit, valued
from bot.ledger.reading import decisions, events
from bot.ledger.records import Account, Intent, Mark
from bot.ledger.states import Exposure
from bot.risk.usage import read_usage
from chains.assets import ZERO_ADDRESS
from tests.bot.ledger.given import (
    ETHER,
    EXECUTOR,
    GAS_COST_WEI,
    INVENTORY_USDT,
    INVENTORY_WETH,
    NATIVE,
    NETWORK,
    hash_of,
    pending,
    receipt,
    sell_plan,
)

MOVES = st.lists(st.tuples(st.sampled_from(["WETH", "USDT", "DAI"]), st.integers(-(2**200), 2**200)), max_size=8)
PRICES = {
    (NETWORK, "WETH"): Fraction(1),
    (NETWORK, "USDT"): Fraction(ETHER, 3000 * 10**6),
    (NETWORK, "DAI"): Fraction(1, 3001),
}


@given(moves=MOVES)
def test_value_is_exact_and_rounded_down_once(moves: list[tuple[str, int]]) -> None:
    exact = sum((units * PRICES[NETWORK, token] for token, units in moves), Fraction(0))
    profit = valued([(NETWORK, token, units) for token, units in moves], PRICES)
    assert profit.wei <= exact < profit.wei + 1


def test_the_native_coin_is_worth_itself_without_a_mark() -> None:
    assert valued([(NETWORK, ZERO_ADDRESS, -7)], {}).wei == -7


def test_what_has_no_mark_is_named_and_worth_nothing() -> None:
    profit = valued([(NETWORK, "WETH", 5), (NETWORK, "SCAM", 10**30)], PRICES)
    assert (profit.wei, profit.unmarked) == (5, ((NETWORK, "SCAM", 10**30),))


def test_a_token_that_arrives_unmarked_raises_an_event_and_no_profit(ledger: Ledger) -> None:
    scam = Account(NETWORK, EXECUTOR, "0xScam")
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 9, scam: 10**30})
    with ledger.read() as connection:
        assert net_profit(connection, ledger.run.id)["dex_arbitrage"].wei == 9 - GAS_COST_WEI
    assert "unmarked_token" in {event.name for event in events(ledger)}
    assert ledger.balance(scam) == 10**30


def test_an_open_two_sided_intent_counts_as_it_stands(ledger: Ledger) -> None:
    sold = {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6}
    ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), sold)
    with ledger.read() as connection:
        profit = net_profit(connection, ledger.run.id)["cex_dex_arbitrage"]
    assert profit.wei == 5 * 10**15 - GAS_COST_WEI


@pytest.mark.parametrize("price", [1000, 2000, 4000])
def test_what_was_unwound_counts_as_one_trade_however_far_the_price_has_moved_since_the_run_opened(
    ledger: Ledger, price: int
) -> None:
    """Each side alone would have lost, or earned, what the price has moved: 2,000 is the mark."""
    plan = sell_plan(1)
    trade = pending(ledger, 1, plan)
    ledger.record_mined(trade.id, receipt(1), {INVENTORY_WETH: -ETHER, INVENTORY_USDT: price * 10**6})
    gas_wei, back = GAS_COST_WEI, list[Intent]()
    for number, parts in ((2, (4, 0)), (3, (6, 10))):
        share, dearer = parts
        back.append(pending(ledger, number, replace(sell_plan(number), legs=plan.swaps, unwinds=plan.id)))
        bought = {INVENTORY_WETH: share * ETHER // 10, INVENTORY_USDT: -(share * price // 10 + dearer) * 10**6}
        ledger.record_mined(back[-1].id, receipt(number), bought)
        gas_wei += GAS_COST_WEI
    ledger.close_exposure(trade.id, Exposure.UNWOUND)

    def counted() -> tuple[int, int]:
        return read_usage(ledger, plan.strategy).hour_loss_wei, ledger.totals(plan.strategy)[0]

    lost_wei = 10 * ETHER // 2000
    assert counted() == (lost_wei + gas_wei, -lost_wei - gas_wei)
    assert [ledger.earned_before_gas(each.id) for each in (trade, *back)] == [-lost_wei, 0, 0]
    with ledger.read() as connection:
        assert net_profit(connection, ledger.run.id)[plan.strategy].wei == -lost_wei - gas_wei
    ledger.undo_block(hash_of("mined", 3))
    assert counted() == (lost_wei + gas_wei - GAS_COST_WEI, -lost_wei - gas_wei + GAS_COST_WEI)
    dearer = {INVENTORY_WETH: 6 * ETHER // 10, INVENTORY_USDT: -(6 * price // 10 + 20) * 10**6}
    ledger.record_mined(back[-1].id, replace(receipt(3), block_hash=hash_of("mined", 4)), dearer)
    assert counted() == (2 * lost_wei + gas_wei, -2 * lost_wei - gas_wei)


@pytest.mark.parametrize("mark", [Fraction(1, 5000), Fraction(1, 5), Fraction(3, 7_001)])
def test_gas_in_another_coin_counts_at_its_mark_rounded_up_and_its_posting_stays_in_coins(
    ledger: Ledger, mark: Fraction
) -> None:
    ledger.set_marks([Mark(NETWORK, ZERO_ADDRESS, mark)])
    mined, coin = replace(receipt(1), gas_used=150_001, effective_gas_price_wei=3), GasCoin(mark)
    intent = ledger.record_mined(pending(ledger, 1).id, mined, {INVENTORY_WETH: 10**6})
    cost = coin.cost_wei(mined.gas_cost_wei)
    assert mark * mined.gas_cost_wei <= cost < mark * mined.gas_cost_wei + 1
    assert ledger.profit_of(intent.id) == 10**6 - cost
    assert ledger.earned_before_gas(intent.id) == 10**6
    with ledger.read() as connection:
        marks = marks_of(connection, ledger.run.id)
        assert net_profit(connection, ledger.run.id)["dex_arbitrage"].wei == 10**6 - cost
        assert gas_of_intent(connection, intent.id, marks) == cost
        assert gas_coin_of(connection, ledger.run.id, NETWORK) == coin
        assert gas_coin_of(connection, ledger.run.id, "elsewhere") == ETHER_COIN
    assert read_usage(ledger, "dex_arbitrage").gas_day_wei == cost
    assert ledger.balance(NATIVE) == 10 * ETHER - mined.gas_cost_wei
    found = history(ledger, decisions(ledger)[0].id)
    assert found is not None and found.intent is not None
    assert found.intent.gas_wei == cost


def test_opening_balances_and_deposits_are_no_profit(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert net_profit(connection, ledger.run.id) == {}
