"""`[recording]`: what a run keeps so that it can be replayed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bot.config.section import Section


class RecordingSettings(Section):
    """What the run saw and was answered, kept beside its ledger for `isthmus replay` and `isthmus why`."""

    enabled: Annotated[bool, Field(examples=[True])] = True
    """Whether the run is recorded, in its own folder."""
