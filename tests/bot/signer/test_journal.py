"""The signer's own memory: older files are taken over whole, and a row that was touched is told by name."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from bot.signer.entries import Draw, Entry, Settlement
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
DONE = Settlement(10**14, -(10**15), NOW_S + 1, owed=True)


def test_what_is_recorded_is_found_and_settled_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "signer.db"
    with Journal(path) as journal:
        journal.record(ENTRY)
        assert journal.find("intent-1") == ENTRY
        journal.settle("intent-1", DONE)
        journal.settle("intent-1", Settlement(DONE.gas_cost_wei, DONE.profit_wei, DONE.at_s))
        with pytest.raises(JournalError, match="no unsettled intent"):
            journal.settle("intent-1", DONE)
    with Journal(path) as journal:
        (found,) = journal.entries()
        assert found.settlement == Settlement(DONE.gas_cost_wei, DONE.profit_wei, DONE.at_s)
        assert (found.draws, found.verdict_digest, found.exposure_wei) == (ENTRY.draws, "v1", 10**18)


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
    with pytest.raises(JournalError, match="version 9"):
        Journal(path)


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
