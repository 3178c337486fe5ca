"""A state file that is stale or damaged is noticed, named in one line, and built again."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from chains.twin.build import TwinState, ensure_state
from chains.twin.errors import TwinUnavailable


class BuildBegins(Exception):
    """Stops a build before it costs anything; its text is the reason given for building."""


def _begin(what: str, share: float) -> None:
    raise BuildBegins(what)


@pytest.fixture
def copy(state: TwinState, tmp_path: Path) -> Path:
    for file in (state.state_file, state.manifest_file):
        shutil.copy(file, tmp_path)
    return tmp_path


def _reason(folder: Path) -> str:
    with pytest.raises(BuildBegins) as begun:
        asyncio.run(ensure_state(folder, _begin))
    assert "\n" not in str(begun.value)
    return str(begun.value)


def test_a_whole_and_current_state_is_kept(copy: Path) -> None:
    assert asyncio.run(ensure_state(copy, _begin)).state_file == copy / "state.json"


def test_one_changed_byte_in_the_state_file_is_noticed(copy: Path) -> None:
    with (copy / "state.json").open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)
        file.seek(1_000_000)
        file.write(b"0" if byte != b"0" else b"1")
    assert _reason(copy) == f"building the twin: {copy / 'state.json'} is damaged"


def test_a_truncated_state_file_is_noticed(copy: Path) -> None:
    os.truncate(copy / "state.json", 5_000_000)
    assert "state.json is damaged" in _reason(copy)


@pytest.mark.parametrize("content", [b"", b"not json", b"[1, 2]", b'{"stamp": "x"}', b'{"stamp'])
def test_a_damaged_manifest_is_noticed(copy: Path, content: bytes) -> None:
    (copy / "manifest.json").write_bytes(content)
    assert "manifest.json is damaged" in _reason(copy)


def test_a_state_made_from_something_else_is_noticed(copy: Path) -> None:
    manifest = (copy / "manifest.json").read_text()
    stamp = manifest.split('"stamp": "')[1][:64]
    (copy / "manifest.json").write_text(manifest.replace(stamp, "0" * 64))
    assert "has changed" in _reason(copy)


def test_without_a_state_one_is_built(tmp_path: Path) -> None:
    assert _reason(tmp_path / "new") == f"building the twin: there is none in {tmp_path / 'new'} yet"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TwinUnavailable, match=r"cannot be kept in .*file") as refused:
        asyncio.run(ensure_state(tmp_path / "file", _begin))
    assert "\n" not in str(refused.value)
