"""How far a decision travels."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What stands at the end of the road: the verdict (dry), a private fork (fork), or the chain itself (live)."""

    DRY = "dry"
    FORK = "fork"
    LIVE = "live"
