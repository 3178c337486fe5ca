"""The run file's section on transactions that wait for a block."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bot.config.section import Section
from bot.config.values import PositiveSeconds


class PendingSettings(Section):
    """Transactions that wait at the node, each tried on a fork to see what the market would be after it."""

    watch: Annotated[bool, Field(examples=[False])] = False
    """Whether to watch them. It costs an Anvil of its own, one call each `poll_s` and one for each transaction."""

    queue: Annotated[int, Field(ge=1, le=10_000, examples=[64])] = 64
    """How many may wait to be tried; of more, the newest are kept."""

    poll_s: Annotated[PositiveSeconds, Field(examples=[0.5])] = 0.5
    """Seconds between two questions for new ones."""
