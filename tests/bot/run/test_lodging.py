"""Where a run's signer keeps its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.run.lodging import moved
from bot.signer.journal import Journal


@pytest.mark.parametrize("before_it_ended", [(), ("-head",)])
def test_a_journal_is_moved_whole_also_when_the_move_was_cut_short(
    tmp_path: Path, before_it_ended: tuple[str, ...]
) -> None:
    before, journal = tmp_path / "signer-1.db", tmp_path / "signer" / "signer-1.db"
    with Journal(before) as kept:
        kept.note(1.0, "kept", "")
    journal.parent.mkdir()
    for suffix in before_it_ended:
        before.with_name(before.name + suffix).rename(journal.with_name(journal.name + suffix))
    with Journal(moved(before, journal)) as found:
        assert found.verify() == 1
    assert moved(before, journal) == journal and not before.exists()
