from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.replay.opening import copy_ledger, keep_ledger, unkept
from tests.bot.execution.given import begin, cycle, open_ledger, pending
from tests.bot.ledger.given import StandingClock
from tests.full import files_of_at_most


def test_a_replay_stands_on_what_a_ledger_that_went_on_knew_before_the_run(tmp_path: Path) -> None:
    with closing(open_ledger(tmp_path / "ledger.sqlite3")) as ledger:
        known = pending(ledger, cycle())
        keep_ledger(tmp_path, tmp_path / "ledger.sqlite3")
        pending(ledger, cycle(11))
    copy_ledger(tmp_path, tmp_path / "copy.sqlite3")
    with closing(Ledger.open(str(tmp_path / "copy.sqlite3"), StandingClock())) as copy:
        begin(copy)
        assert [intent.id for intent in copy.open_intents()] == [known.id]


def test_what_cannot_be_kept_beside_a_recording_is_said_in_one_line(tmp_path: Path) -> None:
    open_ledger(tmp_path / "ledger.sqlite3").close()
    with files_of_at_most(1 << 15), pytest.raises(LedgerError, match=r"^ledger .*earlier\.ledger: the disk"):
        keep_ledger(tmp_path, tmp_path / "ledger.sqlite3")


def test_a_ledger_that_would_fill_the_disk_is_not_kept_beside_a_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger.sqlite3"
    open_ledger(ledger).close()
    for free, kept in ((4 * ledger.stat().st_size - 1, False), (4 * ledger.stat().st_size, True)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        folder = tmp_path / str(free)
        folder.mkdir()
        why = keep_ledger(folder, ledger)
        assert ("cannot be replayed" in why) is not kept and unkept(folder) == why
        assert (folder / "earlier.ledger").exists() is kept


def test_a_ledger_that_did_not_outlive_its_run_is_begun_anew(tmp_path: Path) -> None:
    copy_ledger(tmp_path, tmp_path / "copy.sqlite3")
    assert not list(tmp_path.iterdir())
