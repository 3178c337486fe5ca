"""The dashboard's server: it runs inside the engine's event loop, reads what it is asked for, and can stop the trading.

| path | what |
|---|---|
| `/` | the page |
| `/static/…` | its files, by an allow-list |
| `/api/state` | everything the page starts from |
| `/api/decisions?before=ID&limit=N` | older decisions, newest first |
| `/api/decision/ID` | one decision, from its plan to its fills |
| `/api/graph` | the picture of the price graph |
| `/ws` | the state, then what changed with each head |
| `/api/session`, `/api/stop` | what a page needs to stop the trading, and its wish to |
| `/healthz` | whether it answers |
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from bot.clock import Clock
from bot.dashboard import stopping
from bot.dashboard.assets import Asset, load_assets
from bot.dashboard.audience import Audience, Viewer
from bot.dashboard.security import guard, harden, require_loopback
from bot.dashboard.source import Source
from bot.dashboard.view import View
from bot.dashboard.wire import encoded, plain, printable

MAX_PAGE = 200
DEFAULT_PAGE = 50
MAX_ID = 2**63 - 1
MAX_CONNECTIONS = 128
"""A browser can be made to open hundreds under as many host names, and the bot needs its open files for the trading."""

_LEAST_S = 0.2
"""Heads that follow each other faster than this are told together."""
_MOST_S = 2.0
"""Ages are told again after this long without a head."""
_RESTS = 3
"""How many times as long as a reading took, none follows it."""

_IDLE_S = 15.0
"""A connection that asks for nothing is closed."""

_log = logging.getLogger(__name__)


class DashboardUnavailable(RuntimeError):
    """The dashboard cannot listen; the message says why and what to do."""


class Dashboard:
    """Serves one source on this machine. `start` listens, `tell` moves the pages on, `close` ends.

    `stop` is what its pages may do. Raises `ValueError` for a host that is not loopback.
    """

    def __init__(
        self, source: Source, stop: stopping.Stop, clock: Clock, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        require_loopback(host)
        self._desk = stopping.StopDesk(stop, clock)
        self._source = source
        self._host, self._port = host, port
        self._assets: dict[str, Asset] = {}
        self._audience = Audience()
        self._view = View(source)
        self._news = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        self._listening: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; port 0 takes a free one. Returns the URL. Raises `DashboardUnavailable`, `MissingTool`."""
        self._assets = load_assets()
        await self._runner.setup()
        try:
            self._listening = await asyncio.get_running_loop().create_server(self._admit, self._host, self._port)
        except OSError as error:
            await self._runner.cleanup()
            raise DashboardUnavailable(
                f"dashboard: cannot listen on {self._host}:{self._port} ({error.strerror or error}); "
                "write another dashboard.port, or 0 for any free one"
            ) from error
        self._port = self._listening.sockets[0].getsockname()[1]
        self._telling = asyncio.create_task(self._keep_telling(), name="dashboard")
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}/"

    def tell(self) -> None:
        """A head was decided on: the pages hear of it soon. Costs nothing while nobody looks."""
        self._news.set()

    async def close(self) -> None:
        """Say good-bye to the pages and stop listening."""
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
            self._telling = None
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[_failures_as_json, guard(lambda: self._port)],
            client_max_size=stopping.MOST_BYTES,
            handler_args={
                "max_line_size": 4096,
                "max_field_size": 4096,
                "keepalive_timeout": _IDLE_S,
                "logger": _server_log(),
            },
        )
        application.on_response_prepare.append(harden)
        application.on_shutdown.append(lambda _: self._audience.dismiss())
        routes: dict[str, Handler] = {
            "/": self._asset,
            "/static/{name:.+}": self._asset,
            "/api/state": self._state,
            "/api/decisions": self._decisions,
            "/api/decision/{id}": self._decision,
            "/api/graph": self._graph,
            stopping.SESSION_PATH: self._desk.session,
            "/ws": self._live,
            "/healthz": self._health,
        }
        for path, handler in routes.items():
            application.router.add_get(path, handler, allow_head=False)
        application.router.add_post(stopping.PATH, self._desk.stop)
        return application

    def _admit(self) -> asyncio.BaseProtocol:
        """Who answers a new connection."""
        server = self._runner.server
        if server is None or len(server.connections) >= MAX_CONNECTIONS:
            return _Refusing()
        return server()

    async def _keep_telling(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MOST_S):
                    await self._news.wait()
            self._news.clear()
            begun_s = loop.time()
            if self._audience:
                await self._tell_everyone()
            # A long ledger takes long to read, and who looks on may not hold up the trading.
            await asyncio.sleep(max(_LEAST_S, _RESTS * (loop.time() - begun_s)))

    async def _tell_everyone(self) -> None:
        """A source that fails must not end the telling: the pages say so, and the next head may do better."""
        try:
            message = await self._view.refresh()
        except Exception as error:
            _log.warning("dashboard: cannot read the run: %s", error)
            message = encoded({"type": "trouble", "text": f"the run cannot be read: {type(error).__name__}"})
        self._audience.tell(message)

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.path)
        if asset is None:
            raise web.HTTPNotFound(text="no such file\n")
        return web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8")

    async def _state(self, request: web.Request) -> web.Response:
        await self._move_on()
        return _json(self._view.whole())

    async def _graph(self, request: web.Request) -> web.Response:
        await self._move_on()
        return _json(self._view.picture())

    async def _decisions(self, request: web.Request) -> web.Response:
        limit = _number(request.query.get("limit", str(DEFAULT_PAGE)), "limit", MAX_PAGE)
        before = request.query.get("before")
        older_than = None if before is None else _number(before, "before", MAX_ID)
        return _json(encoded({"decisions": plain(await self._source.decisions(limit, older_than))}))

    async def _decision(self, request: web.Request) -> web.Response:
        wanted = _number(request.match_info["id"], "id", MAX_ID)
        detail = await self._source.decision(wanted)
        if detail is None:
            raise web.HTTPNotFound(text=f"no decision {wanted}")
        return _json(encoded(plain(detail)))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if self._audience.full:
            raise web.HTTPServiceUnavailable(text="too many pages are open; close one")
        await self._move_on()
        socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=1024, compress=False)
        await socket.prepare(request)
        viewer = Viewer(request, socket)
        viewer.offer(self._view.whole())
        self._audience.admit(viewer)
        try:
            await viewer.serve()
        finally:
            self._audience.leave(viewer)
        return socket

    async def _health(self, request: web.Request) -> web.Response:
        return _json(b'{"ok":true}')

    async def _move_on(self) -> None:
        """A fresh view for whoever asks; the pages that watch move on with it."""
        self._audience.tell(await self._view.refresh())


class _OneLine(logging.Handler):
    """What goes wrong in the server, without a stack trace. Bad requests are no news: any web page can cause them."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            _log.warning("dashboard: %s", error or record.getMessage())


def _server_log() -> logging.Logger:
    log = logging.Logger(__name__, logging.WARNING)
    log.addHandler(_OneLine())
    return log


class _Refusing(asyncio.Protocol):
    """Closes a connection without a word."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _number(text: str, name: str, most: int) -> int:
    """A whole number of 1 to `most`. Raises `HTTPBadRequest`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 1 <= int(text) <= most):
        raise web.HTTPBadRequest(text=f"{name} must be a whole number from 1 to {most}")
    return int(text)


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


@web.middleware
async def _failures_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line and a status; what went wrong inside is for the terminal, not for the browser."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        text = refused.text or refused.reason
        return _json(encoded({"error": printable(text.strip())}), refused.status)
    except ConnectionError:
        raise  # who asked is gone
    except Exception as error:
        _log.warning("dashboard: %s failed: %s", request.path, error)
        return _json(encoded({"error": f"the run cannot be read: {type(error).__name__}"}), 500)
