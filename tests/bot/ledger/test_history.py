"""One plan and all that became of it, in the order it happened."""

from __future__ import annotations

from bot.ledger.history import history, last_settled_swaps
from bot.ledger.ledger import Ledger
from bot.ledger.reading import decisions
from bot.ledger.records import SwapFill
from bot.mode import Mode
from bot.reasons import Reason, Refusal
from bot.simulator.verdict import Outcome, Verdict
from tests.bot.ledger.given import (
    GAS_COST_WEI,
    INSTANCE,
    INVENTORY_WETH,
    MARKS,
    NETWORK,
    POOL,
    START_S,
    USDT,
    WETH,
    atomic_plan,
    hash_of,
    pending,
    receipt,
)


def settled(ledger: Ledger, number: int) -> int:
    """A settled plan's decision id."""
    intent = pending(ledger, number)
    fill = SwapFill(0, POOL, WETH.address, 10**18, USDT.address, 2010 * 10**6)
    ledger.record_mined(intent.id, receipt(number), {INVENTORY_WETH: 10**16}, [fill])
    return decisions(ledger, limit=1)[0].id


def test_a_settled_plan_is_told_from_its_legs_to_its_fills(ledger: Ledger) -> None:
    plan = atomic_plan(1)
    ledger.record_plan(plan)
    ledger.record_verdict(plan.id, Verdict(Outcome.OK, "d" * 64, 1, plan.block_hash, 150_000, 10**9))
    told = history(ledger, settled(ledger, 1))
    assert told is not None
    assert told.plan == plan
    assert [(verdict.outcome, verdict.gas_used) for verdict in told.verdicts] == [("ok", 150_000)]
    assert told.intent is not None
    assert (told.intent.state, told.intent.attempts, told.intent.gas_wei) == ("mined", 1, GAS_COST_WEI)
    assert (told.intent.block_number, told.intent.gas_used) == (2, 150_000)
    assert [fill.amount_out for fill in told.fills] == [2010 * 10**6]
    assert told.refusals == ()
    assert told.decision.tx_hash == hash_of("tx", 1)


def test_a_refused_plan_has_its_refusals_and_no_intent(ledger: Ledger) -> None:
    ledger.record_plan(atomic_plan(1))
    ledger.record_refusal(Refusal(Reason.SIM_REVERTED, "K"), "dex_arbitrage", atomic_plan(1).id)
    told = history(ledger, decisions(ledger)[0].id)
    assert told is not None
    assert [(refusal.reason, refusal.detail) for refusal in told.refusals] == [("sim_reverted", "K")]
    assert (told.intent, told.fills, told.verdicts) == (None, (), ())


def test_a_decision_that_is_not_there_has_no_history(ledger: Ledger) -> None:
    first = settled(ledger, 1)
    assert history(ledger, first + 1) is None
    assert history(ledger, first - 1) is None
    assert history(ledger, 2**63 - 1) is None


def test_the_last_settled_swaps_are_those_that_still_stand(ledger: Ledger) -> None:
    assert last_settled_swaps(ledger) is None
    settled(ledger, 1)
    settled(ledger, 2)
    assert last_settled_swaps(ledger) == atomic_plan(2)
    ledger.undo_block(receipt(2).block_hash)
    assert last_settled_swaps(ledger) == atomic_plan(1)


def test_a_new_run_goes_on_from_the_newest_time_that_its_instance_has_seen(ledger: Ledger) -> None:
    def restarted(instance: str) -> int:
        ledger.start_run(Mode.LIVE, NETWORK, 31337, 7, "digest", instance)
        return ledger.head_s

    first = pending(ledger, 1)
    ledger.at_head(5, START_S + 50)
    ledger.record_mined(first.id, receipt(1), {})
    assert restarted(INSTANCE) == START_S + 50
    ledger.set_marks(MARKS)
    ledger.at_head(9, START_S + 90)
    pending(ledger, 2)
    assert restarted(INSTANCE) == START_S + 90
    assert restarted("another") == 0
    assert restarted(INSTANCE) == START_S + 90
