"""Turns of the event loop, for those who let others write what they ask before they go on."""

from __future__ import annotations

import asyncio

_TURNS_TO_ASK = 4
"""So many turns of the event loop pass until a question is written by a task that another began for it."""


async def others_asked() -> None:
    """Return once the tasks that were begun have written what they ask: they are answered while the caller goes on."""
    for _ in range(_TURNS_TO_ASK):
        await asyncio.sleep(0)
