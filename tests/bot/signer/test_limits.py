"""Limits changed while the signer runs: who may, from when on, and what of it is still there after a restart."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from bot.owner import deposit_change
from bot.reasons import Reason
from bot.signer import wire
from bot.signer.journal import Journal
from bot.signer.limits import CHANGEABLE, SignedChange, Taken, change_file, field_of
from bot.signer.policy import StrategyLimits
from bot.signer.protocol import Denial, Signed, StatusRequest
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import CYCLES, ETHER, POLICY, HandClock, answer
from tests.bot.signer.owning import OWNED, OWNER, ask_for, change, differences, owned_by, refused


def noted(journal: Journal) -> list[tuple[str, str]]:
    return [(what, detail) for _, what, detail in journal.audit()]


def test_a_limit_that_anybody_lowered_holds_from_the_next_signature_on(owned: Signer, switch: KillSwitch) -> None:
    assert isinstance(ask_for(owned, "one", 1), Signed)
    deposit_change(SignedChange(change(ETHER + 5)), switch.folder)
    assert refused(ask_for(owned, "two", 2)) is Reason.SIGNER_BUDGET_HOUR_LOSS
    assert differences(owned) == {CYCLES: {"hour_loss": 5 - ETHER}}


def test_who_changed_what_from_what_to_what_and_why_is_in_the_audit(
    owned: Signer, switch: KillSwitch, journal: Journal
) -> None:
    made = owned_by(change(3 * ETHER))
    deposit_change(made, switch.folder)
    differences(owned)
    ((what, detail),) = noted(journal)
    assert what == "limit_set"
    assert wire.decode(Taken, detail.encode()) == Taken(made.change, 2 * ETHER, 2 * ETHER, OWNER)


def test_raising_a_limit_needs_the_owner(owned: Signer, switch: KillSwitch, journal: Journal) -> None:
    for number in range(2):
        assert isinstance(ask_for(owned, f"full-{number}", number), Signed)
    deposit_change(SignedChange(change(3 * ETHER)), switch.folder)
    assert refused(ask_for(owned, "over", 7)) is Reason.SIGNER_BUDGET_HOUR_LOSS
    ((what, detail),) = noted(journal)
    assert what == "limit_refused" and "which only the owner may" in detail
    deposit_change(owned_by(change(3 * ETHER)), switch.folder)
    assert isinstance(ask_for(owned, "over", 7), Signed)
    assert refused(ask_for(owned, "more", 8)) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_a_changed_limit_is_the_same_after_a_restart_even_if_its_file_is_gone(
    owned: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    for file in (SignedChange(change(ETHER)), owned_by(change(7, limit="failures_in_a_row"))):
        deposit_change(file, switch.folder)
    before = differences(owned)
    for file in (switch.folder / "limits").iterdir():
        file.unlink()
    assert differences(new_signer(journal, clock, switch, OWNED)) == before != {}


def test_a_raise_holds_over_the_figure_it_was_made_over_and_a_lowered_limit_over_any(
    owned: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    deposit_change(owned_by(change(4 * ETHER)), switch.folder)
    deposit_change(SignedChange(change(ETHER, limit="day_loss")), switch.folder)
    differences(owned)
    stricter = dataclasses.replace(POLICY.strategies[CYCLES], hour_loss_wei=ETHER, day_loss_wei=9 * ETHER)
    policy = dataclasses.replace(OWNED, strategies={**POLICY.strategies, CYCLES: stricter})
    assert differences(new_signer(journal, clock, switch, policy)) == {CYCLES: {"day_loss": -8 * ETHER}}


def test_what_the_owner_lowers_holds_over_any_figure_too(
    owned: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    deposit_change(owned_by(change(ETHER)), switch.folder)
    differences(owned)
    looser = dataclasses.replace(POLICY.strategies[CYCLES], hour_loss_wei=3 * ETHER)
    policy = dataclasses.replace(OWNED, strategies={**POLICY.strategies, CYCLES: looser})
    assert differences(new_signer(journal, clock, switch, policy)) == {CYCLES: {"hour_loss": -2 * ETHER}}


@pytest.mark.parametrize("later_s", [-60, -172_800, 172_800])
def test_a_clock_that_was_set_hinders_nobody_from_lowering_a_limit(
    later_s: int, owned: Signer, switch: KillSwitch
) -> None:
    deposit_change(owned_by(change(3 * ETHER)), switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": ETHER}}
    deposit_change(SignedChange(change(ETHER, later_s=later_s)), switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": -ETHER}}


def test_the_owner_may_undo_what_anybody_lowered_and_an_older_word_of_his_does_not(
    owned: Signer, switch: KillSwitch, clock: HandClock
) -> None:
    earlier = owned_by(change(5 * ETHER, later_s=1))
    deposit_change(SignedChange(change(ETHER, later_s=10)), switch.folder)
    differences(owned)
    deposit_change(earlier, switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": -ETHER}}
    deposit_change(owned_by(change(5 * ETHER, later_s=20)), switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": 3 * ETHER}}
    deposit_change(SignedChange(change(4 * ETHER, later_s=30)), switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": 2 * ETHER}}


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_clock_far_ahead_lowered_can_be_raised_again(
    restarted: bool, owned: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    deposit_change(SignedChange(change(ETHER, later_s=31_536_000)), switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": -ETHER}}
    signer = new_signer(journal, clock, switch, OWNED) if restarted else owned
    deposit_change(owned_by(change(5 * ETHER, later_s=300)), switch.folder)
    assert differences(signer) == {CYCLES: {"hour_loss": 3 * ETHER}}


def test_what_was_taken_once_is_not_taken_again(owned: Signer, switch: KillSwitch) -> None:
    raised = owned_by(change(5 * ETHER))
    file = deposit_change(raised, switch.folder)
    differences(owned)
    deposit_change(SignedChange(change(ETHER)), switch.folder)
    file.unlink()
    deposit_change(raised, switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": -ETHER}}


def test_all_together_and_a_count_are_changed_so_too(owned: Signer, switch: KillSwitch) -> None:
    deposit_change(SignedChange(change(1, strategy="", limit="transactions_a_minute")), switch.folder)
    assert isinstance(ask_for(owned, "one", 1), Signed)
    assert refused(ask_for(owned, "two", 2)) is Reason.SIGNER_BUDGET_RATE


def test_a_file_that_is_no_change_is_refused_by_its_name(owned: Signer, switch: KillSwitch, journal: Journal) -> None:
    file = change_file(switch.folder, "0x" + "00" * 16)
    file.parent.mkdir()
    file.write_text("{}")
    assert differences(owned) == {}
    ((what, detail),) = noted(journal)
    assert (what, detail.split()[0]) == ("limit_refused", file.stem)


def test_a_file_whose_name_is_no_text_hinders_no_change(owned: Signer, switch: KillSwitch) -> None:
    change_file(switch.folder, "").parent.mkdir()
    change_file(switch.folder, os.fsdecode(b"\xff")).write_text("{}")
    deposit_change(SignedChange(change(ETHER)), switch.folder)
    assert differences(owned) == {CYCLES: {"hour_loss": -ETHER}}


def test_every_limit_that_can_be_changed_is_one_of_a_budget() -> None:
    names = {field.name for field in dataclasses.fields(StrategyLimits)} - {"min_profit_wei", "pools", "tokens"}
    assert {field_of(limit) for limit in CHANGEABLE} == names


def test_a_journal_that_cannot_be_written_takes_the_change_once_it_can(
    owned: Signer, switch: KillSwitch, journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deposit_change(SignedChange(change(ETHER)), switch.folder)
    with monkeypatch.context() as full:

        def fail(*_: object) -> None:
            raise OSError("no space")

        full.setattr(journal, "note", fail)
        assert isinstance(answer(owned, StatusRequest()), Denial)
    assert differences(owned) == {CYCLES: {"hour_loss": -ETHER}}
