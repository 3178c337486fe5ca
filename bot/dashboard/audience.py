"""The pages that are watching. Each gets every message; one that cannot keep up is dropped and may come again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import ClientConnectionError, WSCloseCode, web

MAX_PAGES = 32
MAX_WAITING = 16
"""Messages that may wait for one page; at one a head, a page that far behind is not looked at."""


class Viewer:
    """One page's WebSocket and what waits to be sent to it."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._transport = request.transport
        self._socket = socket
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)

    def offer(self, message: bytes) -> bool:
        """Queue a message. False when too many wait already."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    async def serve(self) -> None:
        """Send what is offered until the page leaves, is dropped, or speaks: it has nothing to say."""
        sending = asyncio.create_task(self._send())
        try:
            async for _ in self._socket:
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"the dashboard is read-only")
        finally:
            sending.cancel()

    def drop(self) -> None:
        """Cut the connection: a peer that does not read would not read a farewell either."""
        if self._transport is not None:
            self._transport.abort()

    async def farewell(self) -> None:
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the bot is ending")

    async def _send(self) -> None:
        with suppress(ClientConnectionError, ConnectionError):
            while True:
                await self._socket.send_str((await self._waiting.get()).decode())


class Audience:
    """All viewers."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def full(self) -> bool:
        return len(self._viewers) >= MAX_PAGES

    def admit(self, viewer: Viewer) -> None:
        self._viewers.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    def tell(self, message: bytes) -> None:
        """Offer `message` to everyone, and drop whoever is too far behind."""
        for viewer in tuple(self._viewers):
            if not viewer.offer(message):
                self.dropped += 1
                self.leave(viewer)
                viewer.drop()

    async def dismiss(self) -> None:
        """Say good-bye to everyone, for as long as a second."""
        farewells = [asyncio.create_task(viewer.farewell()) for viewer in self._viewers]
        if farewells:
            await asyncio.wait(farewells, timeout=1.0)
        for viewer in tuple(self._viewers):
            viewer.drop()
