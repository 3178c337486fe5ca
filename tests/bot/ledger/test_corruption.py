"""Damage is found before anything is traded on it, and the search itself can fail."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.bot.ledger.corruption import Specimen, Tally, damaged, flip_a_bit, tallies
from tests.conftest import Counted

FLIPS, CUTS, EDITS = 60, 12, 25


def test_every_damage_that_changes_a_row_is_found_when_the_ledger_is_opened(tmp_path: Path, counted: Counted) -> None:
    found = dict(tallies(tmp_path, seed=1, flips=FLIPS, cuts=CUTS, edits=EDITS))
    assert [(kind, tally.missed) for kind, tally in found.items() if tally.missed] == []
    assert sum((tally for tally in found.values()), Tally()).done == FLIPS + CUTS + EDITS
    assert all(tally.visible > tally.done // 6 for tally in found.values())
    visible = sum(tally.visible for tally in found.values())
    counted("corruption", f"{FLIPS + CUTS + EDITS} damages: {visible} of {visible} found that changed a row")


def test_without_seals_flipped_bits_would_be_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.ledger.custody.Custody._check_rows", lambda self, progress: None)
    made = tmp_path / "made"
    made.mkdir()
    tally = damaged(Specimen.closed(made, 6), tmp_path / "scratch", flip_a_bit, random.Random(1), FLIPS // 2)
    assert tally.found < tally.visible
