"""Budgets against the plainest book there is: everything that ever happened, summed anew each time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bot.reasons import Reason, Refusal
from bot.signer.budget import Asked, Broken, Budgets, NoGrants
from bot.signer.entries import Draw, Entry, Settlement
from bot.signer.policy import UNLIMITED, StrategyLimits
from bot.signer.switch import TOTAL
from chains.assets import ZERO_ADDRESS
from tests.bot.signer.budgeting import BudgetMachine, FixedWindowMachine
from tests.conftest import Counted

LIMITS = StrategyLimits(
    per_trade_wei=100,
    hour_loss_wei=250,
    day_loss_wei=600,
    day_gas_wei=300,
    min_profit_wei=0,
    exposure_wei=150,
    drawdown_wei=400,
    failures_in_a_row=3,
    transactions_a_minute=5,
)
NOW_S = 1e9
UNSHRUNK = settings(
    max_examples=500,
    stateful_step_count=60,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def entry(intent_id: str, worst_case_wei: int = 10, exposure_wei: int = 0, at_s: float = NOW_S) -> Entry:
    return Entry(
        31337, ZERO_ADDRESS, 0, intent_id, "", "dex", worst_case_wei, 5, at_s, "", "", b"", exposure_wei=exposure_wei
    )


def ask(budgets: Budgets, worst_case_wei: int = 10, exposure_wei: int = 0, now_s: float = NOW_S) -> Reason | None:
    asked = Asked("dex", worst_case_wei, 5, exposure_wei)
    decided = budgets.check(asked, {"dex": LIMITS, TOTAL: UNLIMITED}, NoGrants(), now_s)
    if isinstance(decided, Broken):
        return decided.refusal.reason
    return decided.reason if isinstance(decided, Refusal) else None


def test_no_sliding_window_is_ever_exceeded_and_nothing_that_fits_is_refused(counted: Counted) -> None:
    short = settings(max_examples=25, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(BudgetMachine, settings=short)
    counted("budgets", "25 histories of up to 40 steps: 0 beyond a budget")


def test_windows_that_begin_on_the_hour_are_found_out() -> None:
    with pytest.raises(AssertionError, match="what does not fit was allowed"):
        run_state_machine_as_test(FixedWindowMachine, settings=UNSHRUNK)


def test_a_loss_beyond_the_worst_case_counts_in_full() -> None:
    reserved = entry("intent")
    budgets = Budgets([reserved])
    budgets.settle(reserved, Settlement(5, -1000, NOW_S))
    for name in ("dex", TOTAL):
        assert budgets.usage(name, NOW_S + 1).hour_loss_wei == 1005


def test_what_one_trade_has_at_risk_counts_its_inventory() -> None:
    assert ask(Budgets([]), 10, 91) is Reason.SIGNER_BUDGET_PER_TRADE
    assert ask(Budgets([]), 10, 90) is None


def test_inventory_stays_exposed_until_its_other_side_is_done() -> None:
    first = entry("first", exposure_wei=80)
    budgets = Budgets([first])
    assert ask(budgets, 10, 71) is Reason.SIGNER_BUDGET_EXPOSURE
    budgets.settle(first, Settlement(5, 0, NOW_S))
    assert ask(budgets, 10, 71) is None


def test_what_is_done_on_both_sides_is_exposed_no_more_and_keeps_its_worst_case_until_it_is_final() -> None:
    first = entry("first", worst_case_wei=60, exposure_wei=80)
    budgets = Budgets([first])
    budgets.cover(replace(first, covered=True))
    usage = budgets.usage("dex", NOW_S)
    assert (usage.exposure_wei, usage.reserved_wei, usage.hour_loss_wei) == (0, 60, 60)
    assert ask(budgets, 10, 90) is None
    budgets.cover(first)
    assert ask(budgets, 10, 71) is Reason.SIGNER_BUDGET_EXPOSURE


def test_trades_lost_in_a_row_break_and_a_winner_between_them_mends() -> None:
    budgets = Budgets([])
    outcomes = [-1, -1, 9, -1, -1, -1]
    for number, profit in enumerate(outcomes):
        assert ask(budgets) is None
        lost = entry(f"intent-{number}", at_s=NOW_S - 100)
        budgets.reserve(lost)
        budgets.settle(lost, Settlement(1, profit, NOW_S))
    assert ask(budgets) is Reason.SIGNER_BREAKER_FAILURES
    budgets.resume("dex")
    assert ask(budgets) is None


def test_what_was_never_sent_is_neither_lost_nor_won() -> None:
    budgets = Budgets([])
    for number in range(4):
        never = entry(f"intent-{number}", at_s=NOW_S - 100)
        budgets.reserve(never)
        budgets.settle(never, Settlement(0, 0, NOW_S))
    assert budgets.usage("dex", NOW_S).failures_in_a_row == 0


def test_no_more_than_so_many_are_signed_within_any_minute() -> None:
    budgets = Budgets([])
    for number in range(5):
        budgets.reserve(entry(f"intent-{number}", at_s=NOW_S + number))
    assert ask(budgets, now_s=NOW_S + 59.9) is Reason.SIGNER_BUDGET_RATE
    assert ask(budgets, now_s=NOW_S + 60) is None


def test_a_drawdown_counts_what_is_in_flight_and_breaks_once_it_is_booked() -> None:
    budgets = Budgets([])
    won, lost = entry("won", at_s=NOW_S - 100), entry("lost", at_s=NOW_S - 100)
    for each, profit in ((won, 1000), (lost, -395)):
        budgets.reserve(each)
        budgets.settle(each, Settlement(1, profit, NOW_S - 90_000))
    late_s = NOW_S + 100_000
    assert ask(budgets, 5, now_s=late_s) is Reason.SIGNER_BUDGET_DRAWDOWN
    assert ask(budgets, 4, now_s=late_s) is None
    more = entry("more", at_s=NOW_S - 100)
    budgets.reserve(more)
    budgets.settle(more, Settlement(1, -3, NOW_S - 90_000))
    assert ask(budgets, 4, now_s=late_s) is Reason.SIGNER_BREAKER_DRAWDOWN


@pytest.mark.parametrize("resumed_s", [NOW_S + 10, NOW_S + 21], ids=["between two", "as the second was booked"])
def test_what_a_resume_forgave_stays_forgiven_after_a_restart_and_nothing_more(resumed_s: float) -> None:
    entries = [
        entry("before", at_s=NOW_S),
        entry("after", at_s=NOW_S + 20),
    ]
    settled = [
        Entry(**{**_fields(entries[0]), "settlement": Settlement(1, -500, NOW_S + 1)}),
        Entry(**{**_fields(entries[1]), "settlement": Settlement(1, -5, NOW_S + 21)}),
    ]
    usage = Budgets(settled, {"dex": resumed_s}).usage("dex", NOW_S + 30)
    assert (usage.drawdown_wei, usage.failures_in_a_row) == (6, 1)
    assert usage.lifetime_loss_wei == 507


def _fields(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in entry.__slots__}


def test_of_what_was_drawn_only_what_was_used_up_stays_drawn() -> None:
    draws = (Draw("x", "exposure", 80), Draw("g", "day_gas", 4), Draw("h", "hour_loss", 50), Draw("s", "day_loss", 5))
    drawing = replace(entry("intent"), draws=draws)
    budgets = Budgets([drawing])
    budgets.settle(drawing, Settlement(3, -20, NOW_S))
    assert [budgets.drawn(name) for name in "xghs"] == [0, 3, 23, 5]


def test_a_resume_after_all_that_is_booked_forgives_all_of_it() -> None:
    lost = replace(entry("lost"), settlement=Settlement(1, -500, NOW_S + 1))
    usage = Budgets([lost], {"dex": NOW_S + 10}).usage("dex", NOW_S + 30)
    assert (usage.drawdown_wei, usage.failures_in_a_row, usage.transactions_a_minute) == (0, 0, 1)
    assert (usage.hour_loss_wei, usage.lifetime_loss_wei) == (501, 501)


def test_one_window_ends_on_its_second_and_a_loss_in_it_counts_until_then() -> None:
    lost = entry("lost", at_s=NOW_S)
    budgets = Budgets([lost])
    budgets.settle(lost, Settlement(1, -9, NOW_S))
    for at_s, hour, day in ((NOW_S + 3_599, 10, 10), (NOW_S + 3_600, 0, 10), (NOW_S + 86_399, 0, 10)):
        usage = budgets.usage("dex", at_s)
        assert (usage.hour_loss_wei, usage.day_loss_wei, usage.day_gas_wei) == (hour, day, 1)
    assert budgets.usage("dex", NOW_S + 86_400).day_loss_wei == 0
    assert budgets.usage("dex", NOW_S + 86_400).lifetime_loss_wei == 10


def test_a_resume_forgives_how_many_were_signed_in_the_minute() -> None:
    budgets = Budgets([])
    for number in range(5):
        budgets.reserve(entry(f"intent-{number}", worst_case_wei=1))
    assert ask(budgets) is Reason.SIGNER_BUDGET_RATE
    budgets.resume("dex")
    assert ask(budgets) is None


def test_a_refusal_tells_amounts_as_a_person_reads_them() -> None:
    small = {"dex": UNLIMITED, TOTAL: replace(UNLIMITED, day_gas_wei=10**17)}
    refusal = Budgets([entry("first")]).check(Asked("dex", 0, 3 * 10**18 // 2, 0), small, NoGrants(), NOW_S)
    assert isinstance(refusal, Refusal)
    used = "0.000000000000000005 ETH are used and 1.5 ETH are asked for"
    assert refusal.detail == f"all strategies: the gas_day limit is 0.1 ETH; {used}"


def test_a_single_wei_beyond_a_limit_is_drawn_on_a_grant_too() -> None:
    class OneWei(NoGrants):
        def available(self, strategy: str, limit: str, now_s: float) -> dict[str, int]:
            return {"nothing": 0, "g": 1, "nor this": 0} if (strategy, limit) == ("dex", "exposure") else {}

    both = {"dex": replace(LIMITS, per_trade_wei=1_000), TOTAL: UNLIMITED}
    fits, too_much = (Budgets([]).check(Asked("dex", 10, 5, over), both, OneWei(), NOW_S) for over in (151, 152))
    assert fits == (Draw("g", "exposure", 1),)
    assert isinstance(too_much, Refusal) and too_much.reason is Reason.SIGNER_BUDGET_EXPOSURE
