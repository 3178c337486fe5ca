"""The twin as a process: it runs until it is told to stop, or until whoever started it is gone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chains.anvil import AnvilFailed
from chains.twin.control import Control
from chains.twin.opening import Progress
from chains.twin.twin import Twin, TwinOptions

_LOOK_EVERY_S = 0.25


async def serve(options: TwinOptions, announce: Callable[[dict[str, Any]], None], progress: Progress) -> None:
    """Run a twin until SIGINT, SIGTERM or the parent's death; `announce` gets the descriptor once it is ready.

    Raises as `Twin.__aenter__`, and `AnvilFailed` when the node ends by itself.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    parent = os.getppid()
    async with Twin(options, progress) as twin:
        control = Control(twin, stepped=options.stepped)
        await control.start(options.control_port)
        clock = None if options.stepped else asyncio.create_task(twin.run_free())
        try:
            announce(control.descriptor())
            while not stop.is_set() and os.getppid() == parent:
                if clock and clock.done():
                    clock.result()
                if not twin.alive:
                    raise AnvilFailed("the twin's node ended by itself; start the twin again")
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)
        finally:
            if clock:
                clock.cancel()
                with suppress(asyncio.CancelledError, AnvilFailed):
                    await clock
            await control.close()
