"""A WebSocket between a node and us that tells of heads as bad providers do: never, twice, late, or once more."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter, deque
from types import TracebackType
from typing import Any, Self

import orjson
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_REMEMBERED = 12
_DROPPED, _TWICE, _BACK, _LATE = 0.15, 0.1, 0.1, 0.1


class BadHeads:
    """Passes everything through to the node at `url` but head frames, unless `honest`. Counts what it did to those."""

    def __init__(self, url: str, rng: random.Random) -> None:
        self._url = url
        self._rng = rng
        self._server: Server | None = None
        self._past: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED)
        self._held: dict[str, Any] | None = None
        self.honest = False
        self.counts: Counter[str] = Counter()

    @property
    def ws_url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, compression=None, max_size=None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, ours: ServerConnection) -> None:
        async with connect(self._url, compression=None, max_size=None) as node:

            async def forth() -> None:
                async for frame in ours:
                    await node.send(frame)

            async def back() -> None:
                async for frame in node:
                    for passed in self._passed(frame):
                        await ours.send(passed)

            ways = [asyncio.create_task(forth()), asyncio.create_task(back())]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                    await way

    def _passed(self, frame: str | bytes) -> list[str | bytes]:
        """What becomes of a frame of the node's."""
        message = orjson.loads(frame)
        if not isinstance(message, dict) or message.get("method") != "eth_subscription":
            return [frame]
        if not isinstance(message["params"]["result"], dict) or "parentHash" not in message["params"]["result"]:
            return [frame]
        told = [message] if self.honest else self._mistold(message)
        self._past.append(message)
        return [orjson.dumps(each).decode() for each in told]

    def _mistold(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        before = [self._held] if self._held else []
        self._held = None
        chance = self._rng.random()
        if chance < _DROPPED:
            self.counts["dropped"] += 1
            return before
        if chance < _DROPPED + _TWICE:
            self.counts["twice"] += 1
            return [*before, message, message]
        if chance < _DROPPED + _TWICE + _BACK and self._past:
            self.counts["back"] += 1
            return [*before, message, self._rng.choice(self._past)]
        if chance < _DROPPED + _TWICE + _BACK + _LATE and not before:
            self.counts["late"] += 1
            self._held = message
            return []
        return [message, *before]
