"""Pages for people: newest first, each decision with what became of it."""

from __future__ import annotations

import pytest
from sqlalchemy import BindParameter

from bot.ledger import reading
from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from bot.ledger.reading import decisions, decisions_of, events, fills, opportunities, profit_series, refusals, runs
from bot.ledger.records import SwapFill
from bot.reasons import Reason, Refusal
from bot.simulator.verdict import Outcome, Verdict
from tests.bot.ledger.given import (
    EXECUTOR,
    FEES,
    GAS_COST_WEI,
    INVENTORY_WETH,
    POOL,
    SENDER,
    START_S,
    USDT,
    WETH,
    WORST,
    atomic_plan,
    bumped,
    hash_of,
    pending,
    receipt,
    sell_plan,
)
from tests.garbage import nothing_left

STRATEGIES = ("dex_arbitrage", "cex_dex_arbitrage")


def test_each_decision_says_what_became_of_it(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16})
    ledger.record_plan(atomic_plan(2))
    ledger.record_refusal(Refusal(Reason.SIM_REVERTED, "K"), "dex_arbitrage", atomic_plan(2).id)
    ledger.record_plan(atomic_plan(3))
    released = ledger.reserve(atomic_plan(4), SENDER, 1, WORST, FEES)
    ledger.release(released.id, "the signer refused")
    pending(ledger, 5, sell_plan(5))
    newest_first = decisions(ledger)
    assert [(decision.status, decision.reason, decision.profit_wei) for decision in newest_first] == [
        ("pending", None, None),
        ("released", None, None),
        ("decided", None, None),
        ("refused", "sim_reverted", None),
        ("mined", None, 10**16 - GAS_COST_WEI),
    ]
    assert newest_first[1].detail == "the signer refused"
    assert newest_first[3].detail == "K"
    assert (newest_first[4].tx_hash, newest_first[4].mined_as) == (hash_of("tx", 1), "ok")
    assert [decision.strategy for decision in decisions(ledger, strategy="cex_dex_arbitrage")] == ["cex_dex_arbitrage"]


def test_decisions_are_found_by_their_ids_and_by_their_intents_newest_first(ledger: Ledger) -> None:
    intents = [pending(ledger, number).id for number in (1, 2, 3)]
    newest_first = decisions(ledger)
    assert decisions_of(ledger, [newest_first[0].id], [intents[0]]) == (newest_first[0], newest_first[2])
    assert decisions_of(ledger, [], []) == ()
    ledger.start_run(ledger.run.mode, ledger.run.network, ledger.run.chain_id, 7, "digest", ledger.run.instance)
    assert decisions_of(ledger, [newest_first[0].id], intents) == (), "of an earlier run"


def test_a_decision_names_the_transaction_that_a_block_holds_though_a_later_one_was_signed(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_signed(intent.id, b"more", hash_of("tx", 2), bumped(FEES))
    ledger.mark_sending(intent.id)
    ledger.mark_pending(intent.id)
    assert decisions(ledger)[0].tx_hash == hash_of("tx", 2)
    ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: 10**16})
    assert decisions(ledger)[0].tx_hash == hash_of("tx", 1)
    ledger.mark_final(intent.id)
    assert decisions(ledger)[0].tx_hash == hash_of("tx", 1)


def test_a_decision_whose_block_was_replaced_came_to_nothing_known(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16})
    ledger.undo_block(receipt(1).block_hash)
    (decision,) = decisions(ledger)
    assert (decision.status, decision.profit_wei) == ("pending", None)


def test_pages_follow_one_another_without_overlap(ledger: Ledger) -> None:
    with ledger.batch():
        for number in range(7):
            ledger.record_plan(atomic_plan(number))
            ledger.record_event(Level.INFO, f"event_{number}")
    seen = []
    before = None
    while page := decisions(ledger, limit=3, before=before):
        seen += [decision.block_number for decision in page]
        before = page[-1].id
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    latest = events(ledger, limit=2)
    assert [event.name for event in latest] == ["event_6", "event_5"]
    assert [event.name for event in events(ledger, limit=1, before=latest[-1].id)] == ["event_4"]


def test_refusals_and_opportunities_need_no_plan(ledger: Ledger) -> None:
    ledger.at_head(17, 1_700_000_012)
    ledger.record_refusal(Refusal(Reason.POOL_IN_USE, "0x33 by plan 7"), "dex_arbitrage")
    ledger.record_opportunity("dex_arbitrage", "WETH > USDT > WETH", 10**14)
    (refusal,) = refusals(ledger)
    assert (refusal.reason, refusal.detail, refusal.block_number) == ("pool_in_use", "0x33 by plan 7", 17)
    (opportunity,) = opportunities(ledger)
    assert (opportunity.route, opportunity.expected_profit_wei) == ("WETH > USDT > WETH", 10**14)


def test_whatever_a_stranger_wrote_can_be_written_down(ledger: Ledger) -> None:
    ledger.record_event(Level.WARNING, "node_gone", "half a character \ud800, and \0")
    ledger.record_refusal(Refusal(Reason.SIM_REVERTED, "\udc80\0"), "dex_arbitrage")
    assert [event.detail for event in events(ledger)] == ["half a character ?, and \ufffd"]
    assert [refused.detail for refused in refusals(ledger)] == ["?\ufffd"]


def test_a_plan_and_its_verdict_are_kept_once_and_whole(ledger: Ledger) -> None:
    plan = atomic_plan(1)
    deltas = {(EXECUTOR, WETH.address): 2**200, (SENDER, WETH.address): -1}
    ledger.record_plan(plan)
    ledger.record_plan(plan)
    ledger.record_verdict(plan.id, Verdict(Outcome.OK, "d" * 64, 1, plan.block_hash, 150_000, 10**9, deltas))
    assert len(decisions(ledger)) == 1


def test_fills_are_told_leg_by_leg(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    swap = SwapFill(0, POOL, WETH.address, 2**100, USDT.address, 7)
    ledger.record_mined(intent.id, receipt(1), {}, [swap])
    (fill,) = fills(ledger, intent.id)
    assert (fill.venue, fill.amount_in, fill.amount_out, fill.undone) == (POOL, 2**100, 7, False)
    assert (fill.fee_units, fill.at_ms) == (0, START_S * 1_000), "a pool's fee is in its amounts"


def test_profit_over_time_has_one_point_per_result(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.at_head(number, 1_700_000_000 + number)
        ledger.record_mined(pending(ledger, number).id, receipt(number), {INVENTORY_WETH: 10**16})
    points = profit_series(ledger, ["dex_arbitrage"])["dex_arbitrage"]
    gain = 10**16 - GAS_COST_WEI
    assert [(point.head_s, point.cumulative_wei) for point in points] == [
        (1_700_000_001, gain),
        (1_700_000_002, 2 * gain),
    ]
    assert profit_series(ledger, ["dex_arbitrage"], after=points[0].id) == {"dex_arbitrage": points[1:]}


def test_of_a_long_series_the_ends_the_newest_and_some_others_are_read(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_POINTS", 4)
    for strategy in ("cex_dex_arbitrage", *["dex_arbitrage"] * 20):
        ledger.resume(strategy, "each resumption is a result of nothing")
    read = {name: [point.id for point in points] for name, points in profit_series(ledger, STRATEGIES).items()}
    assert read["cex_dex_arbitrage"] == [1]
    assert read["dex_arbitrage"] == [2, 6, 12, 18, 19, 20, 21]
    assert [point.id for point in profit_series(ledger, STRATEGIES, after=18)["dex_arbitrage"]] == [19, 20, 21]


def test_asking_for_profit_leaves_no_statement_behind(ledger: Ledger) -> None:
    """The dashboard asks on every head."""
    profit_series(ledger, STRATEGIES)
    with nothing_left(BindParameter):
        profit_series(ledger, STRATEGIES)


def test_runs_are_listed_and_end_with_their_summary(ledger: Ledger) -> None:
    assert runs(ledger)[0].finished_ms is None
    ledger.finish_run({"sent": 3})
    assert runs(ledger)[0].finished_ms == 1_700_000_000_000
    assert ledger.attach(ledger.run.id).finished_ms is not None
