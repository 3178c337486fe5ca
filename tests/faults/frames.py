"""A client's subscriptions: asked of the true node over a WebSocket of their own, their frames struck on the way."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self

import aiohttp
import orjson

from tests.faults.answering import SUBSCRIBE, Ending, Reply, without_asking
from tests.faults.fault import DELAY_S, ELSEWHERE, Kind, Schedule
from tests.faults.upstream import Answer, Caller, Request, Upstreams
from tests.faults.wire import Line

_UNSENT = frozenset({Kind.BLACKHOLE, Kind.BLACKHOLE_OK, Kind.RATE_LIMITED, Kind.RATE_LIMITED_FOR})
"""Faults of a request that, on a frame, mean that it does not come."""


class Subscriptions:
    """One client's. An async context manager; the upstream socket is opened by the first subscription.

    Whoever answers a subscription holds `turn` until the answer is out, so that no frame overtakes it.
    """

    def __init__(self, line: Line, schedule: Schedule, node: Caller, upstreams: Upstreams) -> None:
        self.turn = asyncio.Lock()
        self._line = line
        self._schedule = schedule
        self._node = node
        self._upstreams = upstreams
        self._upstream: aiohttp.ClientWebSocketResponse | None = None
        self._pump: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._count = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
        if self._upstream is not None:
            await self._upstream.close()

    async def ask(self, request: Request) -> Answer:
        """Forward a subscription or its end; the answer under the request's own id."""
        if self._upstream is None:
            self._upstream = await self._node.session.ws_connect(self._upstreams.true_ws)
            self._pump = asyncio.create_task(self._frames(self._upstream))
        self._count += 1
        waiting = self._waiting[self._count] = asyncio.get_running_loop().create_future()
        await self._upstream.send_str(orjson.dumps({**request, "id": self._count}).decode())
        answer: Answer = await waiting
        return {**answer, "id": request.get("id")}

    async def _frames(self, upstream: aiohttp.ClientWebSocketResponse) -> None:
        async for message in upstream:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            frame = orjson.loads(message.data)
            if "id" in frame:
                self._waiting.pop(frame["id"]).set_result(frame)
                continue
            async with self.turn:
                await self._line.say(await self._struck(frame))

    async def _struck(self, frame: dict[str, Any]) -> Reply:
        kind = self._schedule.draw(SUBSCRIBE)
        whole = orjson.dumps(frame)
        if kind is None:
            return Reply(whole)
        if kind in DELAY_S:
            await asyncio.sleep(DELAY_S[kind])
            return Reply(whole)
        if kind in ELSEWHERE or kind is Kind.NULL:
            other = None
            if kind is not Kind.NULL:
                other = await self._node.result("eth_getBlockByNumber", "latest", False, kind=kind)
            params = {**frame["params"], "result": other}
            return Reply(orjson.dumps({**frame, "params": params}))
        if kind in _UNSENT:
            return Reply(ending=Ending.UNANSWERED)
        if kind is Kind.LOST_REPLY:
            return Reply(ending=Ending.RESET)
        if kind is Kind.TRUNCATE:
            return Reply(whole, Ending.TRUNCATED)
        return without_asking(kind, frame)
