"""Binance's WebSocket connections: who subscribed to which stream, and messages on their way to them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import orjson
from aiohttp import WSMsgType, web

MAX_WAITING = 2_000
"""Messages that may wait for one subscriber before the others wait for it too."""
PATIENCE_S = 10.0
"""How long they wait; then the subscriber is cut off, as Binance cuts off whoever cannot follow."""
PING_EVERY_S = 180.0


class Subscriber:
    """One WebSocket connection. `wrap` says whether messages come as `{"stream": …, "data": …}`."""

    def __init__(self, socket: web.WebSocketResponse, streams: set[str], *, wrap: bool) -> None:
        self.streams = streams
        self._socket = socket
        self._wrap = wrap
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._gone = False

    async def run(self) -> None:
        """Pass on what `send` was given, in order, and obey commands, until the connection ends."""
        sender = asyncio.create_task(self._send_forever())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._command(message.data)
        finally:
            self._gone = True
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def send(self, stream: str, data: dict[str, Any]) -> None:
        """One event of a stream. Ends the connection if it has not kept up for `PATIENCE_S`."""
        await self._put({"stream": stream, "data": data} if self._wrap else data)

    async def close(self, reason: str) -> None:
        """End the connection."""
        self._gone = True
        await self._socket.close(code=1008, message=reason.encode())

    async def _put(self, message: dict[str, Any]) -> None:
        if self._gone:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._waiting.put(orjson.dumps(message))
        except TimeoutError:
            await self.close("too slow")

    async def _send_forever(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._socket.send_frame(await self._waiting.get(), WSMsgType.TEXT)
        self._gone = True

    async def _command(self, raw: str) -> None:
        """SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS. Unknown stream names are accepted and stay silent."""
        try:
            request = orjson.loads(raw)
            method, streams = request["method"], set(map(str, request.get("params", [])))
        except (ValueError, KeyError, TypeError, AttributeError):
            await self._put({"code": 2, "msg": "Invalid request: unable to parse"})
            return
        result: list[str] | None = None
        if method == "SUBSCRIBE":
            self.streams |= streams
        elif method == "UNSUBSCRIBE":
            self.streams -= streams
        elif method == "LIST_SUBSCRIPTIONS":
            result = sorted(self.streams)
        else:
            await self._put({"code": 2, "msg": f"Invalid request: unknown method {method}"})
            return
        await self._put({"result": result, "id": request.get("id")})


class Streams:
    """Every open connection."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()

    def listeners(self, stream: str) -> list[Subscriber]:
        """Who subscribed to `stream`."""
        return [subscriber for subscriber in self._subscribers if stream in subscriber.streams]

    async def serve(self, request: web.Request, streams: set[str], *, wrap: bool) -> web.WebSocketResponse:
        """Run one connection until it ends."""
        socket = web.WebSocketResponse(heartbeat=PING_EVERY_S)
        await socket.prepare(request)
        subscriber = Subscriber(socket, streams, wrap=wrap)
        self._subscribers.add(subscriber)
        try:
            await subscriber.run()
        finally:
            self._subscribers.discard(subscriber)
        return socket

    async def close(self) -> None:
        """End every connection."""
        await asyncio.gather(*(subscriber.close("closing") for subscriber in self._subscribers))
