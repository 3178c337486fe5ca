"""Less than a minute of the whole bot in trouble: the short form of `tests.torture.soak`."""

from __future__ import annotations

from tests.conftest import Counted
from tests.torture.apart import played

WITH_A_KILL_AT_ONCE = 32


def test_killed_and_cut_off_it_doubles_and_loses_nothing(counted: Counted) -> None:
    last = played("soak", "--minutes", "0.75", "--seed", str(WITH_A_KILL_AT_ONCE))
    assert "kill -9 1" in last and last.endswith("; 0 wrong"), last
    counted("soak", last)
