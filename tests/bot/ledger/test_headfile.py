"""The head file by itself: the newest head is read back, and what cannot be written stops everything, by its kind."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.ledger.errors import LedgerBroken, LedgerError, LedgerFull
from bot.ledger.headfile import HeadFile
from bot.ledger.seals import SealHead

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
