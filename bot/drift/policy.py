"""How much of the market is held against the chain, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """How much is compared: `pools` every `every_blocks`, for at most `calls_per_minute` questions, by chain time."""

    every_blocks: int = 4
    pools: int = 32
    calls_per_minute: int = 60
