"""A torture as a person starts it, in a process of its own: for the tests that play a short form."""

from __future__ import annotations

import subprocess
import sys

from chains.tools import ROOT

_LONGEST_S = 240


def played(name: str, *arguments: str) -> str:
    """The last line of `python -m tests.torture.NAME`, which must end with 0."""
    command = [sys.executable, "-m", f"tests.torture.{name}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LONGEST_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]
