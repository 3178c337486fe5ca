"""The run file's section on how the market's state is kept true."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bot.config.section import Section
from bot.config.values import PositiveSeconds
from bot.drift.policy import AuditPolicy


class StateSettings(Section):
    """How the market's state is held against the chain while it follows the logs."""

    compare_every_blocks: Annotated[int, Field(ge=1, le=10_000, examples=[4])] = 4
    """How many blocks lie between two comparisons of some pools with the chain."""

    compare_pools: Annotated[int, Field(ge=1, le=1_000, examples=[32])] = 32
    """How many pools are compared at once: those that changed first, and every pool in its turn."""

    calls_per_minute: Annotated[int, Field(ge=1, le=10_000, examples=[60])] = 60
    """Most calls a minute, by the chain's time, that comparing may cost. A comparison takes one to three."""

    max_age_s: Annotated[PositiveSeconds, Field(examples=[30])] = 30.0
    """Nothing is decided on a block older than this: by its arrival and, off test chains, by its timestamp."""

    @property
    def audit(self) -> AuditPolicy:
        return AuditPolicy(self.compare_every_blocks, self.compare_pools, self.calls_per_minute)
