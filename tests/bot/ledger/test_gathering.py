"""What promises nothing is written with the next commit that does, and what is read is never older than the ledger."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.ledger.book_models import HaltRow
from bot.ledger.decisions import Level
from bot.ledger.errors import IllegalMove, LedgerBroken, LedgerError, LedgerFull
from bot.ledger.ledger import Ledger
from bot.ledger.models import EventRow
from bot.ledger.seal_models import SealRow
from bot.ledger.states import IntentState
from bot.ledger.store import _COMMITS_IN_LOG
from bot.reasons import Reason, Refusal
from bot.transaction import Fees
from tests.bot.ledger.given import FEES, SENDER, WORST, StandingClock, atomic_plan, hash_of, pending


def told(ledger: Ledger) -> list[str]:
    """The events that a reader finds on the disk."""
    with ledger.read() as connection:
        return list(connection.execute(select(EventRow.name).order_by(EventRow.id)).scalars())


def test_notes_wait_for_the_next_commit_that_is_acted_on_and_come_before_it(ledger: Ledger) -> None:
    plan, before = atomic_plan(1), told(ledger)
    with ledger.gathering():
        ledger.record_plan(plan)
        ledger.record_event(Level.INFO, "first")
        ledger.record_event(Level.INFO, "second")
        assert told(ledger) == before
        ledger.reserve(plan, SENDER, ledger.next_nonce(SENDER), WORST, FEES)
        assert told(ledger) == [*before, "first", "second"]
        ledger.record_event(Level.INFO, "third")
    assert told(ledger) == [*before, "first", "second", "third"]
    assert ledger.verified().whole


def test_what_is_left_of_the_notes_is_one_commit_at_the_end_even_of_what_failed(ledger: Ledger) -> None:
    plan, before = atomic_plan(1), told(ledger)
    with pytest.raises(ZeroDivisionError), ledger.gathering():
        ledger.record_plan(plan)
        ledger.record_refusal(Refusal(Reason.NO_MARK, "none"), plan.strategy, plan.id)
        ledger.record_event(Level.INFO, "told")
        raise ZeroDivisionError
    assert told(ledger) == [*before, "told"]


def test_a_commit_that_fails_keeps_the_notes_for_the_next_one(ledger: Ledger) -> None:
    plan, before = atomic_plan(1), told(ledger)
    with ledger.gathering():
        ledger.record_event(Level.INFO, "told")
        with pytest.raises(LedgerError, match="build the transaction anew"):
            ledger.reserve(plan, SENDER, 77, WORST, FEES)
    assert told(ledger) == [*before, "told"]


def test_notes_keep_the_time_and_the_block_of_when_they_were_made(ledger: Ledger) -> None:
    with ledger.gathering():
        ledger.at_head(11, ledger.head_s)
        ledger.record_event(Level.INFO, "early")
        ledger.at_head(12, ledger.head_s)
    with ledger.read() as connection:
        blocks = connection.execute(select(EventRow.block_number).where(EventRow.name == "early")).scalars().all()
    assert list(blocks) == [11]


def test_gatherings_do_not_nest_and_a_batch_in_one_writes_by_itself(ledger: Ledger) -> None:
    before = told(ledger)
    with ledger.gathering():
        with pytest.raises(LedgerError, match="do not nest"), ledger.gathering():
            pass
        with ledger.batch():
            ledger.record_event(Level.INFO, "batched")
        assert told(ledger) == [*before, "batched"]


def test_signed_bytes_that_are_sent_next_pass_both_states_in_one_commit(ledger: Ledger) -> None:
    plan = atomic_plan(1)
    intent = ledger.reserve(plan, SENDER, ledger.next_nonce(SENDER), WORST, FEES)
    attempt = ledger.record_signed(intent.id, b"raw", hash_of("tx", 1), sending=True)
    assert attempt.state is ledger.intent(intent.id).state is IntentState.SENDING
    assert ledger.attempts(intent.id) == (attempt,)
    with pytest.raises(IllegalMove):
        ledger.release(intent.id, "it may have left")
    with ledger.read() as connection:
        kept = connection.execute(select(SealRow.content).where(SealRow.relation == "intents")).scalars().all()
    states = ("reserved", "signed", "sending")
    assert [state for content in kept for state in states if f'"{state}"' in content] == list(states)
    assert ledger.verified().whole


def test_what_another_process_wrote_is_seen_at_once(in_file: Ledger, tmp_path: Path) -> None:
    assert in_file.halted_because("dex_arbitrage") is None
    other = Ledger.open(str(tmp_path / "ledger.db"), StandingClock())
    other.attach()
    other.halt("dex_arbitrage", "by another")
    assert in_file.halted_because("dex_arbitrage") == "by another"
    other.close()


def test_while_notes_are_gathered_others_are_asked_about_once_and_again_where_that_is_wanted(
    in_file: Ledger, tmp_path: Path
) -> None:
    other = Ledger.open(str(tmp_path / "ledger.db"), StandingClock())
    other.attach()
    with in_file.gathering():
        assert in_file.halted_because("dex_arbitrage") is None
        other.halt("dex_arbitrage", "by another")
        assert in_file.halted_because("dex_arbitrage") is None
        in_file.ask_others()
        assert in_file.halted_because("dex_arbitrage") == "by another"
        other.resume("dex_arbitrage", "by another")
    with in_file.gathering():
        assert in_file.halted_because("dex_arbitrage") is None
    other.close()


def test_what_a_batch_has_written_is_seen_inside_it(in_file: Ledger) -> None:
    assert in_file.halted_because("dex_arbitrage") is None
    with in_file.batch():
        in_file.halt("dex_arbitrage", "in a batch")
        assert in_file.halted_because("dex_arbitrage") == "in a batch"


def test_a_ledger_that_was_closed_has_no_file_open(in_file: Ledger, tmp_path: Path) -> None:
    in_file.halt("dex_arbitrage", "a test")
    assert in_file.halted_because("dex_arbitrage") == "a test"
    assert _open_files(tmp_path)
    in_file.close()
    assert not _open_files(tmp_path)


def _open_files(folder: Path) -> list[str]:
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return [target for link in links if link.is_symlink() and (target := os.readlink(link)).startswith(f"{folder}/")]


def test_what_was_signed_is_read_again_once_more_is(in_file: Ledger) -> None:
    one, two = pending(in_file, 1), pending(in_file, 2)
    assert set(in_file.attempts_of([one])) == {one.id}
    assert set(in_file.attempts_of([one, two])) == {one.id, two.id}
    raised = Fees(FEES.gas_limit, 2 * FEES.max_fee_wei, 2 * FEES.tip_wei)
    in_file.record_signed(one.id, b"more", hash_of("tx", 11), raised)
    assert len(in_file.attempts_of([one, two])[one.id]) == 2


def test_what_is_remembered_is_read_again_once_its_tables_were_written_and_not_before(in_file: Ledger) -> None:
    reads = list[str]()

    def held() -> None:
        in_file.remembered("asked", lambda connection: reads.append("read"), (HaltRow,))

    held()
    pending(in_file, 1)
    held()
    assert reads == ["read"]
    in_file.halt("s", "a test")
    held()
    assert reads == ["read"] * 2
    with pytest.raises(RuntimeError), in_file.batch():
        in_file.resume("s", "a test")
        raise RuntimeError
    held()
    assert reads == ["read"] * 3, "what a failed commit left behind, only the disk knows"


def test_the_next_nonce_is_read_anew_after_every_reservation(ledger: Ledger) -> None:
    given = []
    for number in (1, 2, 3):
        given.append(ledger.next_nonce(SENDER))
        assert ledger.next_nonce(SENDER) == given[-1]
        pending(ledger, number)
    assert given == [given[0], given[0] + 1, given[0] + 2]


def test_batches_do_not_nest(ledger: Ledger) -> None:
    with ledger.batch(), pytest.raises(LedgerError, match="batches do not nest"), ledger.batch():
        pass
    with ledger.batch():
        ledger.record_event(Level.INFO, "later")
    assert told(ledger)[-1] == "later"


def test_after_many_commits_the_log_is_emptied_once_nobody_waits(in_file: Ledger, tmp_path: Path) -> None:
    def in_the_database() -> int:
        """How many events are in the file of the database by itself."""
        shutil.copy(tmp_path / "ledger.db", tmp_path / "alone.db")
        with closing(sqlite3.connect(tmp_path / "alone.db")) as alone:
            return int(alone.execute("SELECT count(*) FROM events WHERE name = 'commit'").fetchone()[0])

    with in_file.gathering():
        pass
    for _ in range(_COMMITS_IN_LOG - in_file._commits - 1):
        in_file.halt("dex_arbitrage", "a commit")
    with in_file.gathering():
        in_file.record_event(Level.INFO, "commit")
    assert in_the_database() == 1
    with in_file.gathering():
        in_file.record_event(Level.INFO, "commit")
    assert in_the_database() == 1


def test_a_disk_that_failed_once_is_not_written_to_again(in_file: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*told: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("os.pwrite", failing)
        with pytest.raises(LedgerBroken, match="nothing is sent without it"):
            in_file.record_event(Level.INFO, "first")
    with pytest.raises(LedgerBroken, match="nothing is sent without it"):
        in_file.record_event(Level.INFO, "second")
    assert "second" not in told(in_file)


def test_a_full_disk_is_written_to_again_once_there_is_space(in_file: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*told: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.pwrite", full)
        with pytest.raises(LedgerFull):
            in_file.record_event(Level.INFO, "first")
    in_file.record_event(Level.INFO, "second")
    assert told(in_file)[-1] == "second"


def test_what_is_about_to_leave_waits_for_the_head_file_and_what_is_only_noted_does_not(
    in_file: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fdatasync", synced.append)
    in_file.record_event(Level.INFO, "noted")
    intent = in_file.reserve(atomic_plan(1), SENDER, in_file.next_nonce(SENDER), WORST, FEES)
    assert synced == []
    in_file.record_signed(intent.id, b"raw", hash_of("tx", 1))
    assert len(synced) == 1
    in_file.mark_sending(intent.id)
    assert len(synced) == 2
    in_file.mark_pending(intent.id)
    assert len(synced) == 2
