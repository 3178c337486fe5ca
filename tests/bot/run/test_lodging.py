"""Where a run's signer keeps its journal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.ledger.reading import SignedAt, newest_signed
from bot.run.lodging import moved, remembers, stands_still
from bot.signer.budget import Budgets
from bot.signer.gap import DAY_S, gaps
from bot.signer.journal import Journal, JournalError
from bot.signer.switch import TOTAL
from bot.world.world import World
from chains.assets import Address
from tests.bot.ledger.given import INSTANCE, SENDER, StandingClock, hash_of, open_ledger, pending
from tests.bot.signer.making import LIMITS, OPERATOR
from tests.bot.signer.test_journal import ENTRY

SECOND, STRANGER = Address("0x" + "22" * 20), Address("0x" + "33" * 20)


def _journal_of(memory: Path, *operators: Address) -> str:
    return World.signer_journal(SimpleNamespace(memory=memory), operators).name  # type: ignore[arg-type]


def test_a_key_that_signed_goes_on_with_its_journal_once_the_first_of_them_is_named_no_more(tmp_path: Path) -> None:
    """Else what it lost, and what it has in flight, would be forgotten with the name."""
    (tmp_path / "signer").mkdir()
    theirs = tmp_path / "signer" / f"signer-{OPERATOR}.db"
    with Journal(theirs) as kept:
        kept.record(replace(ENTRY, sender=SECOND))
    for named in ((OPERATOR, SECOND), (SECOND, OPERATOR), (SECOND,), (STRANGER, SECOND)):
        assert _journal_of(tmp_path, *named) == theirs.name
    assert _journal_of(tmp_path, STRANGER) == f"signer-{STRANGER}.db"
    with closing(sqlite3.connect(theirs)) as database, database:
        database.execute("DROP TABLE signed")
    with pytest.raises(JournalError, match="restore a copy"):
        _journal_of(tmp_path, SECOND)


@pytest.mark.parametrize("before_it_ended", [(), ("-head",)])
def test_a_journal_is_moved_whole_also_when_the_move_was_cut_short(
    tmp_path: Path, before_it_ended: tuple[str, ...]
) -> None:
    before, journal = tmp_path / "signer-1.db", tmp_path / "signer" / "signer-1.db"
    with Journal(before) as kept:
        kept.note(1.0, "kept", "")
    journal.parent.mkdir()
    for suffix in before_it_ended:
        before.with_name(before.name + suffix).rename(journal.with_name(journal.name + suffix))
    with Journal(moved(before, journal)) as found:
        assert found.verify() == 1
    assert moved(before, journal) == journal and not before.exists()


@pytest.mark.parametrize("lost", [True, False])
def test_a_journal_that_lacks_what_the_ledger_knows_counts_it_as_lost_once(tmp_path: Path, lost: bool) -> None:
    """Else budgets begin anew with a journal that was removed, or an older one that was put back with its head file."""
    path, clock = tmp_path / ("gone" if lost else "") / "signer.db", StandingClock()
    if not lost:
        with Journal(path) as journal:
            journal.record(replace(ENTRY, tx_hash=hash_of("tx", 1)))
    with closing(open_ledger(tmp_path / "ledger.db")) as ledger:
        assert newest_signed(ledger, INSTANCE, [SENDER]) == []
        pending(ledger, 1)
        known = newest_signed(ledger, INSTANCE, [SENDER])
        pending(ledger, 2)
        signed = newest_signed(ledger, INSTANCE, [SENDER])
        assert newest_signed(ledger, "another", [SENDER]) == newest_signed(ledger, INSTANCE, [STRANGER]) == []
    if not lost:
        assert remembers(path, known, clock)
    assert not remembers(path, signed, clock)
    assert remembers(path, signed, clock)
    with Journal(path) as journal:
        (gap,) = gaps(journal.audit())
        assert gap.since_s == (signed[0].since_s if lost else max(signed[0].since_s, ENTRY.at_s))
        assert gap.until_s == clock.wall_s()


def test_a_clock_that_was_once_far_ahead_is_told_and_moving_the_journal_away_is_the_way_back(tmp_path: Path) -> None:
    path, clock = tmp_path / "signer.db", StandingClock()
    assert not stands_still(path, clock)
    far = replace(ENTRY, at_s=clock.seconds + 10 * 365 * DAY_S)
    with Journal(path) as journal:
        journal.record(far)
    assert "87600.0 hours ahead" in stands_still(path, clock) and f"move {path}* away" in stands_still(path, clock)
    path.rename(tmp_path / "away")
    path.with_name("signer.db-head").rename(tmp_path / "away-head")
    assert not remembers(path, [SignedAt(far.tx_hash, far.at_s)], clock)
    assert not stands_still(path, clock)
    with Journal(path) as journal:
        (gap,) = gaps(journal.audit())
    unused, limits = Budgets([]).usage(TOTAL, clock.seconds), LIMITS
    assert gap.filled(unused, limits, clock.seconds + 1).day_loss_wei == limits.day_loss_wei
    assert gap.filled(unused, limits, clock.seconds + DAY_S + 1) == unused


def test_a_journal_that_was_touched_is_told_nothing(tmp_path: Path) -> None:
    """What is written to it then would hide that its end is missing."""
    path, clock = tmp_path / "signer.db", StandingClock()
    with Journal(path) as journal:
        journal.note(1.0, "kept", "")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM changes")
        database.execute("DELETE FROM audit")
    with closing(open_ledger(tmp_path / "ledger.db")) as ledger:
        pending(ledger, 1)
        with pytest.raises(JournalError, match="its newest 1 changes are lost"):
            remembers(path, newest_signed(ledger, INSTANCE, [SENDER]), clock)
