"""`isthmus keys`: a keystore is made, opened with the right passphrase only, and never printed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.keys import new_keystore


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text("correct horse battery staple\n")
    path.chmod(0o600)
    return path


def test_a_new_keystore_opens_with_its_passphrase(tmp_path: Path, passphrase_file: Path) -> None:
    keystore = tmp_path / "secrets" / "operator.json"
    options = ["--passphrase-file", str(passphrase_file), "--json"]
    made = CliRunner().invoke(main, ["keys", "new", str(keystore), *options])
    assert made.exit_code == 0, made.stderr
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    opened = CliRunner().invoke(main, ["keys", "check", str(keystore), *options])
    assert orjson.loads(opened.stdout)["address"] == orjson.loads(made.stdout)["address"]


def test_the_passphrase_may_come_by_a_file_descriptor(tmp_path: Path) -> None:
    keystore = tmp_path / "k.json"
    address = new_keystore(keystore, "hunter2", light=True)
    reading, writing = os.pipe()
    os.write(writing, b"hunter2\n")
    os.close(writing)
    opened = CliRunner().invoke(main, ["keys", "check", str(keystore), "--passphrase-fd", str(reading)])
    os.close(reading)
    assert opened.stdout == f"{address} in {keystore}: ok\n"


def test_who_lists_a_keystore_is_told_to_open_it_or_to_list_its_folder(tmp_path: Path) -> None:
    """No key can be made in a folder of a file's name."""
    (tmp_path / "hot.json").write_text("{}")
    result = CliRunner().invoke(main, ["keys", "list", str(tmp_path / "hot.json")])
    assert result.exit_code == 2 and "it is a file" in result.stderr and "keys new" not in result.stderr


def test_a_wrong_passphrase_is_one_line(tmp_path: Path, passphrase_file: Path) -> None:
    keystore = tmp_path / "k.json"
    new_keystore(keystore, "another", light=True)
    result = CliRunner().invoke(main, ["keys", "check", str(keystore), "--passphrase-file", str(passphrase_file)])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert str(keystore) in line and "passphrase" in line


def test_a_keystore_that_cannot_be_imported_from_is_named(tmp_path: Path, passphrase_file: Path) -> None:
    old, spoilt, wrong = tmp_path / "old.json", tmp_path / "spoilt.json", ("--from-passphrase-file", passphrase_file)
    new_keystore(old, "another", light=True)
    spoilt.write_text("{}")
    for source in (old, spoilt, tmp_path / "gone.json"):
        words = ("keys", "import", tmp_path / "new.json", "--from-keystore", source, *wrong)
        result = CliRunner().invoke(main, [*map(str, words), "--passphrase-file", str(passphrase_file)])
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.count(str(source)) == 1


def test_a_passphrase_that_others_may_read_is_refused(tmp_path: Path, passphrase_file: Path) -> None:
    passphrase_file.chmod(0o644)
    result = CliRunner().invoke(main, ["keys", "new", str(tmp_path / "k"), "--passphrase-file", str(passphrase_file)])
    assert result.exit_code == 2
    assert f"run `chmod 600 {passphrase_file}`" in result.stderr
    assert not (tmp_path / "k").exists()


def test_a_keystore_is_never_overwritten(tmp_path: Path, passphrase_file: Path) -> None:
    keystore = tmp_path / "k.json"
    keystore.write_text("mine")
    result = CliRunner().invoke(main, ["keys", "new", str(keystore), "--passphrase-file", str(passphrase_file)])
    assert result.exit_code == 2
    assert keystore.read_text() == "mine"
