"""The kill switch and a signer that is never idle: the short form of `tests.torture.killswitch`."""

from __future__ import annotations

from pathlib import Path

from tests.bot.signer.tripping import trip
from tests.conftest import Counted


async def test_tripped_under_load_it_stops_within_a_second_and_still_cancels(tmp_path: Path, counted: Counted) -> None:
    tally = await trip(tmp_path, trips=8, seed=3)
    assert tally.held, tally
    assert tally.signed > 20
    counted("killswitch", f"8 trips among {tally.signed} signatures: 0 signed after one")
