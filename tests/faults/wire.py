"""Replies over HTTP and over a WebSocket, whole or broken, as their `Ending` has it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from aiohttp import WSCloseCode, web

from tests.faults.answering import Ending, Reply

_JSON = "application/json"
_ABORT_AT_ONCE = struct.pack("ii", 1, 0)


def reset(request: web.Request) -> None:
    """End the connection with a TCP reset."""
    if request.transport is None:
        return
    sock = request.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_AT_ONCE)
    request.transport.abort()


async def over_http(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Answer `request`; replies that never come keep it waiting until the client has had enough."""
    match reply.ending:
        case Ending.UNANSWERED | Ending.DEAF:
            await asyncio.Event().wait()
        case Ending.RESET:
            reset(request)
        case Ending.TRUNCATED:
            cut = web.StreamResponse(headers={"Content-Length": str(len(reply.body)), "content-type": _JSON})
            await cut.prepare(request)
            await cut.write(reply.body[: len(reply.body) // 2])
            reset(request)
            return cut
    headers = {"content-type": _JSON, **reply.headers}
    return web.Response(body=reply.body, status=reply.status, headers=headers)


class Line:
    """One client's WebSocket. Once deaf, it stays open and says nothing more."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        self._request = request
        self._ws = ws
        self._deaf = False

    @property
    def deaf(self) -> bool:
        return self._deaf

    async def say(self, reply: Reply) -> None:
        """Send `reply`, or do to the connection what stands in its place."""
        if self._deaf:
            return
        match reply.ending:
            case Ending.UNANSWERED:
                return
            case Ending.DEAF:
                self._deaf = True
            case Ending.RESET:
                reset(self._request)
            case Ending.REFUSED:
                await self._ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=reply.body[:120])
            case Ending.TRUNCATED:
                await self._text(reply.body[: len(reply.body) // 2])
            case Ending.WHOLE:
                await self._text(reply.body)

    async def _text(self, body: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return
        with contextlib.suppress(ConnectionError):
            await self._ws.send_str(body.decode())
