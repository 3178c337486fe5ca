"""kill -9 anywhere: nothing is sent twice, no fill is lost, not a wei is off; bots that get it wrong are found out."""

from __future__ import annotations

import subprocess
import sys

from chains.tools import ROOT
from tests.conftest import Counted

KILLS, TWIN_KILLS = 12, 8


def test_kills_lost_replies_and_reorganisations_double_and_lose_nothing_and_broken_twins_are_found_out(
    counted: Counted,
) -> None:
    """In a process of its own: it forks, which one with threads should not."""
    command = [sys.executable, "-m", "tests.torture.kills"]
    asked = ["--kills", str(KILLS), "--twin-kills", str(TWIN_KILLS)]
    played = subprocess.run([*command, *asked], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert played.returncode == 0, played.stdout + played.stderr
    last = played.stdout.splitlines()[-1]
    assert last.startswith(f"{KILLS} kills, ") and ": 0 wrong; 3 of 3 broken twins found out" in last
    counted("kills", last)
