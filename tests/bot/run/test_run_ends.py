"""How a run ends: asked once or twice, or without one of the processes it stands on. Nothing is ever left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.config.options import Quiet
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.run.ending import Stopping
from tests.bot.running import Isthmus, twin_config

A_TRADE = r" (settled|hedged) "


@pytest.fixture(autouse=True)
def hears_its_terminal() -> Iterator[None]:
    """As a run does that is started from a terminal, whatever these tests were started by."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def _running(folder: Path, *words: str) -> Isthmus:
    twin_config(folder)
    return Isthmus(folder, "run", *words)


def test_asked_once_a_run_brings_home_what_is_in_flight_and_proves_its_ledger(tmp_path: Path) -> None:
    """A simulator that died before is no reason not to: it is started again, and nothing unsimulated is sent."""
    with _running(tmp_path, "--json") as run:
        run.until(A_TRADE)
        run.kill("--fork-url")
        run.until(rf"(?s){A_TRADE}.*{A_TRADE}")
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 0
    assert "stopping: what is in flight is brought home first" in run.stderr
    summary = run.document()
    assert summary["ledger_equals_chain"] is True
    assert (summary["in_flight"], summary["trouble"]) == (0, None)
    assert (summary["reverted"], summary["not_as_simulated"]) == (0, 0)
    assert run.errors() == []


def test_asked_twice_a_run_stops_where_it_stands(tmp_path: Path) -> None:
    with _running(tmp_path) as run:
        run.until(A_TRADE)
        run.process.send_signal(signal.SIGINT)
        run.until("stopping:")
        run.process.send_signal(signal.SIGINT)
        assert run.end() in (0, 130), "it may have been done already"
    assert run.process.returncode == 0 or run.errors() == ["stopped"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_asked_twice_it_stops_where_it_stands_though_its_loop_hears_nothing(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), Stopping(Quiet()) as stopping:
        stopping.trading = True
        for _ in range(2):
            os.kill(os.getpid(), number)
        while True:  # as a strategy that never returns
            pass


async def test_a_signal_that_was_heard_is_not_counted_with_the_next(tmp_path: Path) -> None:
    with Stopping(Quiet()) as stopping:
        stopping.trading = True
        os.kill(os.getpid(), signal.SIGINT)
        await stopping.asked.wait()
        with pytest.raises(asyncio.CancelledError):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
def test_asked_while_it_opens_a_run_ends_at_once_and_leaves_no_folder(tmp_path: Path, asked: signal.Signals) -> None:
    with _running(tmp_path) as run:
        run.until("twin: chain")
        run.process.send_signal(asked)
        assert run.end(15) == 130
    assert run.errors() == ["stopped"]


async def test_a_closed_terminal_is_heard_once_however_often_it_is_said() -> None:
    with Stopping(Quiet()) as stopping:
        stopping.trading = True
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.01)
        assert stopping.asked.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(10)


async def test_a_run_under_nohup_does_not_end_with_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Stopping(Quiet()) as stopping:
        stopping.trading = True
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stopping.asked.wait(), 10)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("killed", "told"),
    [
        ("bot.signer", "the signer's process ended with -9; see "),
        ("chains.twin", "the twin ended by itself (exit code -9); start the run again"),
        ("--load-state", "the twin's node ended by itself; start the twin again"),
    ],
)
def test_without_what_it_stands_on_a_run_ends_with_one_line_and_code_four(
    tmp_path: Path, killed: str, told: str
) -> None:
    with _running(tmp_path, "--json") as run:
        run.until(A_TRADE)
        run.kill(killed)
        assert run.end(30) == 4
    (error,) = run.errors()
    assert error.startswith(told)
    if killed == "bot.signer":
        assert run.document()["ledger_equals_chain"] is True
        assert run.document()["trouble"] == error
    else:
        (ledger_file,) = (tmp_path / "runs").glob("*/ledger.sqlite3")
        ledger = Ledger.view(str(ledger_file), SystemClock())
        ledger.attach()
        assert [event.detail for event in events(ledger) if event.name == "stop"] == [error]
        ledger.close()
