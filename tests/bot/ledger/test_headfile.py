"""The head file by itself: the newest head is read back, and what cannot be written stops everything, by its kind."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.ledger.errors import LedgerBroken, LedgerError, LedgerFull
from bot.ledger.headfile import HeadFile
from bot.ledger.seals import SealHead
from tests.full import files_of_at_most

FULL = Path("/dev/full")


def _head(number: int) -> SealHead:
    return SealHead(number, bytes([number]) * 32)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[HeadFile]:
    file = HeadFile(tmp_path / "head")
    yield file
    file.close()


def test_the_newest_of_the_heads_is_read_whichever_slot_it_is_in(file: HeadFile) -> None:
    assert file.read() is None
    for number in (1, 2, 3, 4):
        file.write(_head(number), sync=number % 2 == 0)
        assert file.read() == _head(number)
    assert file.path.stat().st_size == 1024


def test_only_its_owner_can_read_it(file: HeadFile) -> None:
    file.write(_head(1), sync=True)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_file_that_was_closed_is_opened_again_by_the_next_head(file: HeadFile) -> None:
    file.write(_head(1), sync=True)
    file.close()
    file.close()
    file.write(_head(2), sync=True)
    assert HeadFile(file.path).read() == _head(2)


def test_a_head_that_is_not_the_ledgers_is_told(file: HeadFile) -> None:
    file.write(_head(7), sync=True)
    file.check_against(_head(7))
    for other in (_head(6), _head(8), SealHead(7, bytes(32))):
        with pytest.raises(LedgerError, match=f"another head than seal {other.id}"):
            file.check_against(other)


def test_a_place_that_is_gone_breaks_the_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerBroken, match="No such file or directory; nothing is sent without it"):
        HeadFile(tmp_path / "nowhere" / "head").write(_head(1), sync=True)


@pytest.mark.skipif(not FULL.exists(), reason="NOT RUN: there is no /dev/full")
def test_a_full_disk_is_told_from_a_broken_one() -> None:
    file = HeadFile(FULL)
    with pytest.raises(LedgerFull, match="No space left on device; nothing is sent without it"):
        file.write(_head(1), sync=False)
    file.close()


def test_a_new_file_is_in_its_folder_for_good_and_one_that_was_there_keeps_what_it_knew(
    file: HeadFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda folder: synced.append(stat.S_ISDIR(os.fstat(folder).st_mode)))
    opened = len(os.listdir("/proc/self/fd"))
    file.write(_head(1), sync=False)
    file.write(_head(2), sync=False)
    assert synced == [False, True] and len(os.listdir("/proc/self/fd")) == opened + 1
    file.close()
    again = HeadFile(file.path)
    again.write(_head(3), sync=False)
    again.close()
    content = file.path.read_bytes()
    assert synced == [False, True] and content.startswith(b"3 ") and content[512:].startswith(b"2 ")


def test_a_head_is_synced_when_it_is_to_be_and_not_otherwise(file: HeadFile, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fdatasync", synced.append)
    for sync, count in ((False, 0), (True, 1), (False, 1)):
        file.write(_head(count + 1), sync=sync)
        assert len(synced) == count


def test_a_head_file_that_finds_no_space_is_not_there_instead_of_damaged(file: HeadFile) -> None:
    with files_of_at_most(0), pytest.raises(LedgerError):
        file.write(_head(1), sync=True)
    assert file.read() is None and list(file.path.parent.iterdir()) == []
    file.write(_head(1), sync=True)
    assert file.read() == _head(1)
