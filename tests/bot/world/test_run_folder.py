"""A run's folder is called after the moment it began, so that sorting names sorts runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.mode import Mode
from bot.world.world import _run_folder
from chains.networks import load_network


@pytest.fixture
def zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def test_a_later_run_sorts_after_an_earlier_one_whatever_zone_each_began_in(
    tmp_path: Path, zones: pytest.MonkeyPatch
) -> None:
    made = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        zones.setenv("TZ", zone)
        time.tzset()
        made.append(_run_folder(tmp_path, Mode.LIVE, load_network("twin")).name[:15])
    assert made == sorted(made)
