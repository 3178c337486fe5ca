"""Less than a minute of the whole bot in trouble: the short form of `tests.torture.soak`."""

from __future__ import annotations

import subprocess
import sys

from chains.tools import ROOT
from tests.conftest import Counted

WITH_A_KILL_AT_ONCE = 32


def test_killed_and_cut_off_it_doubles_and_loses_nothing(counted: Counted) -> None:
    command = [sys.executable, "-m", "tests.torture.soak", "--minutes", "0.75"]
    asked = ["--seed", str(WITH_A_KILL_AT_ONCE)]
    played = subprocess.run([*command, *asked], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert played.returncode == 0, played.stdout + played.stderr
    last = played.stdout.splitlines()[-1]
    assert "kill -9 1" in last and last.endswith("; 0 wrong"), last
    counted("soak", last)
