"""One process writes: a second one is refused at once, and one that slept past its lease cannot write when it wakes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from bot.cli.errors import ExitCode, exit_code
from bot.clock import SystemClock
from bot.ledger.custody import renewing
from bot.ledger.decisions import Level
from bot.ledger.errors import LeaseLost, LedgerBroken, LedgerError, LedgerHeld
from bot.ledger.keylock import account_in_use, key_in_use
from bot.ledger.lease import FileLock, LeaseState, ServerLock, check_free
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.world.world import _open_ledger
from chains.networks import load_network
from tests.bot.ledger.given import SENDER, StandingClock, open_ledger
from tests.postgres import Postgres

LEASE_MS = 400

_WRITER = """\
import sys
from bot.clock import SystemClock
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.lease import LeaseState, check_free
from bot.ledger.ledger import Ledger
ledger = Ledger.open(sys.argv[1], SystemClock())
ledger.hold("twin", int(sys.argv[2]))
ledger.attach()
print("held", flush=True)
for line in sys.stdin:
    try:
        ledger.record_event(Level.INFO, "written", line.strip())
        print("written", flush=True)
    except LedgerError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
"""


@dataclass(frozen=True)
class Writer:
    """A process that holds the ledger, and writes a line to it for each it is told."""

    process: subprocess.Popen[str]

    def write(self, what: str) -> str:
        self.tell(what)
        return self.answer()

    def tell(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def writer(url: str, lease_ms: int = LEASE_MS) -> Iterator[Writer]:
    command = [sys.executable, "-c", _WRITER, url, str(lease_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            started = Writer(process)
            assert started.answer() == "held"
            yield started
        finally:
            process.kill()


@pytest.fixture
def place(url: str) -> str:
    """The URL of a ledger that was made and closed."""
    open_ledger(url).close()
    return url


@pytest.fixture
def file(tmp_path: Path) -> str:
    """As `place`, in SQLite."""
    open_ledger(tmp_path / "ledger.db").close()
    return str(tmp_path / "ledger.db")


def test_a_second_process_is_refused_at_once_and_told_by_whom(place: str) -> None:
    with writer(place, lease_ms=60_000) as first:
        begun = time.monotonic()
        with pytest.raises(LedgerHeld, match=rf":{first.process.pid} writes to it; stop that one first") as refused:
            Ledger.open(place, SystemClock(), hold="twin")
        assert time.monotonic() - begun < 1
        assert exit_code(refused.value) is ExitCode.ENVIRONMENT
        assert first.write("still here") == "written"


def test_a_process_that_was_killed_is_followed_at_once(place: str) -> None:
    with writer(place, lease_ms=60_000) as first:
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        with closing(Ledger.open(place, SystemClock(), hold="twin")) as ledger:
            ledger.attach()
            ledger.record_event(Level.INFO, "written", "by the next one")


def test_a_process_that_slept_past_its_lease_cannot_write_when_it_wakes(place: str) -> None:
    with writer(place) as first:
        os.kill(first.process.pid, signal.SIGSTOP)
        with closing(opened_once_it_is_free(place)) as second:
            second.attach()
            first.tell("I am back")
            os.kill(first.process.pid, signal.SIGCONT)
            assert first.answer().startswith("LeaseLost: ")
            assert f":{os.getpid()} took it over" in first.write("once more")
            second.record_event(Level.INFO, "written", "by the second")
            assert second.verified().whole


def test_another_network_of_the_same_ledger_has_a_lease_of_its_own(file: str) -> None:
    with writer(file), closing(Ledger.open(file, SystemClock(), hold="ethereum")) as other:
        other.attach()
        other.record_event(Level.INFO, "written", "beside the first")


async def test_a_lease_that_is_renewed_does_not_lapse(file: str) -> None:
    clock = StandingClock()
    with closing(Ledger.open(file, clock)) as ledger:
        ledger.hold("twin", LEASE_MS)
        clock.seconds += LEASE_MS / 1000
        ledger.renew()
        with closing(Ledger.open(file, clock)) as other, pytest.raises(LedgerHeld):
            other.hold("twin")
        clock.seconds += LEASE_MS / 1000
        async with renewing(ledger, every_s=0.001):
            await asyncio.sleep(0.05)
        with closing(Ledger.open(file, clock)) as other, pytest.raises(LedgerHeld):
            other.hold("twin")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_ledger_whose_file_is_taken_away_is_written_no_more(file: str, replaced: bool) -> None:
    with closing(Ledger.open(file, StandingClock(), hold="twin")) as ledger:
        ledger.attach()
        ledger.renew()
        Path(file).rename(f"{file}-before")
        if replaced:
            Path(file).write_bytes(Path(f"{file}-before").read_bytes())
        with pytest.raises(LedgerBroken, match="its file was removed or replaced"):
            ledger.renew()
        with pytest.raises(LedgerBroken, match="its file was removed or replaced"):
            ledger.record_event(Level.INFO, "written", "for nobody")


def test_a_ledger_whose_log_is_taken_away_is_written_no_more(file: str) -> None:
    with closing(Ledger.open(file, StandingClock(), hold="twin")) as ledger:
        ledger.attach()
        ledger.renew()
        Path(f"{file}-wal").unlink()
        with pytest.raises(LedgerBroken, match="its file was removed or replaced"):
            ledger.renew()


def test_a_lease_that_is_lost_cannot_be_renewed(file: str) -> None:
    clock = StandingClock()
    with closing(Ledger.open(file, clock)) as ledger:
        ledger.hold("twin", LEASE_MS)
        clock.seconds += 1
        with closing(Ledger.open(file, clock, hold="twin")), pytest.raises(LeaseLost, match="nothing more is written"):
            ledger.renew()


@pytest.fixture
def own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other runs on this machine use its own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.mark.usefixtures("own_places")
def test_a_service_and_a_login_do_not_use_one_key_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "login").mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with key_in_use("0xgenesis", SENDER):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "login"))
        with pytest.raises(LedgerHeld, match=f"process {os.getpid()} on this machine trades with it"):
            key_in_use("0xgenesis", SENDER).__enter__()
    with key_in_use("0xgenesis", SENDER):
        pass


@pytest.mark.usefixtures("own_places")
def test_a_key_is_used_by_one_process_on_a_machine() -> None:
    with key_in_use("0xgenesis", SENDER):
        with pytest.raises(LedgerHeld, match=f"process {os.getpid()} on this machine trades with it"):
            key_in_use("0xgenesis", SENDER).__enter__()
        with key_in_use("0xother", SENDER):
            pass
    with key_in_use("0xgenesis", SENDER):
        pass


@pytest.mark.usefixtures("own_places")
def test_an_account_at_an_exchange_is_used_by_one_run_on_a_machine() -> None:
    with account_in_use("binance", "binance|{}", "key"):
        with pytest.raises(LedgerHeld, match="a sub-account there with a key of its own"):
            account_in_use("spot", "binance|{}", "key").__enter__()
        with account_in_use("okx", "okx|{}", "key"), account_in_use("binance", "binance|{}", "another"):
            pass
    with account_in_use("binance", "binance|{}", "key"):
        pass


def opened_once_it_is_free(url: str) -> Ledger:
    deadline = time.monotonic() + 10
    while True:
        try:
            return Ledger.open(url, SystemClock(), hold="twin")
        except LedgerHeld:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_lease_ends_at_its_time_and_not_before() -> None:
    lease = LeaseState(1, "somebody", expires_ms=100)
    check_free("a ledger", lease, 100, lives=True)
    check_free("a ledger", lease, 0, lives=False)
    with pytest.raises(LedgerHeld, match=r"process somebody writes to it; .* wait 1 s if it hangs"):
        check_free("a ledger", lease, 99, lives=True)
    with pytest.raises(LedgerHeld, match="wait 3 s if it hangs"):
        check_free("a ledger", LeaseState(1, "somebody", expires_ms=2_500), 0, lives=True)


def test_who_stands_still_for_ten_seconds_is_followed_and_not_a_moment_sooner(file: str) -> None:
    clock = StandingClock()
    with closing(Ledger.open(file, clock)) as first:
        first.hold("twin")
        clock.seconds += 9.999
        with pytest.raises(LedgerHeld):
            Ledger.open(file, clock, hold="twin")
        clock.seconds += 0.001
        first.attach()
        with closing(Ledger.open(file, clock, hold="twin")), pytest.raises(LeaseLost, match="took it over"):
            first.halt("dex_arbitrage", "too late")


def test_a_start_ends_no_run_that_stands_still_before_it_has_its_keys(file: str, tmp_path: Path) -> None:
    with closing(Ledger.open(file, clock := StandingClock())) as first:
        first.hold("ethereum")
        clock.seconds += 10
        opened = partial(_open_ledger, file, tmp_path, load_network("ethereum"), tmp_path / "run", clock)
        (tmp_path / "run").mkdir()
        opened().close()
        first.attach()
        first.halt("dex_arbitrage", "it is awake again")
        with closing(opened()) as follows, pytest.raises(LeaseLost, match="took it over"):
            follows.hold("ethereum")
            first.resume("dex_arbitrage", "too late")


def test_who_is_refused_need_not_wait_until_every_row_is_read(file: str) -> None:
    with closing(Ledger.open(file, StandingClock(), hold="twin")):
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("UPDATE senders SET first_nonce = first_nonce + 1")
        with pytest.raises(LedgerHeld):
            Ledger.open(file, StandingClock(), hold="twin")


def test_who_could_not_open_a_ledger_holds_nothing_of_it(file: str) -> None:
    Ledger.open(file, StandingClock(), hold="twin").close()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE senders SET first_nonce = first_nonce + 1")
    with pytest.raises(LedgerError, match="nothing is traded on it") as refused:
        Ledger.open(file, StandingClock(), hold="twin")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE senders SET first_nonce = first_nonce - 1")
    # The refusal is still being looked at.
    Ledger.open(file, StandingClock(), hold="twin").close()
    assert refused.value


def test_the_lock_is_its_owners_alone_and_no_link_to_another_file(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire() and stat.S_IMODE(lock.path.stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileLock(tmp_path / "link").acquire()
    lock.release()


def test_asking_for_a_lock_that_another_has_leaves_no_file_open(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire() and first.acquire()
    opened = len(os.listdir("/proc/self/fd"))
    assert not any(second.acquire() for _ in range(5))
    assert len(os.listdir("/proc/self/fd")) == opened
    first.release()
    assert second.acquire() and not first.acquire()
    second.release()


def test_a_servers_lock_goes_from_one_to_the_next_whatever_its_name(on_server: Ledger) -> None:
    for name in ("twin", "ethereum", "base", "arbitrum", "optimism"):
        first, second = (ServerLock(on_server._writer, name) for _ in range(2))
        other = ServerLock(on_server._writer, f"{name}-2")
        assert first.acquire() and first.acquire() and not second.acquire() and other.acquire()
        connection = first._connection
        first.release()
        first.release()
        assert connection is not None and connection.closed
        assert second.acquire() and not first.acquire()
        second.release()
        other.release()


def test_who_holds_a_ledger_still_does_once_its_server_was_restarted(
    on_server: Ledger, server: tuple[Postgres, str]
) -> None:
    url = on_server._writer.url.render_as_string(hide_password=False)
    on_server.hold("ethereum")
    with psycopg.connect(server[0].uri, autocommit=True) as connection:
        # As by a restart, and by whoever cuts off connections over which nothing was said for long.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s",
            [on_server._writer.url.database],
        )
    on_server.renew()
    with pytest.raises(LedgerHeld):
        Ledger.open(url, StandingClock(), hold="ethereum")
    on_server.record_event(Level.INFO, "written", "")


def test_on_a_server_one_writer_waits_for_the_other(on_server: Ledger) -> None:
    url = on_server._writer.url.render_as_string(hide_password=False)
    with closing(Ledger.open(url, StandingClock())) as other:
        other.attach()
        with ThreadPoolExecutor(1) as pool:
            with on_server.batch():
                on_server.record_event(Level.INFO, "first")
                second = pool.submit(other.record_event, Level.INFO, "second")
                with pytest.raises(TimeoutError):
                    second.result(0.2)
                on_server.record_event(Level.INFO, "first again")
            second.result(10)
        assert [event.name for event in events(other)][:3] == ["second", "first again", "first"]
