"""A file put in the place of another is there as a whole, or the other is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from chains.files import put_whole


def test_what_is_put_keeps_the_rights_of_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    file.write_bytes(b"before")
    file.chmod(0o640)
    put_whole(file, b"after")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"after", 0o640)


def test_what_cannot_be_put_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept.json"
    file.write_bytes(b"before")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        put_whole(file, b"after")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"before"]
