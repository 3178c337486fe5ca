"""Every row is what it was: whatever changes in a ledger without the bot's doing is found, and named."""

from __future__ import annotations

import shutil
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.seals import GENESIS, as_text, following
from tests.bot.ledger.given import (
    FEES,
    NATIVE,
    StandingClock,
    atomic_plan,
    bumped,
    hash_of,
    open_ledger,
    pending,
    receipt,
)

Edit = Callable[[sqlite3.Connection], object]

_EDITS = {
    "a nonce": "UPDATE intents SET nonce = 7 WHERE id = 2",
    "a state": "UPDATE intents SET state = 'final' WHERE id = 1",
    "signed bytes": "UPDATE attempts SET raw = x'00' WHERE id = 1",
    "an amount": "UPDATE postings SET units = '5' WHERE id = 3",
    "an amount's spelling": "UPDATE postings SET units = '0' || units WHERE id = 3",
    "an amount's type": "UPDATE postings SET units = CAST(units AS BLOB) WHERE id = 3",
    "a column that was empty": "UPDATE intents SET gas_used = x'00' WHERE id = 1",
    "an event": "UPDATE events SET detail = 'nothing happened' WHERE id = 1",
    "a row's key": "UPDATE events SET id = 99 WHERE id = 1",
    "a row that is gone": "DELETE FROM attempts WHERE id = 2",
    "a row from elsewhere": "INSERT INTO senders VALUES ('0xgenesis', '0x00', 3)",
    "what a seal held": "UPDATE seals SET content = replace(content, 'pending', 'mined') WHERE relation = 'intents'",
    "a seal's hash": "UPDATE seals SET hash = zeroblob(32) WHERE id = 5",
    "a seal's number": "UPDATE seals SET id = -5 WHERE id = 5",
    "a seal that is gone": "DELETE FROM seals WHERE id = 9",
    "who may write": "UPDATE leases SET token = 0",
}


@pytest.fixture
def traded(made: Path, tmp_path: Path) -> Path:
    """A closed ledger with two intents, one of them replaced and settled."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path, start=False)) as ledger:
        ledger.attach()
        pending(ledger, 1)
        first = pending(ledger, 2)
        ledger.record_signed(first.id, b"again", hash_of("tx", 3), bumped(FEES))
        ledger.record_mined(first.id, receipt(2), {NATIVE: 0})
        ledger.halt("dex_arbitrage", "for a while")
        ledger.hold("twin")
    return path


def test_a_ledger_that_nobody_touched_is_whole(traded: Path) -> None:
    with closing(Ledger.open(str(traded), StandingClock())) as ledger:
        found = ledger.verified()
        assert found.whole and found.rows > 30 and found.head.id > 40


@pytest.mark.parametrize("what", _EDITS)
def test_an_edit_by_hand_stops_the_start(traded: Path, what: str) -> None:
    edit(traded, lambda database: database.execute(_EDITS[what]))
    with pytest.raises(LedgerError, match="nothing is traded on it") as caught:
        Ledger.open(str(traded), StandingClock())
    assert "\n" not in str(caught.value)


def test_how_far_the_verification_is_is_told_and_ends_whole(traded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.ledger.verify._TOLD_EVERY", 3)
    told: list[tuple[int, int]] = []
    with closing(Ledger.view(str(traded), StandingClock())) as view:
        view.verified(lambda done, total: told.append((done, total)))
    *going_on, (done, total) = told
    assert len(going_on) > 5 and all(before < least for before, least in going_on)
    assert [before for before, _ in told] == sorted(before for before, _ in told) and done == total


def test_the_first_bad_row_is_named(traded: Path) -> None:
    def three(database: sqlite3.Connection) -> None:
        database.execute("UPDATE postings SET units = '5' WHERE id IN (3, 8)")
        database.execute("UPDATE events SET detail = '' WHERE id = 1")

    edit(traded, three)
    with closing(Ledger.view(str(traded), StandingClock())) as ledger:
        first, second, third = ledger.verified().faults
    assert str(first).startswith("postings row 3: is not what seal ")
    assert [(fault.relation, fault.row) for fault in (second, third)] == [("postings", "8"), ("events", "1")]


@pytest.mark.parametrize(
    ("what", "row", "said"),
    [
        ("UPDATE seals SET content = x'ff' WHERE id = 9", "", "cannot be read"),
        ("DELETE FROM seals WHERE id = 9", "9", "is gone; 10 follows 8"),
        ("UPDATE seals SET content = 'another' WHERE id = 9", "9", "holds another content than it sealed"),
        ("UPDATE seals SET hash = zeroblob(32) WHERE id = 9", "9", "does not follow from the seal before it"),
    ],
)
def test_a_seal_that_is_not_what_it_was_is_told_by_its_number(traded: Path, what: str, row: str, said: str) -> None:
    edit(traded, lambda database: database.execute(what))
    with closing(Ledger.view(str(traded), StandingClock())) as ledger:
        fault = next(fault for fault in ledger.verified().faults if fault.relation == "seals")
    assert (fault.row, fault.seal) == (row, 9) and said in str(fault)


def test_what_no_seal_knows_is_told_after_what_seals_contradict(traded: Path) -> None:
    def both(database: sqlite3.Connection) -> None:
        database.execute(_EDITS["a row from elsewhere"])
        database.execute(_EDITS["an event"])

    edit(traded, both)
    with closing(Ledger.view(str(traded), StandingClock())) as ledger:
        known, unknown = ledger.verified().faults
    assert known.relation == "events" and known.seal > 0
    assert (unknown.relation, unknown.seal) == ("senders", 0)


def test_a_table_that_is_gone_is_told_and_so_are_its_rows(traded: Path) -> None:
    edit(traded, lambda database: database.execute("ALTER TABLE halts RENAME TO elsewhere"))
    with closing(Ledger.view(str(traded), StandingClock())) as ledger:
        found = ledger.verified()
    assert [(fault.relation, fault.row) for fault in found.faults] == [("halts", "1"), ("halts", "")]
    known, unread = found.faults
    assert str(known) == f"halts row 1: is gone; seal {known.seal} knows it"
    assert str(unread) == "halts: cannot be read: no such table: halts" and unread.seal == found.head.id + 1


def test_rows_of_the_books_cannot_be_changed_by_mistake(ledger: Ledger) -> None:
    for act in ("UPDATE postings SET units = units", "DELETE FROM entries", "DELETE FROM seals"):
        with pytest.raises(Exception, match="are only ever added"), ledger._writer.begin() as connection:
            connection.execute(text(act))


def test_a_tail_that_is_lost_is_known_by_the_head_file(traded: Path) -> None:
    before = traded.read_bytes()
    with closing(open_ledger(traded, start=False)) as ledger:
        ledger.attach()
        pending(ledger, 9)
    traded.write_bytes(before)
    with pytest.raises(LedgerError, match=r"its newest \d+ changes are lost: .* restore a backup"):
        Ledger.open(str(traded), StandingClock())


def test_a_crash_between_commit_and_head_file_is_recognised_as_one(traded: Path) -> None:
    head_file = traded.with_name("ledger.db-head")
    before = head_file.read_bytes()
    with closing(open_ledger(traded, start=False)) as ledger:
        ledger.attach()
        ledger.record_plan(atomic_plan(9))
    head_file.write_bytes(before)
    with closing(Ledger.open(str(traded), StandingClock())) as ledger:
        assert ledger.behind == 1
        assert ledger.verified().whole
    with closing(Ledger.open(str(traded), StandingClock())) as ledger:
        assert ledger.behind == 0


def test_a_crash_at_the_first_seal_of_all_leaves_a_ledger_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: Ledger, progress: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("bot.ledger.ledger.Ledger._check_rows", crash)
        Ledger.open(str(tmp_path / "ledger.db"), StandingClock())
    with closing(Ledger.open(str(tmp_path / "ledger.db"), StandingClock())) as ledger:
        assert ledger.verified().whole


def test_another_ledger_in_the_place_of_this_one_is_noticed(traded: Path, made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(made, other)
    with closing(open_ledger(other / "ledger.db", start=False)) as ledger:
        ledger.attach()
        for number in range(60):
            ledger.record_plan(atomic_plan(number))
    shutil.copy(other / "ledger.db", traded)
    with pytest.raises(LedgerError, match="they do not belong together"):
        Ledger.open(str(traded), StandingClock())


@pytest.mark.parametrize("damage", [b"", b"\xff" * 1024, b"7 abc 00000000\n"])
def test_a_damaged_head_file_stops_the_start_until_a_person_accepts(traded: Path, damage: bytes) -> None:
    traded.with_name("ledger.db-head").write_bytes(damage)
    with pytest.raises(LedgerError, match=r"it is damaged; .* ledger verify --accept"):
        Ledger.open(str(traded), StandingClock())
    with closing(Ledger.view(str(traded), StandingClock())) as ledger:
        assert ledger.accept().whole
    Ledger.open(str(traded), StandingClock()).close()


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_an_older_copy_put_back_stops_the_start_until_a_person_accepts(lost: int, traded: Path) -> None:
    older = traded.read_bytes()
    with closing(Ledger.open(str(traded), StandingClock())) as ledger:
        ledger.attach()
        for number in range(lost):
            ledger.record_plan(atomic_plan(1000 + number))
    traded.write_bytes(older)
    with pytest.raises(LedgerError, match=r"newest \d+ changes are lost: .* ledger verify --accept"):
        Ledger.open(str(traded), StandingClock())
    with closing(Ledger.view(str(traded), StandingClock())) as ledger:
        assert ledger.accept().whole
    Ledger.open(str(traded), StandingClock()).close()


def test_a_head_file_that_is_gone_stops_the_start(traded: Path) -> None:
    traded.with_name("ledger.db-head").unlink()
    with pytest.raises(LedgerError, match="it is missing; put it back, or"):
        Ledger.open(str(traded), StandingClock())


def test_nothing_is_accepted_that_is_not_whole(traded: Path) -> None:
    edit(traded, lambda database: database.execute(_EDITS["an amount"]))
    head_file = traded.with_name("ledger.db-head")
    head_file.unlink()
    with closing(Ledger.view(str(traded), StandingClock())) as ledger:
        assert not ledger.accept().whole
    assert not head_file.exists()


def test_half_a_write_of_the_head_file_leaves_the_head_before_it(traded: Path) -> None:
    head_file = traded.with_name("ledger.db-head")
    content = head_file.read_bytes()
    numbers = [int(slot.split(b" ")[0]) for slot in (content[:512], content[512:])]
    newer = numbers.index(max(numbers)) * 512
    head_file.write_bytes(content[:newer] + content[newer : newer + 20].ljust(512, b"\xff") + content[newer + 512 :])
    Ledger.open(str(traded), StandingClock()).close()


def test_a_ledger_older_than_its_seals_is_sealed_when_it_is_first_opened(traded: Path) -> None:
    def forget(database: sqlite3.Connection) -> None:
        database.execute("DELETE FROM seals")

    edit(traded, forget)
    traded.with_name("ledger.db-head").unlink()
    with closing(Ledger.open(str(traded), StandingClock())) as ledger:
        found = ledger.verified()
        assert found.whole and found.head.id == found.rows


def test_seals_that_are_gone_altogether_are_not_mistaken_for_an_older_ledger(traded: Path) -> None:
    edit(traded, lambda database: database.execute("DELETE FROM seals"))
    with pytest.raises(LedgerError, match="changes are lost"):
        Ledger.open(str(traded), StandingClock())


def test_a_version_nobody_knows_is_refused_in_one_line(traded: Path) -> None:
    edit(traded, lambda database: database.execute("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="it was made by a newer isthmus, or is damaged") as caught:
        Ledger.open(str(traded), StandingClock())
    assert "\n" not in str(caught.value)


def test_a_seal_depends_on_everything_it_says() -> None:
    said = ("postings", "1", b"d" * 32)
    others = [("entries", "1", b"d" * 32), ("postings", "2", b"d" * 32), ("postings", "1", b"e" * 32)]
    hashes = {following(GENESIS, *what).hash for what in (said, *others)}
    hashes.add(following(following(GENESIS, *said), *said).hash)
    assert len(hashes) == 5


def test_the_first_seal_is_what_it_was_in_every_ledger_that_was_ever_written() -> None:
    first = following(GENESIS, "postings", "1", b"d" * 32)
    assert (first.id, first.hash.hex()) == (1, "d82f4613414a8e7cfe065a16869bea1cd98d7529e529157b5651601a46987378")


def test_seals_are_the_same_on_both_databases(in_file: Ledger, on_server: Ledger) -> None:
    heads = set()
    for ledger in (in_file, on_server):
        first = pending(ledger, 1)
        ledger.record_mined(first.id, receipt(1), {NATIVE: 10**77})
        heads.add(ledger.verified().head)
    assert len(heads) == 1


def edit(path: Path, how: Edit) -> None:
    """As somebody would who means it: what guards the books against mistakes is taken away first."""
    with closing(sqlite3.connect(path)) as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        how(database)
        database.commit()


def test_a_verification_keeps_little_of_each_row(in_file: Ledger) -> None:
    with in_file.batch():
        for _ in range(4_000):
            in_file.record_event(Level.INFO, "head")
    in_file.verified()
    tracemalloc.start()
    found = in_file.verified()
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.whole
    assert most_bytes / found.rows < 250


def test_a_value_reads_the_same_from_every_database_and_no_other_kind_is_sealed() -> None:
    values = ("text", 7, True, Decimal(10) ** 30, b"\x01", memoryview(b"\xff"))
    assert [as_text(value) for value in values] == ["text", "7", "1", "1" + "0" * 30, "0x01", "0xff"]
    with pytest.raises(TypeError, match="a column cannot hold float"):
        as_text(1.5)
