"""A copy is taken while the ledger is in use, is whole or is none, and trades only after it was reconciled."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from bot.ledger.backup import _add, backup, require_empty, require_whole, restore
from bot.ledger.database import connect, parse_url
from bot.ledger.errors import LedgerBroken, LedgerError, explained
from bot.ledger.headfile import HeadFile
from bot.ledger.ledger import Ledger
from bot.ledger.seal_models import SealRow
from bot.ledger.seals import SealHead
from tests.bot.ledger.given import NATIVE, StandingClock, atomic_plan, open_ledger, pending, receipt
from tests.full import files_of_at_most
from tests.postgres import Postgres

_LATER_INDEXES = (
    "ix_intents_asking",
    "ix_results_instance_strategy_id",
    "ix_fills_block_hash",
    "ix_intents_instance_block_number",
    "ix_entries_read",
)


@pytest.fixture
def traded(url: str) -> Iterator[Ledger]:
    """A ledger in use."""
    with closing(open_ledger(url)) as ledger:
        intent = pending(ledger, 1)
        ledger.record_mined(intent.id, receipt(1), {NATIVE: 5})
        yield ledger


def test_a_backup_of_a_ledger_in_use_says_what_it_said_then(traded: Ledger, url: str, tmp_path: Path) -> None:
    head = traded.verified().head
    copied = backup(url, tmp_path / "copy.sqlite3")
    pending(traded, 2)
    assert copied.head == head != traded.verified().head
    with closing(Ledger.open(str(tmp_path / "copy.sqlite3"), StandingClock())) as copy:
        copy.attach()
        assert copy.accounts() == traded.accounts()
        assert len(copy.open_intents()) == 0


def test_a_backup_can_be_read_by_its_owner_only(traded: Ledger, url: str, tmp_path: Path) -> None:
    backup(url, tmp_path / "copy.sqlite3")
    assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("copy.sqlite3*")} == {0o600}


def test_a_backup_taken_while_another_thread_writes_is_whole(traded: Ledger, url: str, tmp_path: Path) -> None:
    with _writing(traded):
        heads = [backup(url, tmp_path / f"copy-{number}.sqlite3").head.id for number in range(3)]
    assert heads == sorted(heads)


def test_what_is_restored_holds_the_same_and_must_be_reconciled(
    traded: Ledger, url: str, tmp_path: Path, server: tuple[Postgres, str]
) -> None:
    backup(url, tmp_path / "copy.sqlite3")
    postgres = server[0]
    for target in (str(tmp_path / "restored.sqlite3"), postgres.url(postgres.database())):
        restore(tmp_path / "copy.sqlite3", target, StandingClock())
        with closing(Ledger.open(target, StandingClock())) as restored:
            restored.attach()
            assert restored.accounts() == traded.accounts()
            assert restored.was_restored and not traded.was_restored
            restored.mark_reconciled()
            assert not restored.was_restored
            pending(restored, 2)
            assert restored.verified().whole


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a[1]b", "a\udcffb"])
def test_a_copy_and_a_ledger_lie_where_they_are_named_whatever_that_name_is(
    in_file: Ledger, tmp_path: Path, name: str
) -> None:
    copy, ledger = tmp_path / f"{name}.copy", tmp_path / name / "ledger.sqlite3"
    ledger.parent.mkdir()
    backup(in_file.where, copy)
    restore(copy, str(ledger), StandingClock())
    for file in (copy, ledger):
        assert file.read_bytes().startswith(b"SQLite format 3")
    assert {each.name for each in tmp_path.iterdir() if each.name.startswith("a")} == {
        name,
        copy.name,
        f"{copy.name}-head",
    }


def test_what_an_earlier_version_wrote_is_proven_copied_and_put_back_as_it_is(
    traded: Ledger, url: str, tmp_path: Path
) -> None:
    accounts, restored = traded.accounts(), tmp_path / "restored.sqlite3"
    traded.close()
    engine = connect(parse_url(url))
    with engine.begin() as connection:
        for index in _LATER_INDEXES:
            connection.exec_driver_sql(f"DROP INDEX {index}")
        connection.exec_driver_sql("DROP TABLE bearings")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0008'")
    backup(url, tmp_path / "copy.sqlite3")
    restore(tmp_path / "copy.sqlite3", str(restored), StandingClock())
    with closing(Ledger.open(str(restored), StandingClock())) as brought_up_to_date:
        brought_up_to_date.attach()
        assert brought_up_to_date.accounts() == accounts
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE orders DROP COLUMN settled_by")
    engine.dispose()
    with closing(Ledger.view(url, StandingClock())) as view:
        assert view.verified().whole


def test_nothing_is_written_over(traded: Ledger, url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    backup(url, copy)
    with pytest.raises(LedgerError, match="there is a file already"):
        backup(url, copy)
    with pytest.raises(LedgerError, match=r"move it away first|make a new database"):
        restore(copy, url, StandingClock())


def test_a_backup_that_is_not_whole_is_not_restored(traded: Ledger, url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    backup(url, copy)
    with closing(sqlite3.connect(copy)) as database:
        database.execute("UPDATE intents SET nonce = 9")
        database.commit()
    with pytest.raises(LedgerError, match="intents row 1: is not what seal"):
        restore(copy, str(tmp_path / "restored.sqlite3"), StandingClock())
    assert not (tmp_path / "restored.sqlite3").exists()


def test_a_damaged_ledger_is_not_backed_up_as_if_it_were_whole(in_file: Ledger, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        database.execute("UPDATE senders SET first_nonce = 9")
        database.commit()
    with pytest.raises(LedgerError, match="senders row"):
        backup(str(tmp_path / "ledger.db"), tmp_path / "copy.sqlite3")
    assert not list(tmp_path.glob("copy*"))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        database.execute("UPDATE senders SET first_nonce = 0")
        database.commit()


def test_where_a_disk_fails_the_backups_is_not_blamed_for_that_of_what_is_put_back(
    in_file: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(in_file.where, tmp_path / "copy.sqlite3")

    def fails(source: URL, *_: object) -> None:
        raise LedgerBroken(f"ledger {source.database}: the disk failed")

    monkeypatch.setattr("bot.ledger.backup._copy_all", fails)
    with pytest.raises(LedgerBroken, match=r"restored\.sqlite3\.part of .*copy\.sqlite3: the disk of one"):
        restore(tmp_path / "copy.sqlite3", str(tmp_path / "restored.sqlite3"), StandingClock())
    assert not (tmp_path / "restored.sqlite3").exists()


def test_a_head_file_that_an_earlier_backup_left_is_none_of_the_new_one(in_file: Ledger, tmp_path: Path) -> None:
    left = HeadFile(tmp_path / "copy.sqlite3-head")
    for number in (10**6, 10**6 + 1):
        left.write(SealHead(number, bytes(32)), sync=False)
    copied = backup(in_file.where, tmp_path / "copy.sqlite3")
    assert require_whole(tmp_path / "copy.sqlite3") == copied


def test_a_folder_that_cannot_be_made_is_named(traded: Ledger, url: str, tmp_path: Path) -> None:
    (tmp_path / "safe").touch()
    with pytest.raises(LedgerError, match=r"safe/copy\.sqlite3: its folder cannot be made"):
        backup(url, tmp_path / "safe" / "copy.sqlite3")


def test_a_place_where_nothing_can_be_written_is_named(traded: Ledger, url: str, tmp_path: Path) -> None:
    (tmp_path / "copy.sqlite3.part").mkdir()
    with pytest.raises(LedgerError, match=r"copy\.sqlite3: nothing can be written there"):
        backup(url, tmp_path / "copy.sqlite3")


def test_a_full_disk_is_said_to_be_the_copys_and_nothing_is_left_there(
    traded: Ledger, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def full(database: str, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(database, *arguments, **options)
        if ".part" in database:
            connection.execute("PRAGMA max_page_count = 1")
            Path(f"{database}-journal").touch()
        return connection

    monkeypatch.setattr(sqlite3, "connect", full)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", full)
    with pytest.raises(LedgerError, match=r"^copy .*copy\.sqlite3\.part: the disk is full; free some space"):
        backup(url, tmp_path / "safe" / "copy.sqlite3")
    assert not list((tmp_path / "safe").iterdir())


def test_what_is_restored_onto_a_full_disk_is_no_part_of_a_ledger(in_file: Ledger, tmp_path: Path) -> None:
    pending(in_file, 1)
    copy, target = tmp_path / "copy.sqlite3", tmp_path / "new" / "ledger.sqlite3"
    backup(in_file.where, copy)
    target.parent.mkdir()
    for most in (0, 8_192, copy.stat().st_size // 2):
        with files_of_at_most(most), pytest.raises(LedgerError):
            restore(copy, str(target), StandingClock())
        assert not list(target.parent.iterdir())
    restore(copy, str(target), StandingClock())
    assert sorted(file.name for file in target.parent.iterdir()) == ["ledger.sqlite3", "ledger.sqlite3-head"]
    with closing(Ledger.open(str(target), StandingClock())) as restored:
        assert restored.was_restored


def test_a_restore_into_a_server_that_was_killed_left_no_ledger_that_trades_unreconciled(
    in_file: Ledger, tmp_path: Path, server: tuple[Postgres, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pending(in_file, 1)
    copy, postgres = tmp_path / "copy.sqlite3", server[0]
    backup(in_file.where, copy)
    name = postgres.database()
    url = postgres.url(name)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for where in ("bot.ledger.backup._copy_rows", "bot.ledger.ledger.Ledger.open"):
        require_empty(url)
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(where, killed)
            restore(copy, url, StandingClock())
    with closing(Ledger.open(url, StandingClock())) as restored:
        assert restored.was_restored
    postgres.drop(name)


def test_what_a_server_does_not_take_of_a_copy_is_told_in_one_line(on_server: Ledger) -> None:
    columns = list(SealRow.__table__.columns)
    engine, nothing = on_server._writer, [(None,) * len(columns)]
    with pytest.raises(LedgerError, match="ledger there: null value"), explained("there"), engine.begin() as connection:
        _add(connection, SealRow.__table__, columns, nothing)  # type: ignore[arg-type]


def test_how_far_a_copy_is_is_told_to_its_end(traded: Ledger, url: str, tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    def tell(what: str, done: int, total: int) -> None:
        told.setdefault(what, []).append((done, total))

    backup(url, tmp_path / "copy.sqlite3", tell)
    restore(tmp_path / "copy.sqlite3", str(tmp_path / "restored.sqlite3"), StandingClock(), None, tell)
    assert "checking the copy" in told
    assert ("copying the ledger" in told) == url.startswith("postgresql")
    for steps in told.values():
        assert steps[-1][0] == steps[-1][1] and all(done <= total for done, total in steps)


def test_a_backup_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no such file; a run creates it"):
        backup(str(tmp_path / "none.sqlite3"), tmp_path / "copy.sqlite3")
    with pytest.raises(LedgerError, match="there is no such file"):
        restore(tmp_path / "none.sqlite3", str(tmp_path / "ledger.sqlite3"), StandingClock())


@contextmanager
def _writing(ledger: Ledger) -> Iterator[None]:
    done = threading.Event()

    def write() -> None:
        number = 100
        while not done.is_set():
            ledger.record_plan(atomic_plan(number))
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
