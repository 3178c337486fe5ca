"""Where an open SQLite database lies: who has it open goes on writing to files that were taken away under it."""

from __future__ import annotations

import os
from pathlib import Path

Filed = tuple[tuple[int, int], ...]


def filed(database: str | Path) -> Filed | None:
    """What tells its file and its log's from any that took their place; None where one of them is gone."""
    try:
        found = [os.stat(f"{database}{suffix}") for suffix in ("", "-wal")]
    except OSError:
        return None
    return tuple((each.st_dev, each.st_ino) for each in found)
