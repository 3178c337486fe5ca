"""Some faults in four rooms, and whether a test notices: the short form of `tests.torture.mutation`."""

from __future__ import annotations

import subprocess
import sys

from chains.tools import ROOT
from tests.conftest import Counted


def test_faults_in_the_trusted_rooms_are_noticed(counted: Counted) -> None:
    command = [sys.executable, "-m", "tests.torture.mutation", "--short"]
    played = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert played.returncode == 0, played.stdout + played.stderr
    counted("mutation", played.stdout.splitlines()[-1])
