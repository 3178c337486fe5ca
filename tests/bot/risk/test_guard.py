"""Each limit refuses with its own reason, at the worst case, and a halt holds until it is lifted."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest

from bot.gas import ether
from bot.ledger.ledger import Ledger
from bot.ledger.records import TradeFill, WorstCase
from bot.ledger.states import Exposure, OrderState
from bot.reasons import Reason, Refusal
from bot.risk.budget import Budget
from bot.risk.guard import Guard, check
from bot.risk.usage import DAY_S, HOUR_S, Usage, read_usage
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
    begin,
    hash_of,
    hedge_order,
    pending,
    receipt,
    sell_plan,
)

DEX = "dex_arbitrage"
START_S = 1_700_000_000
AMPLE = Budget(*[100 * ETHER] * 6)
TEN = Budget(*[10] * 6)
WORST_TWO_SIDED = WorstCase(loss_wei=FEES.worst_cost_wei + 10**16, gas_wei=FEES.worst_cost_wei, capital_wei=ETHER)


def lose(ledger: Ledger, number: int, wei: int) -> None:
    """A settled trade whose result is a loss of `wei`, gas included."""
    deltas = {INVENTORY_WETH: GAS_COST_WEI - wei}
    ledger.record_mined(pending(ledger, number).id, receipt(number), deltas)


def test_a_plan_within_all_limits_is_allowed() -> None:
    assert check(atomic_plan(1), TEN, Usage(), WorstCase(10, 10)) is None


@pytest.mark.parametrize(
    ("usage", "worst", "reason"),
    [
        (Usage(halted_because="test"), WorstCase(0, 0), Reason.STRATEGY_HALTED),
        (Usage(drawdown_wei=10), WorstCase(0, 0), Reason.BUDGET_DRAWDOWN),
        (Usage(), WorstCase(11, 0), Reason.BUDGET_PER_TRADE),
        (Usage(), WorstCase(5, 0, 6), Reason.BUDGET_PER_TRADE),
        (Usage(capital_wei=8), WorstCase(0, 0, 3), Reason.BUDGET_CAPITAL),
        (Usage(gas_day_wei=8), WorstCase(3, 3), Reason.BUDGET_GAS),
        (Usage(reserved_gas_wei=8), WorstCase(3, 3), Reason.BUDGET_GAS),
        (Usage(hour_loss_wei=8), WorstCase(3, 0), Reason.BUDGET_HOUR_LOSS),
        (Usage(reserved_loss_wei=8), WorstCase(3, 0), Reason.BUDGET_HOUR_LOSS),
        (Usage(day_loss_wei=8), WorstCase(3, 0), Reason.BUDGET_DAY_LOSS),
    ],
)
def test_each_limit_refuses_with_its_own_reason(usage: Usage, worst: WorstCase, reason: Reason) -> None:
    refusal = check(atomic_plan(1), TEN, usage, worst)
    assert refusal is not None
    assert refusal.reason is reason


def test_what_takes_a_trade_back_commits_no_inventory_anew_and_may_lose_no_more_than_any_plan() -> None:
    back = replace(sell_plan(1), legs=sell_plan(1).swaps, unwinds="ab")
    assert check(back, TEN, Usage(capital_wei=10), WorstCase(10, 10, 11)) is None
    assert check(replace(back, unwinds=""), TEN, Usage(capital_wei=10), WorstCase(0, 0, 1)) is not None
    for reason, usage, loss in (
        (Reason.BUDGET_PER_TRADE, Usage(), 11),
        (Reason.BUDGET_HOUR_LOSS, Usage(hour_loss_wei=5), 6),
        (Reason.STRATEGY_HALTED, Usage(halted_because="test"), 0),
    ):
        refusal = check(back, TEN, usage, WorstCase(loss, 0, 1))
        assert refusal is not None and refusal.reason is reason


@pytest.mark.parametrize("limit", [field.name for field in dataclasses.fields(Budget)])
def test_a_negative_limit_is_refused_by_name(limit: str) -> None:
    with pytest.raises(ValueError, match=f"{limit} is -1; a limit cannot be negative"):
        dataclasses.replace(TEN, **{limit: -1})


def test_a_strategy_without_a_budget_may_do_nothing(ledger: Ledger) -> None:
    refusal = Guard(ledger, {}).check(atomic_plan(1), WORST)
    assert refusal is not None
    assert str(refusal) == "budget_capital: dex_arbitrage has no budget; give it one in its config file"


def test_what_must_not_be_held_is_refused_before_any_budget(ledger: Ledger) -> None:
    held = Refusal(Reason.TRADING_HALTED, "a test")
    assert Guard(ledger, {}, may_hold=lambda plan: held).check(atomic_plan(1), WORST) is held
    assert Guard(ledger, {DEX: AMPLE}, may_hold=lambda plan: None).check(atomic_plan(1), WORST) is None


def test_what_is_read_before_a_head_is_not_read_again_for_its_first_plan(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard(ledger, {DEX: AMPLE})
    guard.prepare()
    monkeypatch.setattr(Ledger, "read", lambda ledger: 1 / 0)
    assert guard.check(atomic_plan(1), WORST) is None


def test_as_time_passes_what_was_booked_is_not_read_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(ledger, 1, 10**16)
    lost = read_usage(ledger, DEX).hour_loss_wei
    assert lost
    monkeypatch.setattr(Ledger, "read", lambda ledger: 1 / 0)
    for after_s, hour, day in ((HOUR_S, lost, lost), (HOUR_S + 1, 0, lost), (DAY_S, 0, lost), (DAY_S + 1, 0, 0)):
        ledger.at_head(2, START_S + after_s)
        usage = read_usage(ledger, DEX)
        assert (usage.hour_loss_wei, usage.day_loss_wei) == (hour, day)


def test_another_process_that_halts_within_a_head_is_heard_by_the_next_check(ledger: Ledger, tmp_path: Path) -> None:
    guard, other = Guard(ledger, {DEX: AMPLE}), Ledger.open(str(tmp_path / "ledger.db"), StandingClock())
    other.attach()
    with ledger.gathering():
        assert guard.check(atomic_plan(1), WORST) is None
        other.halt(DEX, "by another")
        refusal = guard.check(atomic_plan(1), WORST)
    assert refusal is not None and refusal.reason is Reason.STRATEGY_HALTED
    other.close()


def test_all_strategies_together_have_a_limit_of_their_own(ledger: Ledger) -> None:
    both, total = {DEX: AMPLE, "cex_dex_arbitrage": AMPLE}, dataclasses.replace(AMPLE, hour_loss_wei=WORST.loss_wei)
    pending(ledger, 1, sell_plan(1), WORST_TWO_SIDED)
    assert Guard(ledger, both).check(atomic_plan(2), WORST) is None
    refusal = Guard(ledger, both, total=total).check(atomic_plan(2), WORST)
    assert refusal is not None and refusal.reason is Reason.BUDGET_HOUR_LOSS
    assert refusal.detail.startswith("all strategies: ")


def test_what_a_strategy_has_in_flight_that_the_configuration_names_no_more_counts_with_all_together(
    ledger: Ledger,
) -> None:
    total = dataclasses.replace(AMPLE, hour_loss_wei=WORST.loss_wei)
    pending(ledger, 1, sell_plan(1), WORST_TWO_SIDED)
    refusal = Guard(ledger, {DEX: AMPLE}, total=total).check(atomic_plan(2), WORST)
    assert refusal is not None and refusal.reason is Reason.BUDGET_HOUR_LOSS


def test_the_worst_case_is_used_until_the_result_is_final(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    usage = read_usage(ledger, DEX)
    assert (usage.reserved_loss_wei, usage.reserved_gas_wei, usage.in_flight) == (WORST.loss_wei, WORST.gas_wei, 1)
    ledger.record_mined(intent.id, receipt(1, status=0), {})
    usage = read_usage(ledger, DEX)
    assert usage.reserved_loss_wei + usage.hour_loss_wei == WORST.loss_wei
    assert usage.reserved_gas_wei + usage.gas_day_wei == WORST.gas_wei
    assert (usage.hour_loss_wei, usage.day_loss_wei, usage.gas_day_wei) == (GAS_COST_WEI,) * 3
    ledger.mark_final(intent.id)
    assert read_usage(ledger, DEX) == replace(usage, reserved_loss_wei=0, reserved_gas_wei=0)


def test_a_foreign_nonce_keeps_its_worst_case_reserved_until_a_person_has_looked(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.mark_foreign(intent.id, "a test")
    assert read_usage(ledger, DEX).reserved_loss_wei == WORST.loss_wei


def test_a_released_reservation_uses_nothing(ledger: Ledger) -> None:
    intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    ledger.release(intent.id, "test")
    assert read_usage(ledger, DEX) == Usage()


def test_inventory_is_in_flight_until_the_other_side_is_done(ledger: Ledger) -> None:
    intent = pending(ledger, 1, sell_plan(1), WORST_TWO_SIDED)
    ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6})
    assert read_usage(ledger, "cex_dex_arbitrage").capital_wei == ETHER
    ledger.close_exposure(intent.id, Exposure.UNWOUND)
    assert read_usage(ledger, "cex_dex_arbitrage").capital_wei == 0


def test_a_trade_done_on_both_sides_counts_by_its_loss_until_it_is_final(ledger: Ledger) -> None:
    strategy = "cex_dex_arbitrage"
    intent = pending(ledger, 1, sell_plan(1), WORST_TWO_SIDED)
    ledger.record_mined(intent.id, receipt(1), {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6})
    ledger.place_order(intent.id, hedge_order(), "spot")
    (order,) = ledger.orders_of(intent.id)
    ledger.record_order("binance", order.client_id, OrderState.CANCELLED)
    ledger.close_exposure(intent.id, Exposure.HEDGED)
    usage = read_usage(ledger, strategy)
    assert usage.reserved_loss_wei + usage.hour_loss_wei == WORST_TWO_SIDED.loss_wei
    assert usage.capital_wei == 0
    ledger.undo_block(hash_of("mined", 1))
    assert read_usage(ledger, strategy).capital_wei == ETHER


def test_profits_do_not_offset_losses(ledger: Ledger) -> None:
    lose(ledger, 1, 10**15)
    ledger.record_mined(pending(ledger, 2).id, receipt(2), {INVENTORY_WETH: ETHER})
    assert read_usage(ledger, DEX).hour_loss_wei == 10**15


@pytest.mark.parametrize(
    ("later_s", "hour", "day"), [(HOUR_S, 1, 1), (HOUR_S + 1, 0, 1), (DAY_S, 0, 1), (DAY_S + 1, 0, 0)]
)
def test_losses_leave_the_windows_by_the_time_of_heads(ledger: Ledger, later_s: int, hour: int, day: int) -> None:
    lose(ledger, 1, 10**15)
    ledger.at_head(2, START_S + later_s)
    usage = read_usage(ledger, DEX)
    assert (usage.hour_loss_wei, usage.day_loss_wei) == (hour * 10**15, day * 10**15)
    assert usage.gas_day_wei == day * GAS_COST_WEI


def test_a_clock_that_goes_back_frees_no_budget(ledger: Ledger) -> None:
    ledger.at_head(2, START_S + DAY_S)
    lose(ledger, 1, 10**15)
    ledger.at_head(3, START_S)
    assert read_usage(ledger, DEX).hour_loss_wei == 10**15
    assert ledger.head_s == START_S + DAY_S


def test_a_reorg_undoes_the_loss_where_it_stood_and_reserves_again(ledger: Ledger) -> None:
    lose(ledger, 1, 10**15)
    ledger.at_head(2, START_S + HOUR_S - 10)
    ledger.undo_block(hash_of("mined", 1))
    usage = read_usage(ledger, DEX)
    assert (usage.hour_loss_wei, usage.reserved_loss_wei, usage.gas_day_wei) == (0, WORST.loss_wei, 0)
    ledger.at_head(3, START_S + HOUR_S + 10)
    # A correction dated now would be worth a negative loss here, and free what was never free.
    assert read_usage(ledger, DEX).hour_loss_wei == 0


def test_a_reorg_takes_back_a_late_fill_where_it_counted(ledger: Ledger) -> None:
    strategy = "cex_dex_arbitrage"
    sold = {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2000 * 10**6}
    intent = pending(ledger, 1, sell_plan(1), WORST_TWO_SIDED)
    ledger.record_mined(intent.id, receipt(1), sold)
    order = ledger.place_order(intent.id, hedge_order(), "spot")
    ledger.record_order("binance", order.client_id, OrderState.CANCELLED)
    ledger.close_exposure(intent.id, Exposure.UNWOUND)
    ledger.at_head(2, START_S + 60)
    late = TradeFill("1", 0, 0, "ETH", 10**5)
    ledger.record_order("binance", order.client_id, OrderState.CANCELLED, [late])
    assert read_usage(ledger, strategy).hour_loss_wei == GAS_COST_WEI + 10**15
    ledger.undo_block(hash_of("mined", 1))
    for later_s in (60, HOUR_S + 1, HOUR_S + 61):
        ledger.at_head(3, START_S + later_s)
        assert read_usage(ledger, strategy).hour_loss_wei == 0


def test_budgets_survive_a_restart(ledger: Ledger, tmp_path: Path) -> None:
    lose(ledger, 1, 10**15)
    pending(ledger, 2)
    before = read_usage(ledger, DEX)
    ledger.close()
    again = Ledger.open(str(tmp_path / "ledger.db"), StandingClock())
    begin(again)
    assert read_usage(again, DEX) == before
    again.close()


def test_a_restart_stands_at_the_latest_time_the_ledger_has_seen(ledger: Ledger, tmp_path: Path) -> None:
    ledger.at_head(2, START_S + DAY_S)
    lose(ledger, 1, 10**15)
    ledger.close()
    again = Ledger.open(str(tmp_path / "ledger.db"), StandingClock())
    assert (again.attach().id, again.head_s) == (ledger.run.id, START_S + DAY_S)
    again.at_head(1, START_S)
    assert read_usage(again, DEX).hour_loss_wei == 10**15
    again.close()


def test_another_instance_has_budgets_of_its_own(ledger: Ledger) -> None:
    lose(ledger, 1, 10**15)
    begin(ledger, instance="0xother")
    assert read_usage(ledger, DEX) == Usage()


def test_a_drawdown_halts_the_strategy_until_it_is_resumed(ledger: Ledger) -> None:
    guard = Guard(ledger, {DEX: dataclasses.replace(AMPLE, drawdown_wei=10**16)})
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: ETHER})
    lose(ledger, 2, 10**16 - 1)
    assert guard.check(atomic_plan(3), WORST) is None
    lose(ledger, 3, 1)
    first, second = guard.check(atomic_plan(4), WORST), guard.check(atomic_plan(4), WORST)
    assert first is not None
    assert str(first) == "budget_drawdown: 0.01 ETH below the high-water mark, limit 0.01 ETH"
    assert second is not None
    assert second.reason is Reason.STRATEGY_HALTED
    ledger.record_mined(pending(ledger, 5).id, receipt(5), {INVENTORY_WETH: ETHER})
    assert guard.check(atomic_plan(6), WORST) is not None
    ledger.resume(DEX, "looked at it")
    assert guard.check(atomic_plan(6), WORST) is None


def test_a_resumed_strategy_measures_from_where_it_stands(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: ETHER})
    lose(ledger, 2, 10**17)
    assert read_usage(ledger, DEX).drawdown_wei == 10**17
    ledger.halt(DEX, "by hand")
    assert read_usage(ledger, DEX).halted_because == "by hand"
    ledger.resume(DEX, "go on")
    assert read_usage(ledger, DEX).drawdown_wei == 0
    lose(ledger, 3, 5)
    assert read_usage(ledger, DEX).drawdown_wei == 5


@pytest.mark.parametrize(
    ("wei", "text"),
    [
        (0, "0 ETH"),
        (ETHER, "1 ETH"),
        (10**16 + 1, "0.010000000000000001 ETH"),
        (-ETHER // 2, "-0.5 ETH"),
        (10**60, f"{10**42} ETH"),
    ],
)
def test_wei_are_shown_exactly(wei: int, text: str) -> None:
    assert ether(wei) == text


def test_a_loss_counts_for_3600_seconds_of_the_chain_and_for_86400(ledger: Ledger) -> None:
    lose(ledger, 1, 7 * GAS_COST_WEI)
    lost = 7 * GAS_COST_WEI
    for after_s, hour, day in ((3_600, lost, lost), (3_601, 0, lost), (86_400, 0, lost), (86_401, 0, 0)):
        ledger.at_head(2, START_S + after_s)
        usage = read_usage(ledger, DEX)
        assert (usage.hour_loss_wei, usage.day_loss_wei) == (hour, day)
