"""The signer's own memory: older files are taken over whole, and a row that was touched is told by name."""

from __future__ import annotations

import random
import sqlite3
import tracemalloc
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bot.signer.chain import What
from bot.signer.entries import COLUMNS, INTENT_AT, Draw, Entry, Settlement, checksum_of
from bot.signer.journal import Journal, JournalError
from tests.bot.signer.making import CYCLES, NOW_S, OPERATOR

OLD = """
CREATE TABLE signed (
    chain_id INTEGER NOT NULL, sender TEXT NOT NULL, nonce INTEGER NOT NULL, intent_id TEXT NOT NULL PRIMARY KEY,
    plan_id TEXT NOT NULL, strategy TEXT NOT NULL, worst_case_wei TEXT NOT NULL, worst_gas_wei TEXT NOT NULL,
    at_s REAL NOT NULL, tx_digest TEXT NOT NULL, tx_hash TEXT NOT NULL, raw BLOB NOT NULL,
    gas_cost_wei TEXT, profit_wei TEXT, settled_at_s REAL
) STRICT
"""
ENTRY = Entry(
    *(31337, OPERATOR, 7, "intent-1", "plan-1", CYCLES, 10**16, 10**15, NOW_S, "d1", "0xh1", b"\x02raw"),
    exposure_wei=10**18,
    draws=(Draw("0xg", "hour_loss", 5),),
    verdict_digest="v1",
)
DONE = Settlement(10**14, -(10**15), NOW_S + 1)


def test_what_is_recorded_is_found_and_settled_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        journal.record(ENTRY)
        assert journal.find("intent-1") == ENTRY
        journal.settle("intent-1", DONE)
        with pytest.raises(JournalError, match="no unsettled intent"):
            journal.settle("intent-1", DONE)
    with Journal(path) as journal:
        (found,) = journal.entries()
        assert found.settlement == DONE
        assert (found.draws, found.verdict_digest, found.exposure_wei) == (ENTRY.draws, "v1", 10**18)


def test_nothing_that_a_signature_waits_for_goes_through_all_that_were_ever_given(tmp_path: Path) -> None:
    with Journal(tmp_path / "signer.db") as journal:
        asked: list[str] = []
        journal._db.set_trace_callback(asked.append)
        assert journal.size() == 0 and journal.of_plan("plan-1") is None
        journal.record(ENTRY)
        assert journal.size() == 1 and journal.of_plan("plan-1") == ENTRY
        assert journal.holder(ENTRY.chain_id, ENTRY.sender, ENTRY.nonce) == "intent-1"
        journal.settle("intent-1", DONE)
        journal._db.set_trace_callback(None)
        for statement in asked:
            for *_, step in journal._db.execute(f"EXPLAIN QUERY PLAN {statement}"):
                # Of the chain's table the newest row alone is read.
                assert step.startswith(("SEARCH", "SCAN changes")), statement


def test_a_long_history_is_proven_and_counted_row_by_row(tmp_path: Path) -> None:
    most, each = 30, 100_000
    with Journal(tmp_path / "signer.db") as journal:
        for number in range(most):
            journal.record(replace(ENTRY, nonce=number, intent_id=str(number), raw=bytes(each)))
        tracemalloc.start()
        assert journal.verify() == sum(1 for _ in journal.entries()) == most
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < most * each / 2


def test_a_journal_cut_short_anywhere_is_refused_by_its_name_or_whole(tmp_path: Path) -> None:
    path, cut = tmp_path / "signer.db", tmp_path / "cut.db"
    with Journal(path) as journal:
        for number in range(12):
            journal.record(replace(ENTRY, nonce=number, intent_id=str(number), plan_id=str(number)))
    whole = path.read_bytes()
    for length in range(512, len(whole), 512):
        cut.write_bytes(whole[:length])
        cut.with_name("cut.db-head").write_bytes(path.with_name("signer.db-head").read_bytes())
        with suppress(JournalError), Journal(cut) as journal:
            assert journal.verify() == 12


def test_a_journal_of_the_first_version_is_taken_over_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    old = sqlite3.connect(path)
    old.execute(OLD)
    row = (31337, OPERATOR, 7, "intent-1", "plan-1", CYCLES, "10", "5", NOW_S, "d1", "0xh1", b"raw", "4", "-3", NOW_S)
    old.execute(f"INSERT INTO signed VALUES ({', '.join('?' * 15)})", row)
    old.commit()
    old.close()
    for _ in range(2):
        with Journal(path) as journal:
            (found,) = journal.entries()
            assert (found.worst_case_wei, found.settlement, found.draws) == (10, Settlement(4, -3, NOW_S), ())


def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    Journal(path).close()
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 9")
    later.close()
    with pytest.raises(JournalError, match="version 9") as refused:
        Journal(path)
    # Whoever was refused holds no lock, though its error is still being looked at.
    with closing(sqlite3.connect(path, timeout=0)) as later:
        later.execute("PRAGMA user_version = 3")
    assert refused.value
    Journal(path).close()


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE signed SET worst_case_wei = '1'",
        "UPDATE signed SET at_s = at_s - 90000",
        "UPDATE signed SET gas_cost_wei = '0', profit_wei = '0', settled_at_s = 1",
        "UPDATE signed SET strategy = 'another'",
        "UPDATE signed SET exposure_wei = '0'",
        "UPDATE signed SET draws = '[]'",
        "UPDATE signed SET raw = x'00'",
    ],
)
def test_a_row_edited_by_hand_is_told_by_name(edit: str, tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        journal.record(ENTRY)
    by_hand = sqlite3.connect(path)
    by_hand.execute(edit)
    by_hand.commit()
    by_hand.close()
    with Journal(path) as journal, pytest.raises(JournalError, match="intent intent-1 was changed or damaged"):
        list(journal.entries())


def test_every_flipped_bit_that_changes_a_row_is_found(tmp_path: Path) -> None:
    path, rng = tmp_path / "signer.db", random.Random(1)
    with Journal(path) as journal:
        journal.record(ENTRY)
        (good,) = journal.entries()
    whole = path.read_bytes()
    changed = 0
    for _ in range(60):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            with Journal(path) as journal:
                found = list(journal.entries())
        except JournalError:
            changed += 1
            continue
        assert found == [good]
    assert changed


def test_an_audit_line_that_was_changed_is_found(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        for what in ("switch", "resumed", "grant_revoked"):
            journal.note(NOW_S, what, "detail")
        assert [what for _, what, _ in journal.audit()] == ["switch", "resumed", "grant_revoked"]
    by_hand = sqlite3.connect(path)
    by_hand.execute("UPDATE audit SET detail = 'other' WHERE id = 2")
    by_hand.commit()
    by_hand.close()
    with Journal(path) as journal, pytest.raises(JournalError, match="line 2 of its audit"):
        journal.audit()


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_nothing_is_signed_into_a_journal_that_was_taken_away(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        journal.record(ENTRY)
        taken = path.with_name(path.name + suffix)
        content = taken.read_bytes()
        taken.rename(tmp_path / "elsewhere")
        for _ in range(2):
            with pytest.raises(JournalError, match="cannot write journal: its file was removed or replaced; stop the"):
                journal.record(replace(ENTRY, intent_id="intent-2"))
            taken.write_bytes(content)


def test_a_journal_in_a_folder_that_is_not_there_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot open journal"):
        Journal(tmp_path / "nowhere" / "signer.db")


OWING = replace(ENTRY, intent_id="intent-2", nonce=8)
"""Signed, and settled as owing its other side still."""


def _of_version(version: int, path: Path) -> None:
    """A journal as `version` left it: a row that was replaced, one that is settled and owes, an audit of one line."""
    with Journal(path) as journal:
        journal.record(ENTRY)
        journal.replace(ENTRY, "0xh2", b"again", NOW_S + 1)
        journal.note(NOW_S, "switch", "detail")
        journal.record(OWING)
        journal.settle("intent-2", DONE)
        if version == 2:
            _as_2_kept_them(journal)
            return
    with closing(sqlite3.connect(path)) as old, old:
        _add_owed(old)
        old.execute("ALTER TABLE signed DROP COLUMN covered")
        for row in old.execute(f"SELECT {', '.join((*COLUMNS[:-1], 'owed'))} FROM signed").fetchall():
            old.execute("UPDATE signed SET checksum = ? WHERE intent_id = ?", (checksum_of(row), row[INTENT_AT]))
        old.execute("DROP TABLE changes")
        old.execute("PRAGMA user_version = 1")
    path.with_name("signer.db-head").unlink()


def _as_2_kept_them(journal: Journal) -> None:
    """Each row with its checksum of then, linked so."""
    _add_owed(journal._db)
    with journal._changing():
        for row in journal._db.execute(
            f"SELECT {', '.join((*COLUMNS[:-1], 'owed', 'covered'))} FROM signed"
        ).fetchall():
            digest = checksum_of(row)
            journal._db.execute("UPDATE signed SET checksum = ? WHERE intent_id = ?", (digest, row[INTENT_AT]))
            journal._chain.append(What.SIGNED, row[INTENT_AT], digest)
    journal._db.execute("PRAGMA user_version = 2")


def _add_owed(database: sqlite3.Connection) -> None:
    database.execute("ALTER TABLE signed ADD COLUMN owed INTEGER NOT NULL DEFAULT 0")
    database.execute("UPDATE signed SET owed = 1 WHERE intent_id = 'intent-2'")


@pytest.mark.parametrize("version", [1, 2])
def test_what_an_older_journal_settled_and_owes_is_reserved_until_it_is_told_as_it_came(
    version: int, tmp_path: Path
) -> None:
    path = tmp_path / "signer.db"
    _of_version(version, path)
    for _ in range(2):
        with Journal(path) as journal:
            assert journal.verify() == 4
            assert list(journal.entries()) == [ENTRY, OWING]
            assert journal.replacements("intent-1") == (b"again",) and len(journal.audit()) == 1
    with Journal(path) as journal:
        journal.settle("intent-2", DONE)
        assert journal.verify() == 4


@pytest.mark.parametrize("lost", [1, 9])
def test_an_older_copy_of_version_2_is_not_the_newest_for_being_taken_over(lost: int, tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    _of_version(2, path)
    older = path.read_bytes()
    with Journal(path) as journal:
        for _ in range(lost):
            journal.note(NOW_S, "switch", "again")
    path.write_bytes(older)
    for _ in range(2):
        with Journal(path) as journal, pytest.raises(JournalError, match=r"is not the one that|changes are lost"):
            journal.verify()
    with Journal(path) as journal:
        journal.accept()
        assert journal.verify() == 4


def test_a_journal_of_version_2_without_its_head_file_is_not_given_another(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    _of_version(2, path)
    path.with_name("signer.db-head").unlink()
    with Journal(path) as journal, pytest.raises(JournalError, match=r"head file .* cannot be read"):
        journal.verify()


def test_a_journal_of_version_1_is_taken_over_with_its_replacements_and_its_audit(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    _of_version(1, path)
    for _ in range(2):
        with Journal(path) as journal:
            assert journal.verify() == 4
            assert journal.find("intent-1") == ENTRY and journal.replacements("intent-1") == (b"again",)
    with closing(sqlite3.connect(path)) as database:
        subjects = database.execute("SELECT what, subject FROM changes ORDER BY id").fetchall()
    rows = [("signed", "intent-1"), ("signed", "intent-2")]
    assert subjects == [*rows, ("replacement", "intent-1#1"), ("audit", "1")]


@pytest.mark.parametrize("version", [1, 2])
def test_a_row_changed_before_a_journal_is_taken_over_is_not_taken_for_good(version: int, tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    _of_version(version, path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE signed SET worst_case_wei = '1'")
    with pytest.raises(JournalError, match="intent intent-1 was changed or damaged"):
        Journal(path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("DELETE FROM replacements", "replacement intent-1#1 is gone"),
        ("DELETE FROM signed", "signed intent-1 is gone"),
        ("UPDATE replacements SET raw = x'00'", "replacement intent-1#1 is not what was written"),
        ("INSERT INTO replacements SELECT intent_id, 2, at_s, tx_hash, raw FROM replacements", "intent-1#2 is not"),
        ("UPDATE changes SET subject = 'another' WHERE id = 1", "change 1 of its chain, or one before it, was changed"),
        ("DROP TABLE changes", "cannot read journal"),
    ],
)
def test_what_is_not_as_it_was_written_is_told_by_name(edit: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        journal.record(ENTRY)
        journal.replace(ENTRY, "0xh2", b"again", NOW_S + 1)
        assert journal.verify() == 2
        journal._db.execute(edit)
        with pytest.raises(JournalError, match=said):
            journal.verify()


def test_what_a_person_accepts_is_the_newest_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    head = path.with_name("signer.db-head")
    with Journal(path) as journal:
        journal.record(ENTRY)
        head.write_bytes(b"")
        with pytest.raises(JournalError, match=r"head file .* is damaged"):
            journal.verify()
        journal.accept()
        assert journal.verify() == 1
        head.unlink()
        head.mkdir()
        with pytest.raises(JournalError, match="cannot accept journal"):
            journal.accept()


def test_the_newest_time_is_that_of_whatever_was_written_last(tmp_path: Path) -> None:
    with Journal(tmp_path / "signer.db") as journal:
        assert journal.newest_time_s() == 0
        journal.record(ENTRY)
        assert journal.newest_time_s() == NOW_S
        journal.settle("intent-1", DONE)
        assert journal.newest_time_s() == DONE.at_s
        journal.replace(replace(ENTRY, settlement=DONE), "0xh2", b"again", NOW_S + 2)
        assert journal.newest_time_s() == NOW_S + 2
        journal.note(NOW_S + 3, "switch", "detail")
        assert journal.newest_time_s() == NOW_S + 3


def test_a_nonce_is_held_until_it_is_known_never_to_have_left(tmp_path: Path) -> None:
    with Journal(tmp_path / "signer.db") as journal:
        assert journal.holder(31337, OPERATOR, 7) is journal.of_plan("plan-1") is None
        journal.record(ENTRY)
        assert (journal.holder(31337, OPERATOR, 7), journal.of_plan("plan-1")) == ("intent-1", ENTRY)
        assert journal.holder(1, OPERATOR, 7) is journal.holder(31337, OPERATOR, 8) is None
        with pytest.raises(JournalError, match="UNIQUE"):
            journal.record(replace(ENTRY, intent_id="intent-2"))
        journal.settle("intent-1", Settlement(0, 0, NOW_S))
        assert journal.holder(31337, OPERATOR, 7) is journal.of_plan("plan-1") is None
        journal.record(replace(ENTRY, intent_id="intent-2"))
        assert journal.verify() == 2, "what failed is in no link of the chain"


def test_why_a_journal_cannot_be_used_is_said_before_its_place_which_may_be_long(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalError) as refused:
        Journal(tmp_path / "folder")
    assert str(refused.value) == f"cannot open journal: unable to open database file; it is {tmp_path / 'folder'}"
