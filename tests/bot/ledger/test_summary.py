"""The figures of a run's last line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Subquery

from bot.ledger.ledger import Ledger
from bot.ledger.records import Successor, TradeFill
from bot.ledger.states import AttemptKind, Exposure, OrderState
from bot.ledger.summary import Latency, counts, percentile_ms, summarise
from bot.reasons import Reason, Refusal
from tests.bot.ledger.given import (
    ETHER,
    FEES,
    GAS_COST_WEI,
    INVENTORY_USDT,
    INVENTORY_WETH,
    SENDER,
    WORST,
    StandingClock,
    atomic_plan,
    bumped,
    hash_of,
    hedge_order,
    pending,
    receipt,
    sell_plan,
)
from tests.garbage import nothing_left

SOLD = {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6}


def test_a_run_that_did_nothing_says_so_for_each_strategy(ledger: Ledger) -> None:
    summary = summarise(ledger, ["dex_arbitrage"])
    assert summary.settled == {"dex_arbitrage": 0}
    assert summary.net_profit_wei == {"dex_arbitrage": 0}
    assert (summary.sent, summary.reverted, summary.refused, summary.first_settled_s) == (0, 0, {}, None)
    assert summary.head_to_signed_ms == Latency(None, None)


def test_counts_and_profits_are_per_strategy(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16})
    ledger.record_mined(pending(ledger, 2).id, receipt(2, status=0), {})
    pending(ledger, 3)
    signed = ledger.reserve(atomic_plan(4), SENDER, 3, WORST, FEES)
    ledger.record_signed(signed.id, b"raw", hash_of("tx", 4))
    summary = summarise(ledger)
    assert summary.settled == {"dex_arbitrage": 1}
    assert summary.net_profit_wei == {"dex_arbitrage": 10**16 - 2 * GAS_COST_WEI}
    assert (summary.sent, summary.reverted) == (3, 1)


def test_a_plan_that_was_outbid_by_its_noop_was_sent_once_and_cancelled(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_successors([Successor(intent.id, b"noop", hash_of("tx", 2), bumped(FEES), AttemptKind.NOOP)])
    ledger.mark_pending(intent.id)
    ledger.record_mined(intent.id, receipt(2), {})
    summary = summarise(ledger)
    assert (summary.sent, summary.cancelled, summary.settled) == (1, 1, {})


def test_a_two_sided_intent_settles_with_its_hedge_and_not_before(ledger: Ledger) -> None:
    intent = pending(ledger, 1, sell_plan(1))
    ledger.record_mined(intent.id, receipt(1), SOLD)
    before = summarise(ledger)
    assert (before.settled, before.half_done) == ({}, {"cex_dex_arbitrage": 1})
    order = ledger.place_order(intent.id, hedge_order(), "spot")
    fill = TradeFill("1", 10**8, 2000 * 10**8, "USDT", 0)
    ledger.record_order("binance", order.client_id, OrderState.FILLED, [fill])
    ledger.close_exposure(intent.id, Exposure.HEDGED)
    after = summarise(ledger)
    assert (after.settled, after.half_done) == ({"cex_dex_arbitrage": 1}, {})


def test_a_chain_side_that_lost_its_block_is_not_half_a_trade(ledger: Ledger) -> None:
    mined = receipt(1)
    intent = pending(ledger, 1, sell_plan(1))
    ledger.record_mined(intent.id, mined, SOLD)
    ledger.place_order(intent.id, hedge_order(), "spot")
    ledger.undo_block(mined.block_hash)
    assert ledger.intent(intent.id).exposure is Exposure.OWED and summarise(ledger).half_done == {}


def test_an_unwound_intent_is_not_settled(ledger: Ledger) -> None:
    intent = pending(ledger, 1, sell_plan(1))
    ledger.record_mined(intent.id, receipt(1), SOLD)
    ledger.close_exposure(intent.id, Exposure.UNWOUND)
    assert summarise(ledger).settled == {}


def test_refusals_are_counted_by_reason(ledger: Ledger) -> None:
    for reason in (Reason.POOL_IN_USE, Reason.SIM_REVERTED, Reason.POOL_IN_USE):
        ledger.record_refusal(Refusal(reason, "test"), "dex_arbitrage")
    assert summarise(ledger).refused == {"pool_in_use": 2, "sim_reverted": 1}


def test_the_first_settlement_is_timed_from_the_start_of_the_run(ledger: Ledger) -> None:
    clock = ledger._clock
    assert isinstance(clock, StandingClock)
    clock.seconds += 2.5
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {})
    clock.seconds += 1
    ledger.record_mined(pending(ledger, 2).id, receipt(2), {})
    assert summarise(ledger).first_settled_s == 2.5


def test_an_earlier_run_is_not_counted(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16})
    ledger.record_refusal(Refusal(Reason.POOL_IN_USE, "test"), "dex_arbitrage")
    first = ledger.run
    ledger.start_run(first.mode, first.network, first.chain_id, 8, "digest", first.instance)
    summary = summarise(ledger)
    assert (summary.settled, summary.net_profit_wei, summary.sent, summary.refused) == ({}, {}, 0, {})


def test_counts_are_taken_again_only_once_something_was_written(in_file: Ledger) -> None:
    counted = counts(in_file)
    assert counts(in_file) is counted
    in_file.record_refusal(Refusal(Reason.NO_INVENTORY, "K"), "dex_arbitrage")
    pending(in_file, 1)
    assert (counts(in_file).sent, counts(in_file).refused) == (1, {"no_inventory": 1})


def test_asking_for_the_counts_leaves_no_statement_behind(ledger: Ledger) -> None:
    """The dashboard asks on every head."""
    counts(ledger)
    with nothing_left(Subquery):
        for number in range(3):
            pending(ledger, number + 1)
            counts(ledger)


def test_head_to_signed_is_reported_at_its_ranks(ledger: Ledger) -> None:
    for number in range(1, 5):
        intent = ledger.reserve(atomic_plan(number), SENDER, number - 1, WORST, FEES)
        ledger.record_timings(intent.id, {"signed": number * 1_000_000, "sent": 10**12})
    ledger.record_timings(intent.id, {})
    assert summarise(ledger).head_to_signed_ms == Latency(2.0, 4.0)


@given(elapsed=st.lists(st.integers(min_value=0, max_value=10**12), min_size=1), percent=st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_many_do_not_exceed(elapsed: list[int], percent: int) -> None:
    ordered = sorted(elapsed)
    found = percentile_ms(ordered, percent)
    assert found is not None
    enough = [value for value in ordered if sum(other <= value for other in ordered) * 100 >= percent * len(ordered)]
    assert found == round(enough[0] / 1e6, 3)
