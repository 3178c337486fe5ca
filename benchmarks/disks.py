"""What it costs to have something on a disk for certain, and where there is one that costs nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

PAGE_BYTES = 4096
_RAM = Path("/dev/shm")


def sync_ms(folder: Path, count: int = 200) -> tuple[float, float]:
    """p50 and p99 of a bare append of one page and its `fdatasync`, in milliseconds."""
    path = folder / "appended"
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND)
    try:
        taken = []
        for _ in range(count):
            begun = time.perf_counter_ns()
            os.write(file, bytes(PAGE_BYTES))
            os.fdatasync(file)
            taken.append(time.perf_counter_ns() - begun)
    finally:
        os.close(file)
        path.unlink()
    taken.sort()
    return taken[count // 2] / 1e6, taken[count * 99 // 100] / 1e6


def ram_disk() -> Path | None:
    """A folder whose files are in memory and gone with it; None where there is none to write to."""
    return _RAM if _RAM.is_dir() and os.access(_RAM, os.W_OK) else None
