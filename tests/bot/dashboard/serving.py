"""A dashboard that listens, and ways to knock at it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from bot.clock import SystemClock
from bot.dashboard.app import Dashboard
from bot.dashboard.source import Source
from bot.dashboard.stopping import StopFailed, UnknownStrategy

ROUTES = (
    "/",
    "/static/main.js",
    "/static/vendor/uPlot.esm.js",
    "/api/state",
    "/api/decisions",
    "/api/decision/1",
    "/api/graph",
    "/healthz",
)


class Stops:
    """What was asked to stop. `full` is a disk the switch cannot be written to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []
        self.full = False

    def __call__(self, strategy: str, because: str, *, flatten: bool) -> str:
        if strategy not in ("", "dex_arbitrage"):
            raise UnknownStrategy(strategy)
        if self.full:
            raise StopFailed("the disk is full")
        self.asked.append((strategy, because, flatten))
        return "reducing" if flatten else "halted"


def dashboard_of(source: Source, stops: Stops | None = None, **listening: Any) -> Dashboard:
    """A dashboard of `source`, as a run makes one."""
    return Dashboard(source, stops or Stops(), SystemClock(), **listening)


class Served:
    """The dashboard and a client of it."""

    def __init__(self, dashboard: Dashboard, url: str) -> None:
        self.dashboard = dashboard
        self.url = url.rstrip("/")
        self.own = self.url.removeprefix("http://")
        self.port = int(self.url.rpartition(":")[2])

    async def __aenter__(self) -> Served:
        self.client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    async def status(self, path: str, method: str = "GET", **options: Any) -> int:
        async with self.client.request(method, self.url + path, **options) as answer:
            return answer.status

    async def json(self, path: str) -> Any:
        async with self.client.get(self.url + path) as answer:
            return await answer.json()

    async def headers(self, path: str, **headers: str) -> CIMultiDictProxy[str]:
        async with self.client.get(self.url + path, headers=headers) as answer:
            return answer.headers

    def listen(self, **headers: str) -> Any:
        """A WebSocket, from the dashboard's own page unless `headers` say otherwise."""
        return self.client.ws_connect(f"{self.url}/ws", headers={"Origin": self.url, **headers}, max_msg_size=0)

    async def handshake(self, **headers: str) -> int:
        """The status a WebSocket handshake with exactly these headers gets."""
        try:
            socket = await self.client.ws_connect(f"{self.url}/ws", headers=headers)
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status
        await socket.close()
        return 101

    async def raw(self, request: str) -> str:
        """The answer to these very bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request.encode())
        answer = await reader.read(4096)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        return answer.decode()
