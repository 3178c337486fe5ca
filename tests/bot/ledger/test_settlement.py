"""Receipts, reorgs and exposures: the books follow the chain to the last unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Row, select

from bot.ledger.book_models import ResultRow
from bot.ledger.errors import IllegalMove, LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.reading import fills, profit_series
from bot.ledger.records import SwapFill, TradeFill
from bot.ledger.states import Exposure, IntentState, MinedAs, OrderState
from tests.bot.ledger.given import (
    ETHER,
    FEES,
    GAS_COST_WEI,
    INVENTORY_USDT,
    INVENTORY_WETH,
    NATIVE,
    POOL,
    SENDER,
    SPOT_ETH,
    SPOT_USDT,
    START_S,
    USDT,
    WETH,
    WORST,
    atomic_plan,
    hash_of,
    hedge_order,
    pending,
    receipt,
    sell_plan,
)
from tests.bot.ledger.test_books import sums_per_token

GAIN = 5 * 10**15
SOLD = {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6}
SWAPS = (SwapFill(0, POOL, WETH.address, ETHER, USDT.address, 2010 * 10**6),)


def totals(ledger: Ledger, strategy: str) -> list[int]:
    return [point.cumulative_wei for point in profit_series(ledger, [strategy])[strategy]]


def test_a_settled_cycle_books_its_gain_and_its_gas(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: GAIN})
    assert (intent.state, intent.mined_as, intent.exposure) == (IntentState.MINED, MinedAs.OK, Exposure.NONE)
    assert ledger.balance(INVENTORY_WETH) == 5 * ETHER + GAIN
    assert ledger.balance(NATIVE) == 10 * ETHER - GAS_COST_WEI
    assert totals(ledger, "dex_arbitrage") == [GAIN - GAS_COST_WEI]
    assert ledger.open_intents() == ()
    assert set(sums_per_token(ledger).values()) == {0}


def test_a_reverted_transaction_costs_its_gas_and_nothing_else(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1).id, receipt(1, status=0), {})
    assert intent.mined_as is MinedAs.REVERTED
    assert ledger.balance(NATIVE) == 10 * ETHER - GAS_COST_WEI
    assert totals(ledger, "dex_arbitrage") == [-GAS_COST_WEI]


def test_a_reverted_transaction_cannot_have_moved_anything(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    with pytest.raises(LedgerError, match="reverted, yet deltas were given"):
        ledger.record_mined(intent.id, receipt(1, status=0), {INVENTORY_WETH: 1})
    assert ledger.intent(intent.id).state is IntentState.PENDING


def test_booking_the_same_receipt_again_changes_nothing(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    for _ in range(3):
        ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: GAIN}, SWAPS)
    assert ledger.balance(INVENTORY_WETH) == 5 * ETHER + GAIN
    assert len(fills(ledger, intent.id)) == 1
    assert len(totals(ledger, "dex_arbitrage")) == 1


def test_a_receipt_of_somebody_elses_transaction_is_refused(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    with pytest.raises(LedgerError, match=f"{hash_of('tx', 9)} is not one of intent {intent.id}'s"):
        ledger.record_mined(intent.id, receipt(9), {})


def test_a_receipt_found_before_any_node_answered_is_booked(ledger: Ledger) -> None:
    intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    ledger.record_signed(intent.id, b"raw", hash_of("tx", 1))
    with pytest.raises(IllegalMove, match="never marked as being sent"):
        ledger.record_mined(intent.id, receipt(1), {})
    ledger.mark_sending(intent.id)
    assert ledger.record_mined(intent.id, receipt(1), {}).state is IntentState.MINED


def test_a_reorg_takes_the_postings_back_and_the_next_block_books_them_again(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    before = ledger.accounts()
    ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: GAIN}, SWAPS)
    (undone,) = ledger.undo_block(hash_of("mined", 1))
    assert (undone.state, undone.mined_as, undone.block_hash) == (IntentState.PENDING, None, None)
    assert ledger.accounts() == before
    assert [fill.undone for fill in fills(ledger, intent.id)] == [True]
    assert totals(ledger, "dex_arbitrage")[-1] == 0
    ledger.record_mined(intent.id, receipt(1, block=hash_of("mined", 2)), {INVENTORY_WETH: GAIN - 1}, SWAPS)
    assert ledger.balance(INVENTORY_WETH) == 5 * ETHER + GAIN - 1
    assert [fill.undone for fill in fills(ledger, intent.id)] == [True, False]
    assert totals(ledger, "dex_arbitrage")[-1] == GAIN - 1 - GAS_COST_WEI


def test_a_block_may_be_undone_twice_and_come_back(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    for _ in range(3):
        ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: GAIN}, SWAPS)
        ledger.undo_block(hash_of("mined", 1))
        assert ledger.undo_block(hash_of("mined", 1)) == ()
    ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: GAIN}, SWAPS)
    assert ledger.balance(INVENTORY_WETH) == 5 * ETHER + GAIN
    assert [fill.undone for fill in fills(ledger, intent.id)] == [False]
    assert set(sums_per_token(ledger).values()) == {0}


def test_a_block_that_moved_must_be_undone_before_it_is_booked_elsewhere(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_mined(intent.id, receipt(1), {})
    with pytest.raises(IllegalMove, match="is mined and cannot become mined"):
        ledger.record_mined(intent.id, receipt(1, block=hash_of("mined", 2)), {})


def test_a_reorg_below_finality_stops_everything(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: GAIN})
    ledger.mark_final(intent.id)
    with pytest.raises(LedgerError, match="were final; stop and look"):
        ledger.undo_block(hash_of("mined", 1))
    assert ledger.balance(INVENTORY_WETH) == 5 * ETHER + GAIN


def test_a_two_sided_intent_owes_its_hedge_until_it_is_done(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD, SWAPS)
    assert intent.exposure is Exposure.OWED
    assert [open_intent.id for open_intent in ledger.open_intents()] == [intent.id]
    assert totals(ledger, "cex_dex_arbitrage") == []
    order = ledger.place_order(intent.id, hedge_order(), "spot")
    with pytest.raises(IllegalMove, match=r"order isthmus.* may still trade"):
        ledger.close_exposure(intent.id, Exposure.HEDGED)
    trade = TradeFill("1", 10**8, 2000 * 10**8, "ETH", 10**4)
    ledger.record_order("binance", order.client_id, OrderState.FILLED, [trade], "77")
    ledger.close_exposure(intent.id, Exposure.HEDGED)
    assert ledger.open_intents() == ()
    assert ledger.balance(SPOT_ETH) == 6 * 10**8 - 10**4
    assert ledger.balance(SPOT_USDT) == 8_000 * 10**8
    fee_wei = 10**4 * 10**10
    assert totals(ledger, "cex_dex_arbitrage") == [GAIN - GAS_COST_WEI - fee_wei]


def test_a_reverted_two_sided_intent_owes_nothing(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1, status=0), {})
    assert intent.exposure is Exposure.NONE
    assert totals(ledger, "cex_dex_arbitrage") == [-GAS_COST_WEI]
    with pytest.raises(IllegalMove, match="it owes no order"):
        ledger.place_order(intent.id, hedge_order(), "spot")


def test_a_reorg_before_the_hedge_owes_nothing_again(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD)
    (undone,) = ledger.undo_block(hash_of("mined", 1))
    assert undone.exposure is Exposure.NONE
    assert ledger.record_mined(intent.id, receipt(1), SOLD).exposure is Exposure.OWED


def test_a_reorg_after_the_hedge_keeps_the_hedge_and_reopens_the_result(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD)
    order = ledger.place_order(intent.id, hedge_order(), "spot")
    trade = TradeFill("1", 10**8, 2000 * 10**8, "USDT", 0)
    ledger.record_order("binance", order.client_id, OrderState.FILLED, [trade])
    ledger.close_exposure(intent.id, Exposure.HEDGED)
    settled = totals(ledger, "cex_dex_arbitrage")
    (undone,) = ledger.undo_block(hash_of("mined", 1))
    assert (undone.state, undone.exposure) == (IntentState.PENDING, Exposure.HEDGED)
    assert totals(ledger, "cex_dex_arbitrage") == [*settled, 0]
    assert ledger.balance(SPOT_ETH) == 6 * 10**8
    ledger.record_mined(intent.id, receipt(1, block=hash_of("mined", 2)), SOLD)
    assert totals(ledger, "cex_dex_arbitrage") == [*settled, 0, *settled]


def test_a_strategy_that_did_nothing_has_earned_nothing(ledger: Ledger) -> None:
    assert ledger.totals("nobody") == (0, 0)


def test_the_swaps_of_an_intent_are_told_in_order_while_they_hold(ledger: Ledger) -> None:
    two = (*SWAPS, SwapFill(1, POOL, USDT.address, 2010 * 10**6, WETH.address, ETHER + 5))
    intent = pending(ledger, 1)
    assert ledger.swaps_of(intent.id) == ()
    ledger.record_mined(intent.id, receipt(1), {}, two)
    assert ledger.swaps_of(intent.id) == two
    ledger.undo_block(hash_of("mined", 1))
    assert ledger.swaps_of(intent.id) == ()


def test_what_took_a_debt_back_is_told_transaction_by_transaction(ledger: Ledger) -> None:
    owing = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD, SWAPS)
    assert ledger.unwound_of(owing) == ()
    others = {2: owing.plan_id, 3: "another", 4: owing.plan_id, 5: owing.plan_id}
    for number, unwinds in others.items():
        back = replace(sell_plan(number), legs=sell_plan(number).swaps, unwinds=unwinds)
        swaps = (SwapFill(0, POOL, USDT.address, number, WETH.address, number),)
        status = int(number != 4)
        intent = pending(ledger, number, back)
        ledger.record_mined(intent.id, receipt(number, status=status), {}, swaps if status else ())
    ledger.record_mined(pending(ledger, 6).id, receipt(6), {}, SWAPS)
    assert [fill.amount_in for (fill,) in ledger.unwound_of(owing)] == [2, 5]
    ledger.undo_block(hash_of("mined", 2))
    assert [fill.amount_in for (fill,) in ledger.unwound_of(owing)] == [5]


def test_what_was_unwound_in_vain_owes_its_other_side_again_and_nothing_else_does(ledger: Ledger) -> None:
    ends = (Exposure.UNWOUND, Exposure.UNWOUND, Exposure.HEDGED)
    vain, unwound, hedged = (
        ledger.record_mined(pending(ledger, number, sell_plan(number, str(number))).id, receipt(number), SOLD)
        for number in range(3)
    )
    for intent, exposure in zip((vain, unwound, hedged), ends, strict=True):
        ledger.close_exposure(intent.id, exposure)
    settled = totals(ledger, "0")
    owing = ledger.reopen_exposure(vain.id)
    assert owing == ledger.intent(vain.id) and owing.exposure is Exposure.OWED
    assert totals(ledger, "0") == [*settled, 0]
    assert [intent.id for intent in ledger.open_intents()] == [vain.id]
    assert ledger.intent_of(vain.plan_id) == owing and ledger.intent_of("another") is None
    with pytest.raises(IllegalMove, match=f"intent {vain.id} has exposure owed"):
        ledger.reopen_exposure(vain.id)
    assert ledger.reopen_exposure(hedged.id).exposure is Exposure.OWED
    ledger.close_exposure(hedged.id, Exposure.HEDGED)
    ledger.close_exposure(vain.id, Exposure.UNWOUND)
    assert totals(ledger, "0") == [*settled, 0, *settled]


def test_an_order_is_no_swap_of_its_intent(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD, SWAPS)
    order = ledger.place_order(intent.id, hedge_order(), "spot")
    ledger.record_order("binance", order.client_id, OrderState.PARTIAL, [TradeFill("1", 5, 9, "ETH", 0)])
    assert ledger.swaps_of(intent.id) == SWAPS


@pytest.mark.parametrize("exposure", [Exposure.NONE, Exposure.OWED])
def test_an_exposure_is_closed_as_hedged_or_unwound_and_not_otherwise(ledger: Ledger, exposure: Exposure) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD)
    with pytest.raises(IllegalMove, match=f"has exposure owed, which cannot become {exposure}"):
        ledger.close_exposure(intent.id, exposure)
    ledger.close_exposure(intent.id, Exposure.UNWOUND)
    with pytest.raises(IllegalMove, match="has exposure unwound, which cannot become hedged"):
        ledger.close_exposure(intent.id, Exposure.HEDGED)


def test_a_loss_taken_back_leaves_its_windows_and_the_next_one_enters_them_when_it_is_booked(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_mined(intent.id, receipt(1, status=0), {})
    ledger.at_head(5, START_S + 50)
    ledger.undo_block(hash_of("mined", 1))
    ledger.at_head(9, START_S + 90)
    ledger.record_mined(intent.id, receipt(1, status=0, block=hash_of("mined", 2)), {})
    assert [(row.head_s, row.loss_wei, row.gas_wei) for row in results(ledger)] == [
        (START_S, GAS_COST_WEI, GAS_COST_WEI),
        (START_S, -GAS_COST_WEI, -GAS_COST_WEI),
        (START_S + 90, GAS_COST_WEI, GAS_COST_WEI),
    ]


def test_a_result_corrected_to_less_is_corrected_where_it_stood_and_one_to_more_is_booked_now(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD)
    order = ledger.place_order(intent.id, hedge_order(), "spot")
    ledger.record_order("binance", order.client_id, OrderState.CANCELLED, [TradeFill("1", 10**7, 10**11, "USDT", 0)])
    ledger.close_exposure(intent.id, Exposure.HEDGED)
    ledger.at_head(5, START_S + 50)
    dear = TradeFill("2", 10**6, 10**10, "USDT", 0)
    ledger.record_order("binance", order.client_id, OrderState.CANCELLED, [dear])
    ledger.at_head(9, START_S + 90)
    ledger.record_order("binance", order.client_id, OrderState.CANCELLED, [TradeFill("3", 10**8, 10**8, "USDT", 0)])
    first, worse, better = results(ledger)
    assert (first.head_s, worse.head_s, better.head_s) == (START_S, START_S + 50, START_S)
    assert first.loss_wei > 0 < worse.loss_wei and better.loss_wei == -(first.loss_wei + worse.loss_wei)


def results(ledger: Ledger) -> list[Row[Any]]:
    with ledger.read() as connection:
        return list(connection.execute(select(ResultRow.__table__).order_by(ResultRow.id)).all())


def test_an_exposure_stays_while_any_of_several_orders_may_trade(ledger: Ledger) -> None:
    intent = ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), SOLD)
    orders = [ledger.place_order(intent.id, hedge_order(), "spot") for _ in range(3)]
    for order in orders:
        with pytest.raises(IllegalMove, match=r"order isthmus.* may still trade"):
            ledger.close_exposure(intent.id, Exposure.HEDGED)
        ledger.record_order("binance", order.client_id, OrderState.CANCELLED)
    ledger.close_exposure(intent.id, Exposure.HEDGED)


def test_a_reorg_reopens_what_was_booked_of_its_block_and_nothing_else(ledger: Ledger) -> None:
    first, second = pending(ledger, 1), pending(ledger, 2)
    hedged = pending(ledger, 3, sell_plan(3))
    for intent, number in ((first, 1), (second, 2), (hedged, 3)):
        ledger.record_mined(intent.id, receipt(number), {INVENTORY_WETH: number}, SWAPS)
    ledger.place_order(hedged.id, hedge_order(), "spot")
    (undone,) = ledger.undo_block(hash_of("mined", 2))
    assert (undone.id, undone.state, undone.block_number) == (second.id, IntentState.PENDING, None)
    assert [attempt.state for attempt in ledger.attempts(second.id)] == [IntentState.PENDING]
    assert ledger.balance(INVENTORY_WETH) == 5 * ETHER + 1 + 3
    assert ledger.intent(first.id).state is ledger.intent(hedged.id).state is IntentState.MINED
    assert [len(ledger.swaps_of(intent.id)) for intent in (first, second, hedged)] == [1, 0, 1]
    assert [ledger.attempts(intent.id)[0].state for intent in (first, hedged)] == [IntentState.MINED] * 2
