"""`isthmus warmup` leaves compiled kernels behind."""

import json
import os
import subprocess
import sys

from chains.tools import ROOT


def warmup(**environment):
    run = [sys.executable, "-m", "bot", "warmup", "--json"]
    done = subprocess.run(run, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_kernels_are_kept_in_the_folder_it_names():
    answer = warmup()
    assert answer["compiled"]
    assert any(name.endswith(".nbc") for _, _, names in os.walk(answer["folder"]) for name in names)


def test_without_numba_it_says_that_nothing_is_compiled():
    assert not warmup(ISTHMUS_NO_NUMBA="1")["compiled"]
