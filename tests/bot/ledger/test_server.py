"""A ledger in a database server: others use the server too, set it as they like, and take it away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from bot.ledger.backup import backup
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError, LedgerFull, LedgerSilent, explained
from bot.ledger.ledger import Ledger
from bot.ledger.patience import Patient
from bot.ledger.reading import events
from tests.bot.ledger.given import StandingClock, open_ledger
from tests.postgres import Postgres


@pytest.fixture
def url(server: tuple[Postgres, str]) -> Iterator[str]:
    """Where a ledger ready to trade is, that nobody has open."""
    running, template = server
    name = running.database(template)
    yield running.url(name)
    running.drop(name)


@pytest.fixture
def person(url: str) -> Iterator[psycopg.Connection]:
    """Somebody else at the same database."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        yield connection


def test_what_is_proven_beside_a_run_is_what_stood_at_one_moment(on_server: Ledger) -> None:
    with closing(_view(on_server)) as view, _once_seals_are_read(lambda: _note(on_server)):
        found = view.verified()
    assert found.whole and found.head.id < on_server.verified().head.id


def test_a_server_that_never_counted_the_rows_of_a_ledger_does_so_before_it_is_traded_on(url: str) -> None:
    with closing(open_ledger(url, start=False)) as ledger, ledger._writer.begin() as connection:
        connection.exec_driver_sql("UPDATE pg_class SET reltuples = -1 WHERE oid = 'postings'::regclass")
    with closing(open_ledger(url, start=False)) as ledger, ledger.read() as connection:
        counted = connection.exec_driver_sql("SELECT reltuples FROM pg_class WHERE oid = 'postings'::regclass")
        there = connection.exec_driver_sql("SELECT count(*) FROM postings")
        assert counted.scalar_one() == there.scalar_one() > 0


def test_a_server_that_goes_while_a_ledger_is_proven_is_no_damage(on_server: Ledger) -> None:
    def cut_off() -> None:
        with on_server._writer.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with closing(_view(on_server)) as view, _once_seals_are_read(cut_off), pytest.raises(LedgerError):
        view.verified()
    assert on_server.verified().whole


def test_a_backup_holds_no_whole_table_in_memory(on_server: Ledger, tmp_path: Path) -> None:
    by_parts = dict[str, bool]()

    def look(connection: Connection, cursor: object, statement: str, *_: Any) -> None:
        if connection.dialect.name == "postgresql" and "ORDER BY" in statement:
            by_parts[statement] = isinstance(cursor, psycopg.ServerCursor)

    event.listen(Engine, "before_cursor_execute", look)
    try:
        backup(on_server._writer.url.render_as_string(hide_password=False), tmp_path / "copy.sqlite3")
    finally:
        event.remove(Engine, "before_cursor_execute", look)
    assert by_parts and all(by_parts.values())


def test_a_commit_is_on_the_disk_whatever_the_server_is_set_to(url: str, person: psycopg.Connection) -> None:
    for asked, kept in (("off", "local"), ("on", "on"), ("remote_apply", "remote_apply")):
        person.execute(f"ALTER DATABASE {person.info.dbname} SET synchronous_commit = {asked}".encode())
        person.commit()
        with closing(_opened(url)) as ledger, ledger._writer.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == kept


def test_who_waited_for_his_turn_goes_on_from_what_was_committed_before_it(
    url: str, person: psycopg.Connection
) -> None:
    """Also where the server lets transactions see only what was there when they began."""
    person.execute(
        f"ALTER DATABASE {person.info.dbname} SET default_transaction_isolation = 'repeatable read'".encode()
    )
    person.commit()
    with closing(_opened(url)) as ledger, closing(_opened(url)) as other, ThreadPoolExecutor() as beside:
        with ledger.batch():
            _note(ledger)
            waiting = beside.submit(_note, other)
            while not waiting.done() and not _somebody_waits(person):
                pass
        waiting.result()
        assert ledger.verified().whole


@pytest.mark.parametrize("held", ["SELECT * FROM leases FOR UPDATE", "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"])
def test_nobody_else_at_the_server_keeps_a_run_standing_still(
    url: str, person: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    monkeypatch.setattr("bot.ledger.database.BUSY_TIMEOUT_MS", 50)
    with closing(_opened(url)) as ledger:
        person.execute(held.encode())
        with pytest.raises(LedgerError, match="another process is writing to it, or holds its tables"):
            _note(ledger)
        person.rollback()
        _note(ledger)


def test_who_stands_still_in_the_middle_of_writing_keeps_nobody_from_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(_opened(url)) as still, closing(_opened(url)) as other:
        with pytest.raises(LedgerError), ExitStack() as turn:
            with monkeypatch.context() as soon:
                soon.setattr("bot.ledger.lease.LEASE_MS", 50)
                turn.enter_context(still.batch())
            other.record_event(Level.INFO, "written", "by another")
            still.record_event(Level.INFO, "written", "by who stood still")
        assert [found.detail for found in events(other)] == ["by another"]
        _note(still)


def test_a_server_that_hangs_is_given_up_and_asked_nothing_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[object]()
    with closing(_opened(url)) as ledger, monkeypatch.context() as soon:
        ledger.hold("twin")
        soon.setattr("bot.ledger.patience.LONGEST_S", 0.05)
        with pytest.raises(LedgerSilent, match="its server does not answer"), ledger.read() as connection:
            connection.exec_driver_sql("SELECT pg_sleep(60)")
        soon.setattr(Patient, "wait", lambda *_, **__: asked.append(1))
        for ask in (ledger.accounts, ledger.renew, lambda: _note(ledger)):
            with pytest.raises(LedgerSilent):
                ask()
    assert not asked


def test_a_server_that_ends_a_connection_is_told_as_such(url: str, person: psycopg.Connection) -> None:
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    with closing(_opened(url)) as ledger:
        with pytest.raises(LedgerError, match="its server ended the connection; start again"), ledger.batch():
            person.execute(others, (person.info.dbname,))
            _note(ledger)
        _note(ledger)


def test_a_standby_that_lets_nobody_write_is_named() -> None:
    said = "cannot set transaction read-write mode during recovery"
    with pytest.raises(LedgerError, match="its server is a standby, which lets nobody write"), explained("at a server"):
        raise OperationalError("BEGIN", {}, psycopg.errors.ActiveSqlTransaction(said))


def test_a_full_disk_of_a_server_may_have_space_again() -> None:
    said = 'could not extend file "base/16384/2619": No space left on device\nHINT:  Check free disk space.'
    with pytest.raises(LedgerFull, match="the disk is full; free some space"), explained("at a server"):
        raise OperationalError("INSERT", {}, psycopg.errors.DiskFull(said))


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_all_text_is_refused(server: tuple[Postgres, str], encoding: str) -> None:
    running, _ = server
    name = f"in_{encoding.lower()}"
    with psycopg.connect(running.uri, autocommit=True) as connection:
        locale = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        connection.execute(f"CREATE DATABASE {name} {locale} TEMPLATE template0".encode())
    with pytest.raises(LedgerError, match=f"the database holds text as {encoding}, .* make one with `createdb"):
        Ledger.open(running.url(name), StandingClock())
    running.drop(name)


def _opened(url: str) -> Ledger:
    ledger = open_ledger(url, start=False)
    ledger.attach()
    return ledger


def _view(ledger: Ledger) -> Ledger:
    return Ledger.view(ledger._writer.url.render_as_string(hide_password=False), StandingClock())


def _note(ledger: Ledger) -> None:
    ledger.record_event(Level.INFO, "written", "meanwhile")


@contextmanager
def _once_seals_are_read(act: Callable[[], None]) -> Iterator[None]:
    """`act` after the first statement that reads all seals, which comes before those that read the rows."""
    done = False

    def look(connection: object, cursor: object, statement: str, *_: Any) -> None:
        nonlocal done
        if not done and "FROM seals ORDER BY" in statement and "LIMIT" not in statement:
            done = True
            act()

    event.listen(Engine, "after_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", look)
    assert done


def _somebody_waits(person: psycopg.Connection) -> bool:
    asked = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    found = person.execute(asked, (person.info.dbname,)).fetchone()
    person.rollback()
    return found is not None
