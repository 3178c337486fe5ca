"""Questions that hold nobody up: what is not answered soon is given to whoever asks the same again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

_Answer = TypeVar("_Answer")


class Asking(Generic[_Answer]):
    """Waits `within_s` for an answer, once; the question goes on until it is answered."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._asked: dict[str, asyncio.Task[_Answer]] = {}

    async def ask(self, what: str, question: Callable[[], Coroutine[Any, Any, _Answer]]) -> _Answer:
        """What `question` gives or raises, perhaps since it was asked under `what` before. Raises `TimeoutError`."""
        asked = self._asked.get(what)
        if asked is None:
            asked = self._asked[what] = asyncio.create_task(question())
            # Nobody may come to hear what it raised.
            asked.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.wait([asked], timeout=self._within_s)
        if not asked.done():
            raise TimeoutError(f"no answer within {self._within_s:g} s; it is heard when it comes")
        del self._asked[what]
        return asked.result()

    async def close(self) -> None:
        """Ask no more."""
        for asked in self._asked.values():
            asked.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
