"""Machine code is kept by the files it is made from."""

import os
import re
import subprocess
import sys

from chains.kernels.cache import SOURCES
from chains.tools import ROOT

COMPILES = re.compile(r"^\s*from chains\.kernels\.(jit|instructions|text) import", re.MULTILINE)
CONSTANTS = {"chains/codec/frames", "bot/market/packed/shapes"} | {
    f"bot/market/integers/{name}" for name in ("directory", "layout", "topics")
}
"""Files whose constants are compiled into kernels."""
WRITTEN_PLAIN = {"bot/market/dual/kernels", "chains/kernels/jit"}
"""Kernels that another file compiles, and the compiling itself."""


def test_machine_code_is_kept_by_every_file_it_is_made_from():
    files = [file for room in ("chains", "bot") for file in (ROOT / room).rglob("*.py")]
    compiling = {str(file.relative_to(ROOT).with_suffix("")) for file in files if COMPILES.search(file.read_text())}
    listed = {f"{folder}/{name}" for folder, names in SOURCES.items() for name in names}
    assert listed == compiling | CONSTANTS | WRITTEN_PLAIN


def test_nobody_else_asks_numba_to_compile():
    files = [file for room in ("chains", "bot", "strategies") for file in (ROOT / room).rglob("*.py")]
    asking = [
        file.name for file in files if re.search(r"\bn?jit\(", file.read_text()) and "numba.njit" in file.read_text()
    ]
    assert asking == ["jit.py"]


def test_another_folder_is_used_if_one_is_named(tmp_path):
    code = "from chains.kernels.cache import cache_folder; print(cache_folder().parent)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"ISTHMUS_KERNEL_CACHE": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == str(tmp_path), run.stderr
