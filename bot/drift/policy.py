"""How much of the market is held against the chain, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """How much is compared: `pools` every `every_blocks`, for at most `calls_per_minute` questions, by chain time.

    What differs is read again after `second_look_s`, when a node that was between two blocks has come to rest.
    """

    every_blocks: int = 4
    pools: int = 32
    calls_per_minute: int = 60
    second_look_s: float = 0.25
