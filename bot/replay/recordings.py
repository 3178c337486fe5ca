"""Where recordings lie."""

from __future__ import annotations

from pathlib import Path

from bot.replay.opening import FOLDER, TAPE, NotRecorded


def find(run: Path, runs: Path) -> Path:
    """The recording of a run: by the run's folder, by that folder's name in `runs`, or itself. Raises `NotRecorded`."""
    for folder in (run / FOLDER, run, runs / run / FOLDER):
        if (folder / TAPE).is_file():
            return folder
    raise NotRecorded(f"{run} holds no recording; name a run's folder in {runs}")


def latest(runs: Path) -> Path:
    """The recording that began last. Raises `NotRecorded`."""
    found = sorted(runs.glob(f"*/{FOLDER}/{TAPE}"), key=lambda tape: tape.parent.parent.name)
    if not found:
        raise NotRecorded(f"{runs} holds no recorded run; start one with `isthmus run`")
    return found[-1].parent
