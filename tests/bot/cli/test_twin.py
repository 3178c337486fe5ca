"""`isthmus twin`: says where it listens, and ends cleanly when told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import orjson

ROOT = Path(__file__).resolve().parents[3]


def test_the_twin_says_where_it_listens_and_ends_on_ctrl_c() -> None:
    command = [sys.executable, "-m", "bot", "twin", "--stepped", "--seed", "7", "--json"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        descriptor = orjson.loads(process.stdout.readline())
        assert (descriptor["chain_id"], descriptor["seed"], descriptor["stepped"]) == (31337, 7, True)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()
