"""`isthmus ledger`: what was written is proved, copied and put back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.signer.journal import Journal
from bot.signer.switch import KillSwitch, Trading
from tests.bot.ledger.given import open_ledger, pending
from tests.bot.signer.making import NOW_S, OPERATOR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(open_ledger(tmp_path / "ledger.sqlite3")) as ledger:
        pending(ledger, 1)
    return tmp_path / "ledger.sqlite3"


def _ledger(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["ledger", *map(str, arguments)])


def test_a_whole_ledger_is_said_to_be_whole(path: Path) -> None:
    result = _ledger("verify", "--ledger", path)
    assert result.exit_code == 0, result.stderr
    assert "each as it was written" in result.stdout
    assert orjson.loads(_ledger("verify", "--ledger", path, "--json").stdout)["faults"] == []


def test_the_first_bad_row_is_named(path: Path) -> None:
    _damage(path)
    result = _ledger("verify", "--ledger", path)
    assert result.exit_code == 1
    assert result.stdout.startswith("first bad row: intents row 1: is not what seal ")
    (fault,) = orjson.loads(_ledger("verify", "--ledger", path, "--json").stdout)["faults"]
    assert (fault["table"], fault["row"]) == ("intents", "1")


def test_the_signers_journal_beside_the_ledger_is_proved_with_it(path: Path) -> None:
    beside = path.with_name(f"signer-{OPERATOR}.db")
    with Journal(beside) as journal:
        journal.note(NOW_S, "resumed", "dex")
        (used,) = orjson.loads(_ledger("verify", "--ledger", path, "--json").stdout)["signers"]
        assert (used["in_use"], used["whole"]) == (True, True)
    result = _ledger("verify", "--ledger", path)
    assert result.exit_code == 0 and f"{beside}: 1 rows, each as it was written" in result.stdout
    with closing(sqlite3.connect(beside)) as database:
        database.execute("DELETE FROM audit")
        database.commit()
    assert "audit 1 is gone" in _ledger("verify", "--ledger", path).stderr
    assert _ledger("verify", "--ledger", path, "--accept").exit_code == 1


def test_a_lost_head_file_is_accepted_only_by_saying_so(path: Path) -> None:
    path.with_name("ledger.sqlite3-head").unlink()
    refused = _ledger("verify", "--ledger", path)
    assert refused.exit_code == 4 and "--accept" in refused.stderr
    assert _ledger("verify", "--ledger", path, "--accept").exit_code == 0
    assert _ledger("verify", "--ledger", path).exit_code == 0


def test_a_backup_is_put_back_in_the_place_of_what_was_lost(path: Path, tmp_path: Path) -> None:
    copy, journal = tmp_path / "safe" / "copy.sqlite3", path.parent / "signer" / f"signer-{OPERATOR}.db"
    assert "no signer's journal" in _ledger("backup", tmp_path / "none.sqlite3", "--ledger", path).stderr
    journal.parent.mkdir()
    with Journal(journal) as used:
        used.note(NOW_S, "resumed", "dex")
        assert "1 rows, verified" in _ledger("backup", copy, "--ledger", path).stdout
    path.unlink()
    journal.unlink()
    result = _ledger("restore", copy, "--to", path)
    assert result.exit_code == 0, result.stderr
    assert "reconciles before it trades" in result.stdout and f"{journal}: 2 rows restored" in result.stdout
    halted = KillSwitch(path.parent / "control").of("dex")
    assert (halted.state, halted.because) == (Trading.HALTED, f"restored from {copy}; reconcile, then resume")
    assert _ledger("verify", "--ledger", path).exit_code == 0
    assert _ledger("restore", copy, "--to", path).exit_code == 4


def test_a_ledger_put_back_without_a_journal_is_said_to_count_all_as_lost(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    _ledger("backup", copy, "--ledger", path)
    path.unlink()
    assert "what was signed counts as lost" in _ledger("restore", copy, "--to", path).stderr
    path.unlink()
    (path.parent / "signer").mkdir()
    Journal(path.parent / "signer" / f"signer-{OPERATOR}.db").close()
    assert "what was signed counts as lost" not in _ledger("restore", copy, "--to", path).stderr


def test_where_there_is_no_backup_nothing_is_halted_and_nothing_is_made(tmp_path: Path) -> None:
    result = _ledger("restore", tmp_path / "none.sqlite3", "--to", tmp_path / "runs" / "ledger.sqlite3")
    assert result.exit_code == 4 and "none.sqlite3: there is no such file" in result.stderr
    assert list(tmp_path.iterdir()) == []


def _damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE intents SET nonce = 9")
        database.commit()
