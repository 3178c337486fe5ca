"""The chain over the signer's journal: what was edited, taken out or put back from an older copy signs nothing."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bot.signer.entries import Entry, Settlement
from bot.signer.journal import Journal, JournalError
from bot.signer.protocol import Signed
from bot.signer.switch import KillSwitch
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import CYCLES, NOW_S, OPERATOR, HandClock, answer, ask

FIRST = Entry(*(31337, OPERATOR, 7, "one", "plan-1", CYCLES, 10**16, 10**15, NOW_S, "d1", "0xh1", b"raw"))
SECOND = replace(FIRST, intent_id="two", nonce=8, plan_id="plan-2", tx_hash="0xh2")

UNSEEN_BY_ROWS = (
    "DELETE FROM signed WHERE intent_id = 'two'",
    "DELETE FROM replacements",
    "DELETE FROM audit WHERE id = 2",
    "UPDATE replacements SET raw = x'00'",
    "INSERT INTO replacements VALUES ('one', 9, 0, '0x', x'00')",
    "DELETE FROM changes WHERE id = (SELECT max(id) FROM changes)",
    "UPDATE changes SET content = '{}' WHERE id = 2",
    "DELETE FROM changes WHERE id = 3",
)
SEEN_BY_ROWS = (
    "UPDATE signed SET worst_case_wei = '1'",
    "UPDATE signed SET covered = 1",
    "UPDATE signed SET gas_cost_wei = '0', profit_wei = '0', settled_at_s = 1 WHERE intent_id = 'two'",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed journal in which everything a journal can hold has happened."""
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        journal.record(FIRST)
        journal.record(SECOND)
        journal.cover(replace(SECOND, covered=True))
        journal.replace(FIRST, "0xh3", b"more", NOW_S + 1)
        journal.note(NOW_S, "resumed", "dex")
        journal.note(NOW_S, "grant_revoked", "0x1")
        journal.settle("one", Settlement(5, 7, NOW_S + 2))
    return path


def by_hand(path: Path, edit: str) -> None:
    edited = sqlite3.connect(path)
    edited.execute("PRAGMA foreign_keys = OFF")
    edited.execute(edit)
    edited.commit()
    edited.close()


def test_a_journal_as_it_was_written_is_whole(path: Path) -> None:
    for _ in range(2):
        with Journal(path) as journal:
            assert journal.verify() == 5
            (one,) = [entry for entry in journal.entries() if entry.intent_id == "one"]
            assert one.settlement == Settlement(5, 7, NOW_S + 2)


@pytest.mark.parametrize("edit", [*UNSEEN_BY_ROWS, *SEEN_BY_ROWS])
def test_whatever_was_edited_by_hand_is_found(path: Path, edit: str) -> None:
    by_hand(path, edit)
    with Journal(path) as journal, pytest.raises(JournalError, match=str(path)):
        journal.verify()


@pytest.mark.parametrize("edit", [edit for edit in UNSEEN_BY_ROWS if "audit" not in edit])
def test_rows_that_only_vouch_for_themselves_do_not_find_it(path: Path, edit: str) -> None:
    """The broken twin: what the journal did before its changes were linked."""
    by_hand(path, edit)
    with Journal(path) as journal:
        assert list(journal.entries())
        assert journal.audit()


@pytest.mark.parametrize("lost", [1, 2, 3, 8])
def test_an_older_copy_put_back_is_found_until_a_person_takes_it(lost: int, path: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    shutil.copy(path, older)
    with Journal(path) as journal:
        for number in range(lost):
            journal.record(replace(FIRST, intent_id=f"lost {number}", nonce=9 + number))
    shutil.copy(older, path)
    with Journal(path) as journal:
        with pytest.raises(JournalError, match=rf"its newest {lost} changes are lost: .*ledger verify --accept"):
            journal.verify()
        journal.accept()
        assert journal.verify() == 5


def test_a_journal_that_was_deleted_is_found(path: Path) -> None:
    path.unlink()
    with Journal(path) as journal, pytest.raises(JournalError, match="its newest 8 changes are lost"):
        journal.verify()


def test_a_head_file_that_is_gone_or_damaged_is_found(path: Path) -> None:
    head = path.with_name(f"{path.name}-head")
    for damage in (lambda: head.write_bytes(b"\0" * 256), head.unlink):
        damage()
        with Journal(path) as journal, pytest.raises(JournalError, match="head file"):
            journal.verify()


def test_a_head_file_that_a_crash_left_behind_is_whole(path: Path) -> None:
    head = path.with_name(f"{path.name}-head")
    before = head.read_bytes()
    with Journal(path) as journal:
        journal.record(replace(FIRST, intent_id="three", nonce=9))
    head.write_bytes(before)
    with Journal(path) as journal:
        assert journal.verify() == 6


def test_a_signer_with_a_broken_chain_does_not_start(tmp_path: Path, clock: HandClock, switch: KillSwitch) -> None:
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        assert isinstance(answer(new_signer(journal, clock, switch), ask()), Signed)
    by_hand(path, "DELETE FROM signed")
    with Journal(path) as journal, pytest.raises(JournalError, match="signed intent-1 is gone"):
        new_signer(journal, clock, switch)
