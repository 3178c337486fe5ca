"""Breakers: each trips by its name and holds until a person resumes, whichever process is asked and whatever fails."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bot.reasons import Reason
from bot.signer.journal import Journal
from bot.signer.policy import SignerPolicy
from bot.signer.protocol import (
    Denial,
    Heartbeat,
    Response,
    Settle,
    Settled,
    Signed,
    Status,
    StatusRequest,
    StrategyUsage,
)
from bot.signer.service import Signer
from bot.signer.switch import FILE, HALT, TOTAL, KillSwitch, Trading
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import (
    CYCLES,
    EXCHANGE,
    EXCHANGES,
    GAIN,
    GWEI,
    LIMITS,
    POLICY,
    HandClock,
    answer,
    ask,
)
from tests.bot.signer.test_switch import go_on, halt, reason_of


def losing(policy: SignerPolicy = POLICY, **changes: int) -> SignerPolicy:
    return dataclasses.replace(policy, strategies={CYCLES: dataclasses.replace(LIMITS, **changes), EXCHANGES: LIMITS})


def lost_twice(journal: Journal, clock: HandClock, switch: KillSwitch, policy: SignerPolicy) -> Signer:
    signer = new_signer(journal, clock, switch, policy)
    for number in range(2):
        lose(signer, number)
    return signer


def tripped(journal: Journal, clock: HandClock, switch: KillSwitch, policy: SignerPolicy) -> Signer:
    """A signer that two losses in a row have halted, and that has said so."""
    signer = lost_twice(journal, clock, switch, policy)
    answer(signer, ask())
    answer(signer, StatusRequest())
    return signer


def lose(signer: Signer, number: int) -> Response:
    signed = answer(signer, ask(intent_id=f"lost-{number}", nonce=100 + number))
    answer(signer, Settle(f"lost-{number}", GWEI, 0))
    return signed


def test_what_was_settled_while_the_clock_stood_counts_in_the_order_it_was_also_after_a_restart(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    """A wall clock that was set back: the windows' own stands until it is caught up with."""
    policy = losing(failures_in_a_row=2)
    signer = new_signer(journal, clock, switch, policy)
    for number in range(4):
        clock.now_s += number == 0
        answer(signer, ask(intent_id=f"lost-{number}", nonce=100 + number))
    clock.now_s -= 3600
    answer(signer, Settle("lost-3", GWEI, GAIN))
    for number in (0, 1):
        answer(signer, Settle(f"lost-{number}", GWEI, 0))
    assert [counted(by).failures_in_a_row for by in (signer, new_signer(journal, clock, switch, policy))] == [2, 2]
    answer(signer, ask(intent_id="halts", nonce=104, verdict={"made_at_s": clock.now_s}))
    switch.set(CYCLES, Trading.ACTIVE, by="a person", because="looked", at_s=clock.now_s)
    for by in (signer, new_signer(journal, clock, switch, policy)):
        assert (counted(by).failures_in_a_row, counted(by).drawdown_wei) == (0, 0)


def counted(signer: Signer) -> StrategyUsage:
    said = answer(signer, StatusRequest())
    assert isinstance(said, Status)
    return said.strategies[CYCLES]


def test_a_resume_that_could_not_be_noted_whole_is_noted_again_by_the_next_signer(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    policy = losing(failures_in_a_row=2)
    signer = tripped(journal, clock, switch, policy)
    switch.set(CYCLES, Trading.ACTIVE, by="a person", because="looked", at_s=clock.now_s)
    notes = iter((journal.note,))

    def killed(*said: Any) -> None:
        next(notes)(*said)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(journal, "note", killed)
        answer(signer, StatusRequest())
    assert counted(new_signer(journal, clock, switch, policy)).failures_in_a_row == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"failures_in_a_row": 2}, Reason.SIGNER_BREAKER_FAILURES),
        ({"drawdown_wei": 2 * GWEI + 1}, Reason.SIGNER_BUDGET_DRAWDOWN),
        ({"transactions_a_minute": 2}, Reason.SIGNER_BUDGET_RATE),
    ],
)
def test_each_breaker_refuses_by_name(
    changes: dict[str, int], reason: Reason, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = new_signer(journal, clock, switch, losing(**changes))
    if "drawdown_wei" not in changes:
        assert all(isinstance(lose(signer, number), Signed) for number in range(2))
    assert reason_of(answer(signer, ask())) is reason


def test_a_breaker_halts_for_good_across_restarts_until_a_person_resumes(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    policy = losing(failures_in_a_row=2)
    signer = lost_twice(journal, clock, switch, policy)
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_BREAKER_FAILURES
    assert str(switch.of(CYCLES)).startswith("halted by the signer: signer_breaker_failures")
    again = new_signer(journal, clock, KillSwitch(switch.folder), policy)
    assert reason_of(answer(again, ask())) is Reason.SIGNER_HALTED
    assert isinstance(answer(again, ask(EXCHANGE, intent_id="other", nonce=8)), Signed)
    go_on(switch, CYCLES)
    assert isinstance(answer(again, ask()), Signed)
    assert isinstance(lose(again, 3), Signed)


def test_a_resume_while_the_signer_is_away_counts_too(journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    policy = losing(failures_in_a_row=2)
    tripped(journal, clock, switch, policy)
    go_on(switch, CYCLES)
    assert isinstance(answer(new_signer(journal, clock, switch, policy), ask()), Signed)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_resume_counts_though_nobody_asked_between_the_trip_and_it(
    restarted: bool, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    policy = losing(failures_in_a_row=2)
    signer = lost_twice(journal, clock, switch, policy)
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_BREAKER_FAILURES
    go_on(switch, CYCLES)
    signer = new_signer(journal, clock, switch, policy) if restarted else signer
    status = answer(signer, StatusRequest())
    assert isinstance(status, Status)
    assert status.strategies[CYCLES].failures_in_a_row == 0 and status.switches[CYCLES].startswith("active")
    assert isinstance(answer(signer, ask()), Signed)
    assert [what for _, what, _ in journal.audit()] == ["switch", "resumed", "switch"]


def test_a_halted_signer_whose_journal_cannot_be_read_says_that_it_is_halted(
    signer: Signer, journal: Journal, switch: KillSwitch
) -> None:
    journal._db.execute("ALTER TABLE signed RENAME TO gone")
    active = answer(signer, StatusRequest())
    assert isinstance(active, Denial) and active.detail.startswith("cannot read journal")
    halt(switch)
    halted = answer(signer, StatusRequest())
    assert isinstance(halted, Denial) and halted.reason is Reason.SIGNER_JOURNAL
    assert halted.detail.startswith("halted by a test: it wanted to; cannot read journal")


def test_all_strategies_together_have_limits_of_their_own(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    total = dataclasses.replace(LIMITS, failures_in_a_row=2)
    signer = new_signer(journal, clock, switch, dataclasses.replace(POLICY, total=total))
    for number in range(2):
        lose(signer, number)
    assert reason_of(answer(signer, ask(EXCHANGE))) is Reason.SIGNER_BREAKER_FAILURES
    assert switch.read().switches[TOTAL].state is Trading.HALTED


def test_a_breaker_that_cannot_reach_the_disk_holds_all_the_same(
    journal: Journal, clock: HandClock, switch: KillSwitch, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = new_signer(journal, clock, switch)
    switch.path.unlink()
    (switch.folder / FILE).mkdir()
    signer.halt("SIGUSR1")
    assert "halted all the same" in capsys.readouterr().err
    (switch.folder / FILE).rmdir()
    go_on_in_secret = KillSwitch(switch.folder)
    go_on(go_on_in_secret)
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED


def test_books_that_nobody_proves_stop_the_signing(journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    signer = new_signer(journal, clock, switch, dataclasses.replace(POLICY, dead_man_s=60))
    clock.now_s += 60
    late = {"made_at_s": clock.now_s}
    assert isinstance(answer(signer, ask(verdict=late)), Signed)
    assert isinstance(answer(signer, Heartbeat()), Status)
    clock.now_s += 61
    late = {"made_at_s": clock.now_s}
    assert reason_of(answer(signer, ask(intent_id="late", nonce=8, verdict=late))) is Reason.SIGNER_DEAD_MAN
    assert isinstance(answer(signer, Heartbeat()), Status)
    assert reason_of(answer(signer, ask(intent_id="late", nonce=8, verdict=late))) is Reason.SIGNER_HALTED


@pytest.mark.parametrize("set_by_s", [-3_600, 3_600])
def test_whoever_sets_the_clock_neither_stops_the_dead_mans_nor_moves_it_on(
    set_by_s: int, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = new_signer(journal, clock, switch, dataclasses.replace(POLICY, dead_man_s=60))
    clock.set_by_s = set_by_s
    clock.now_s += 60
    now = {"made_at_s": clock.wall_s()}
    assert isinstance(answer(signer, ask(verdict=now)), Signed)
    clock.now_s += 1
    now = {"made_at_s": clock.wall_s()}
    assert reason_of(answer(signer, ask(intent_id="late", nonce=8, verdict=now))) is Reason.SIGNER_DEAD_MAN


def test_a_journal_that_was_written_by_a_clock_ahead_is_no_dead_man(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    policy = dataclasses.replace(POLICY, dead_man_s=60)
    clock.set_by_s = 3_600
    assert isinstance(
        answer(new_signer(journal, clock, switch, policy), ask(verdict={"made_at_s": clock.wall_s()})), Signed
    )
    clock.set_by_s = 0
    assert isinstance(answer(new_signer(journal, clock, switch, policy), ask(intent_id="next", nonce=8)), Signed)


@pytest.mark.parametrize("over", ["a file by hand", "a switch that cannot be read"])
def test_what_stands_over_the_switches_lets_nobody_go_on_when_it_goes(
    over: str, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    """Three trades are lost, the strategy is halted; a halt over all comes and goes: the losses count as before."""
    policy = dataclasses.replace(
        POLICY, strategies={**POLICY.strategies, CYCLES: dataclasses.replace(LIMITS, failures_in_a_row=3)}
    )
    signer = new_signer(journal, clock, switch, policy)
    for number in range(3):
        assert isinstance(answer(signer, ask(intent_id=f"i-{number}", nonce=number)), Signed)
        assert isinstance(answer(signer, Settle(f"i-{number}", 10**9, -1)), Settled)
    assert reason_of(answer(signer, ask(intent_id="next", nonce=7))) is Reason.SIGNER_BREAKER_FAILURES
    aside = switch.folder / "aside"
    if over == "a file by hand":
        (switch.folder / HALT).touch()
    else:
        switch.path.rename(aside)
    assert reason_of(answer(signer, ask(intent_id="next", nonce=7))) is Reason.SIGNER_HALTED
    if over == "a file by hand":
        (switch.folder / HALT).unlink()
    else:
        aside.rename(switch.path)
    for restarted in (False, True):
        by = new_signer(journal, clock, switch, policy) if restarted else signer
        status = answer(by, StatusRequest())
        assert isinstance(status, Status)
        assert status.strategies[CYCLES].failures_in_a_row == 3
        assert status.switches[CYCLES].startswith("halted")
    assert [what for _, what, _ in journal.audit()].count("overridden") == 2


def test_a_resume_is_remembered_by_the_next_process(journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    policy = losing(failures_in_a_row=2)
    signer = tripped(journal, clock, switch, policy)
    clock.now_s += 1
    go_on(switch, CYCLES)
    answer(signer, StatusRequest())
    for by in (signer, new_signer(journal, clock, switch, policy)):
        status = answer(by, StatusRequest())
        assert isinstance(status, Status) and status.strategies[CYCLES].failures_in_a_row == 0
