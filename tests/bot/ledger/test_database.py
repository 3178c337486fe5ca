"""The database under the ledger: durable, migrated, and clear about what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event

from bot.ledger.database import connect, parse_url, upgrade
from bot.ledger.errors import LedgerError, LedgerFull, LedgerLocked
from bot.ledger.ledger import Ledger
from bot.ledger.models import Base
from tests.bot.ledger.given import StandingClock, atomic_plan, begin, open_ledger
from tests.full import files_of_at_most


def test_models_equal_the_migrated_schema(tmp_path: Path) -> None:
    engine = connect(parse_url(str(tmp_path / "ledger.db")))
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    again = Ledger.open(str(path), StandingClock())
    assert again.attach().network == "twin"
    again.close()


def test_sqlite_waits_syncs_every_commit_and_checks_references(in_file: Ledger) -> None:
    with in_file._writer.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    full = 2
    assert pragmas == {"journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 5000}


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.db: it is not an SQLite database; restore a backup") as caught:
        Ledger.open(str(path), StandingClock())
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_not_told_as_one_that_failed_where_a_ledger_is_opened(tmp_path: Path) -> None:
    """The index of its log finds no space then."""
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    with files_of_at_most(16 * 1024), pytest.raises(LedgerFull, match="the disk is full"):
        Ledger.open(str(path), StandingClock())


def test_a_damaged_page_is_found_when_the_ledger_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    content = bytearray(path.read_bytes())
    page = 4096
    for offset in range(page, len(content), page):
        content[offset : offset + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="corrupt"):
        Ledger.open(str(path), StandingClock())


def test_proving_a_ledger_beside_a_run_keeps_that_run_from_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    read, kept_out = list[str](), list[str]()
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as run:

        def write(connection: object, cursor: object, statement: str, *_: object) -> None:
            read.append(statement)
            try:
                run.execute("BEGIN IMMEDIATE")
                run.execute("ROLLBACK")
            except sqlite3.OperationalError:
                kept_out.append(statement)

        event.listen(Engine, "after_cursor_execute", write)
        try:
            Ledger.open(str(path), StandingClock()).close()
        finally:
            event.remove(Engine, "after_cursor_execute", write)
    of_all_rows = [statement for statement in read if "integrity_check" in statement or "ORDER BY" in statement]
    assert of_all_rows and not set(of_all_rows) & set(kept_out)


def test_a_database_locked_by_another_process_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.ledger.database.BUSY_TIMEOUT_MS", 50)
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerLocked, match="another process is writing to it; stop that one first"):
        ledger.record_plan(atomic_plan(1))
    other.rollback()
    other.close()
    ledger.record_plan(atomic_plan(1))
    ledger.close()


def test_a_full_disk_is_one_line_and_nothing_half_written(in_file: Ledger) -> None:
    with in_file._writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    before = in_file.accounts()
    with pytest.raises(LedgerError, match="the disk is full; free some space"):
        for number in range(200):
            in_file.record_plan(atomic_plan(number))
    assert in_file.accounts() == before


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("/no/such/folder/ledger.db", "the file cannot be opened; check that its folder exists"),
        ("nonsense://x/y", "^nonsense://…: not a database URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_place_that_cannot_hold_a_ledger_is_refused_with_the_reason(url: str, complaint: str) -> None:
    with pytest.raises(LedgerError, match=complaint):
        Ledger.open(url, StandingClock())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://bot:planted@127.0.0.1:1/ledger",
        "postgresql+psycopg://127.0.0.1:1/ledger?user=bot&password=planted",
        "postgres://bot:planted@127.0.0.1:1/ledger",
        "postgresql+psycopg://bot:planted@127.0.0.1:port/ledger",
    ],
)
def test_no_refusal_says_the_password_of_a_server(url: str) -> None:
    with pytest.raises(LedgerError, match=r"^(ledger )?postgres\S*:") as caught:
        Ledger.open(url, StandingClock())
    assert "planted" not in str(caught.value)


def test_a_view_reads_beside_the_writer_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path)
    view = Ledger.view(str(path), StandingClock())
    view.attach()
    assert view.accounts() == ledger.accounts()
    with pytest.raises(LedgerError, match="read-only"):
        view.record_plan(atomic_plan(1))
    view.close()
    ledger.close()


def test_a_view_of_what_is_not_there_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no such file; a run creates it"):
        Ledger.view(str(tmp_path / "ledger.db"), StandingClock())
    assert os.listdir(tmp_path) == []
    sqlite3.connect(tmp_path / "empty.db").close()
    view = Ledger.view(str(tmp_path / "empty.db"), StandingClock())
    with pytest.raises(LedgerError, match="it holds no ledger; a run creates one"):
        view.attach()
    view.close()


def test_a_server_whose_driver_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match="the driver psycopg is missing; install it with pip"):
        Ledger.open("postgresql+psycopg://isthmus@localhost/ledger", StandingClock())


def test_a_batch_is_one_transaction_and_leaves_nothing_behind_when_it_fails(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.batch():
        ledger.record_plan(atomic_plan(1))
        raise ZeroDivisionError
    with pytest.raises(LedgerError, match="is not in the ledger"):
        ledger.record_opportunity("dex_arbitrage", "WETH > USDT > WETH", 1, atomic_plan(1).id)
    with ledger.batch():
        ledger.record_plan(atomic_plan(1))
        ledger.record_opportunity("dex_arbitrage", "WETH > USDT > WETH", 1, atomic_plan(1).id)


def test_rows_need_a_run(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db", start=False)
    assert not ledger.begun and ledger.head_s == 0
    with pytest.raises(LedgerError, match="no run was started"):
        ledger.record_plan(atomic_plan(1))
    with pytest.raises(LedgerError, match=r"does not hold run 9{30};"):
        ledger.attach(int("9" * 30))
    with pytest.raises(LedgerError, match="does not hold any run"):
        ledger.attach()
    begin(ledger)
    assert ledger.begun
    ledger.record_plan(atomic_plan(1))
    ledger.close()


def test_importing_the_ledger_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Ledger(connect(parse_url("ledger.db")), connect(parse_url("ledger.db"), read_only=True), StandingClock()).close()
    assert os.listdir(tmp_path) == []
