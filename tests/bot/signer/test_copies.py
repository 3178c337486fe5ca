"""A signer's journal is copied while it is written, and put back so that no budget is looser than it was."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.owner import deposit
from bot.reasons import Reason
from bot.signer.copies import Copied, copy_journals, restoring
from bot.signer.gap import DAY_S, HOUR_S, Gap
from bot.signer.journal import Journal, JournalError
from bot.signer.policy import UNLIMITED_WEI, StrategyLimits
from bot.signer.protocol import (
    HEADER_BYTES,
    Denial,
    Response,
    Settle,
    Settled,
    Signed,
    SignRequest,
    StrategyUsage,
    frame,
)
from bot.signer.switch import TOTAL, KillSwitch, Trading
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import CYCLES, ETHER, GAIN, GAS_COST_WEI, POLICY, WORST_CASE_WEI, HandClock, ask
from tests.bot.signer.owning import OWNED, granted, signed

KNOWN = {f"intent-{at}" for at in range(10)}
LIMITS = StrategyLimits(per_trade_wei=1, hour_loss_wei=10, day_loss_wei=30, day_gas_wei=7, min_profit_wei=0)


class Machine:
    """What lasts on one machine, and the signer that trades on it."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.folder, self.clock, self.policy = folder, clock, POLICY
        self.path = folder / "signer" / "signer-1.db"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.switch = KillSwitch(folder / "control")
        self.switch.establish(clock.wall_s())

    def asked(self, *requests: SignRequest | Settle) -> list[Response]:
        """What one signer answers to one after another; then it ends."""
        with Journal(self.path) as journal:
            signer = new_signer(journal, self.clock, self.switch, self.policy)
            return [signer.answer(frame(request)[HEADER_BYTES:]) for request in requests]

    def used_wei(self) -> int:
        with Journal(self.path) as journal:
            signer = new_signer(journal, self.clock, self.switch)
            return signer._status().strategies[CYCLES].day_loss_wei

    def resume(self) -> None:
        self.switch.set(TOTAL, Trading.ACTIVE, by="a person", because="looked", at_s=self.clock.wall_s())


@pytest.fixture
def machine(tmp_path: Path, clock: HandClock) -> Machine:
    return Machine(tmp_path / "memory", clock)


def number(at: int, worst_case_wei: int = ETHER) -> SignRequest:
    return ask(intent_id=f"intent-{at}", nonce=at, worst_case_wei=worst_case_wei)


def test_a_journal_in_use_is_copied_whole_and_so_is_what_is_in_its_log_only(machine: Machine, tmp_path: Path) -> None:
    machine.asked(number(1))
    with Journal(machine.path) as journal:
        journal.note(1.0, "noted", "in the log only")
        (copied,) = copy_journals(machine.folder, tmp_path / "copy")
        rows = journal.verify()
    assert copied == Copied(tmp_path / "copy-signer-1.db", rows)
    with Journal(copied.path) as copy:
        assert copy.find("intent-1") is not None and copy.verify() == rows
    assert {file.name for file in tmp_path.glob("copy*")} == {"copy-signer-1.db", "copy-signer-1.db-head"}
    with pytest.raises(JournalError, match="there is a file already"):
        copy_journals(machine.folder, tmp_path / "copy")


def test_a_copy_caught_between_two_writes_is_taken_again(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.asked(number(1))
    with Journal(machine.path) as journal:
        copied, torn = shutil.copyfile, list[str]()

        def tear(source: Path, target: Path) -> None:
            if source.name.endswith("-wal") and len(torn) < 2:
                # What was written since: the log as it was before, under a head file that knows more.
                journal.note(1.0, "meanwhile", "")
                torn.append(source.name)
                target.write_bytes(b"")
            else:
                copied(source, target)

        monkeypatch.setattr("shutil.copyfile", tear)
        journal.note(1.0, "noted", "")
        (copy,) = copy_journals(machine.folder, tmp_path / "copy")
        assert (len(torn), copy.rows) == (2, journal.verify())


def test_a_journal_that_is_not_whole_is_never_copied(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    machine.asked(number(1))
    with closing(sqlite3.connect(machine.path)) as database:
        database.execute("UPDATE signed SET strategy = 'another'")
        database.commit()
    with pytest.raises(JournalError, match=r"no whole copy could be made: .*intent-1"):
        copy_journals(machine.folder, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def test_a_disk_that_fails_while_a_copy_is_put_back_is_told_in_one_line(
    machine: Machine, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.asked(number(1))
    copy_journals(machine.folder, tmp_path / "copy")
    put, connected = restoring(tmp_path / "copy", tmp_path / "other"), sqlite3.connect

    def fails(path: Path, **options: Any) -> sqlite3.Connection:
        if options:
            return connected(path, **options)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("sqlite3.connect", fails)
    with pytest.raises(JournalError, match=r"signer-1\.db\.part: cannot be read again: disk I/O error"):
        put.put(clock, "restored", KNOWN)
    assert not list((tmp_path / "other").rglob("*.db*"))


def test_a_restored_signer_is_halted_and_allows_no_more_than_the_one_that_was_lost(
    machine: Machine, tmp_path: Path, clock: HandClock
) -> None:
    machine.asked(number(1), Settle("intent-1", GAS_COST_WEI, -ETHER))
    copy_journals(machine.folder, tmp_path / "copy")
    machine.asked(number(2), Settle("intent-2", GAS_COST_WEI, -ETHER // 2))
    lost_wei = machine.used_wei()
    other = Machine(tmp_path / "other", clock)
    (put,) = restoring(tmp_path / "copy", other.folder).put(clock, "restored", KNOWN)
    assert (put.path, put.kept) == (other.path, False)
    assert other.used_wei() >= lost_wei
    (halted,) = other.asked(number(3))
    assert isinstance(halted, Denial) and halted.reason is Reason.SIGNER_HALTED
    other.resume()
    (refused,) = other.asked(number(3))
    assert isinstance(refused, Denial) and refused.reason is Reason.SIGNER_BUDGET_HOUR_LOSS
    clock.now_s += DAY_S + 1
    (signed,) = other.asked(ask(intent_id="intent-3", nonce=3, verdict={"made_at_s": clock.now_s}))
    assert isinstance(signed, Signed)


def test_a_copy_is_found_and_put_back_whatever_its_name_is(machine: Machine, tmp_path: Path, clock: HandClock) -> None:
    machine.asked(number(1))
    copy = tmp_path / "monday[1]*\udcff"
    copy_journals(machine.folder, copy)
    (put,) = restoring(copy, tmp_path / "other").put(clock, f"restored from {copy}", KNOWN)
    assert put.path.exists()
    assert KillSwitch(tmp_path / "other" / "control").of(CYCLES).because.endswith("monday[1]*\\udcff")


def test_what_a_lost_journal_drew_on_a_grant_is_not_drawn_again_after_a_restore(
    machine: Machine, tmp_path: Path, clock: HandClock
) -> None:
    machine.policy = OWNED
    used_up = [granted(limit=limit) for limit in ("hour_loss", "day_loss", "day_gas")]
    for grant in used_up:
        deposit(signed(grant), machine.switch.folder)
    fills_the_hour, drawn, more = number(1, 2 * ETHER), number(2), number(3)
    machine.asked(fills_the_hour, Settle("intent-1", GAS_COST_WEI, GAS_COST_WEI - 2 * ETHER))
    copy_journals(machine.folder, tmp_path / "copy")
    said = machine.asked(drawn, Settle("intent-2", GAS_COST_WEI, GAS_COST_WEI - ETHER), more)
    assert [type(it) for it in said] == [Signed, Settled, Denial]
    shutil.rmtree(machine.path.parent)
    clock.now_s += 1
    restoring(tmp_path / "copy", machine.folder).put(clock, "restored", KNOWN)
    machine.resume()
    (refused,) = machine.asked(more)
    assert isinstance(refused, Denial) and refused.reason is Reason.SIGNER_BUDGET_HOUR_LOSS
    for grant in used_up:
        anew = granted(limit=grant.limit, not_before_s=int(clock.now_s))
        deposit(signed(anew), machine.switch.folder)
    assert isinstance(machine.asked(more)[0], Signed)


def test_a_journal_that_went_on_from_the_copy_is_kept_and_any_other_refused(
    machine: Machine, tmp_path: Path, clock: HandClock
) -> None:
    machine.asked(number(1), Settle("intent-1", GAS_COST_WEI, GAIN))
    copy_journals(machine.folder, tmp_path / "copy")
    machine.asked(number(2))
    kept_wei = machine.used_wei()
    assert [it.kept for it in restoring(tmp_path / "copy", machine.folder).put(clock, "restored", KNOWN)] == [True]
    assert machine.used_wei() == kept_wei
    other = Machine(tmp_path / "other", clock)
    other.asked(number(9))
    with pytest.raises(JournalError, match="did not go on from"):
        restoring(tmp_path / "copy", other.folder)
    assert other.switch.of(TOTAL).state is Trading.ACTIVE


@pytest.mark.parametrize("kept", [True, False])
def test_what_the_restored_ledger_does_not_know_is_lost_at_its_worst_and_not_reserved_for_ever(
    machine: Machine, tmp_path: Path, clock: HandClock, kept: bool
) -> None:
    machine.asked(number(1), number(2))
    copy_journals(machine.folder, tmp_path / "copy")
    if not kept:
        shutil.rmtree(machine.path.parent)
    reserved_wei = 2 * ETHER
    (put,) = restoring(tmp_path / "copy", machine.folder).put(clock, "restored", {"intent-1"})
    assert (put.kept, put.given_up) == (kept, 1)
    assert machine.used_wei() >= reserved_wei
    (told,) = machine.asked(Settle("intent-1", GAS_COST_WEI, GAIN))
    assert isinstance(told, Settled)
    clock.now_s += DAY_S + 1
    assert machine.used_wei() == 0


@pytest.mark.parametrize("kept", [True, False])
def test_the_nonce_of_what_was_given_up_can_be_used_though_no_block_ever_took_it(
    machine: Machine, tmp_path: Path, clock: HandClock, kept: bool
) -> None:
    machine.asked(number(1))
    copy_journals(machine.folder, tmp_path / "copy")
    if not kept:
        shutil.rmtree(machine.path.parent)
    restoring(tmp_path / "copy", machine.folder).put(clock, "restored", ())
    machine.resume()
    with Journal(machine.path) as journal:
        burned_wei = new_signer(journal, clock, machine.switch)._status().strategies[CYCLES].day_gas_wei
    assert burned_wei >= WORST_CASE_WEI
    clock.now_s += DAY_S + 1
    (signed,) = machine.asked(ask(intent_id="intent-2", nonce=1, verdict={"made_at_s": clock.now_s}))
    assert isinstance(signed, Signed)


@pytest.mark.parametrize("damage", ["a row", "its end", "its head file"])
def test_a_copy_that_was_touched_is_not_put_back(machine: Machine, tmp_path: Path, damage: str) -> None:
    machine.asked(number(1), number(2))
    (copied,) = copy_journals(machine.folder, tmp_path / "copy")
    head = copied.path.with_name(copied.path.name + "-head")
    if damage == "its head file":
        head.write_bytes(bytes(256))
    else:
        spoil = {
            "a row": "UPDATE signed SET worst_case_wei = '1'",
            "its end": "DELETE FROM changes WHERE id = (SELECT max(id) FROM changes)",
        }
        with closing(sqlite3.connect(copied.path)) as database:
            database.execute(spoil[damage])
            database.commit()
    with pytest.raises(JournalError, match=r"changed|lost|damaged"):
        restoring(tmp_path / "copy", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_gap_fills_its_windows_and_costs_a_days_limit_for_each_day() -> None:
    known = StrategyUsage(hour_loss_wei=1, day_loss_wei=2, day_gas_wei=3, lifetime_loss_wei=4)
    gap = Gap(since_s=0.0, until_s=1.5 * DAY_S)
    limits = dataclasses.replace(LIMITS, lifetime_loss_wei=1_000)
    at_once = gap.filled(known, limits, gap.until_s)
    assert (at_once.hour_loss_wei, at_once.day_loss_wei, at_once.day_gas_wei) == (10, 30, 7)
    assert at_once.lifetime_loss_wei == 4 + 2 * 30
    hour_later = gap.filled(known, limits, gap.until_s + HOUR_S)
    assert (hour_later.hour_loss_wei, hour_later.day_loss_wei) == (1, 30)
    later = gap.filled(known, limits, gap.until_s + DAY_S)
    assert dataclasses.replace(later, lifetime_loss_wei=4) == known and later.lifetime_loss_wei == 64


@pytest.mark.parametrize(("most", "counted"), [(50, 50), (3, 4), (UNLIMITED_WEI, 4)])
def test_never_more_is_counted_as_lost_than_was_allowed(most: int, counted: int) -> None:
    gap = Gap(since_s=0.0, until_s=1.5 * DAY_S)
    limits = dataclasses.replace(LIMITS, lifetime_loss_wei=most)
    filled = gap.filled(StrategyUsage(lifetime_loss_wei=4), limits, gap.until_s)
    assert filled.lifetime_loss_wei == counted
