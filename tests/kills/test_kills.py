"""kill -9 anywhere: nothing is sent twice, no fill is lost, not a wei is off; bots that get it wrong are found out."""

from __future__ import annotations

from tests.conftest import Counted
from tests.torture.apart import played

KILLS, TWIN_KILLS = 12, 8


def test_kills_lost_replies_and_reorganisations_double_and_lose_nothing_and_broken_twins_are_found_out(
    counted: Counted,
) -> None:
    """In a process of its own: it forks, which one with threads should not."""
    last = played("kills", "--kills", str(KILLS), "--twin-kills", str(TWIN_KILLS))
    assert last.startswith(f"{KILLS} kills, ") and ": 0 wrong; 3 of 3 broken twins found out" in last
    counted("kills", last)
