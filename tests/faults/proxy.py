"""A JSON-RPC proxy on the loopback, HTTP and WebSocket on one port, that fails as it is told to.

In process: `FaultProxy(Upstreams(url))`, then `proxy.schedule.plan(Fault(...))`. By hand:

    python -m tests.faults.proxy --upstream http://127.0.0.1:8545 --fault lost_reply,methods=eth_sendRawTransaction
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import orjson
from aiohttp import WSMsgType, web

from tests.faults.answering import SUBSCRIPTIONS, Answering, without_asking
from tests.faults.fault import CONNECT, Kind, Schedule
from tests.faults.frames import Subscriptions
from tests.faults.geth import GethPool
from tests.faults.upstream import Caller, Upstreams, error
from tests.faults.wire import Line, over_http

_MAX_BYTES = 64 << 20
_REFUSES_HANDSHAKE = frozenset(
    {
        Kind.BLACKHOLE,
        Kind.RATE_LIMITED,
        Kind.RATE_LIMITED_FOR,
        Kind.UNAVAILABLE,
        Kind.HTML,
        Kind.RESET,
        Kind.HALF_OPEN,
    }
)


class FaultProxy:
    """In front of `upstreams`, on a free loopback port. An async context manager.

    `schedule` says what goes wrong. `pool`, where given, holds transactions to geth's rules. `requests` counts what
    came, by method.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        pool: GethPool | None = None,
        now_s: Callable[[], float] = time.monotonic,
        port: int = 0,
    ) -> None:
        self.upstreams = upstreams
        self.schedule = Schedule(now_s)
        self.requests: Counter[str] = Counter()
        self.port = port
        self._pool = pool
        self._node = Caller(upstreams)
        self._answering = Answering(self.schedule, self._node, pool)
        self._runner: web.AppRunner | None = None
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def sent(self) -> Sequence[str]:
        """Every transaction that was handed over, whatever became of it, in order."""
        return self._answering.sent

    async def __aenter__(self) -> Self:
        await self._node.__aenter__()
        app = web.Application(client_max_size=_MAX_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner is not None
        for ws in tuple(self._sockets):
            await ws.close()
        await self._runner.cleanup()
        await self._node.__aexit__()

    async def rebroadcast(self) -> int:
        """Have geth's pool give the node what it lost; how many that was."""
        return await self._pool.rebroadcast(self._node) if self._pool is not None else 0

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        try:
            asked = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return web.json_response(error({}, -32700, "parse error"))
        self._count(asked)
        return await over_http(request, await self._answering.reply(asked))

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        kind = self.schedule.draw(CONNECT)
        if kind in _REFUSES_HANDSHAKE:
            return await over_http(request, without_asking(kind, {}))
        ws = web.WebSocketResponse(max_msg_size=_MAX_BYTES, autoping=False, timeout=0.1)
        try:
            await ws.prepare(request)
        except ConnectionError:
            return ws  # the client went before it was answered
        line = Line(request, ws)
        answers: set[asyncio.Task[None]] = set()
        self._sockets.add(ws)
        try:
            async with Subscriptions(line, self.schedule, self._node, self.upstreams) as subscriptions:
                async for message in ws:
                    if message.type is WSMsgType.PING and not line.deaf:
                        await ws.pong(message.data)
                    elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                        answer = asyncio.create_task(self._answer(line, subscriptions, orjson.loads(message.data)))
                        answers.add(answer)
                        answer.add_done_callback(answers.discard)
        finally:
            self._sockets.discard(ws)
            for answer in answers:
                answer.cancel()
            await asyncio.gather(*answers, return_exceptions=True)
        return ws

    async def _answer(self, line: Line, subscriptions: Subscriptions, asked: Any) -> None:
        self._count(asked)
        if line.deaf:
            return
        if isinstance(asked, dict) and asked.get("method") in SUBSCRIPTIONS:
            async with subscriptions.turn:
                await line.say(await self._answering.reply(asked, subscriptions.ask))
        else:
            await line.say(await self._answering.reply(asked, subscriptions.ask))

    def _count(self, asked: Any) -> None:
        self.requests.update(str(item.get("method")) for item in (asked if isinstance(asked, list) else [asked]))


if __name__ == "__main__":
    from tests.faults.by_hand import main

    main()
