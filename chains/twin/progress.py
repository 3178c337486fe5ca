"""Progress on a terminal: a bar on stderr that vanishes, or one line a step where nobody watches."""

from __future__ import annotations

import sys
from typing import TextIO

_WIDTH = 24


class ProgressBar:
    """Called with what is being done and the share done (0 to 1); see `chains.twin.opening.Progress`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def __call__(self, what: str, share: float) -> None:
        if not self._stream.isatty():
            if share == 0.0:
                self._stream.write(f"{what}\n")
                self._stream.flush()
            return
        done = int(share * _WIDTH)
        bar = "" if share >= 1 else f"[{'#' * done}{'.' * (_WIDTH - done)}] {what}"
        self._stream.write(f"\r\033[K{bar}")
        self._stream.flush()
