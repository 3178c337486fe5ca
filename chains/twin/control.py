"""The twin's control API: HTTP on loopback, for the bot that steps it and for whoever funds an account.

| request | body | answer |
|---|---|---|
| `GET /twin` | – | the descriptor |
| `POST /twin/advance` | – | the exchange moved to the next block's time: `time_ms`, `books` |
| `POST /twin/mine` | – | the block made: `number`, `hash`, `timestamp` |
| `POST /twin/fund` | `address`, `native`, `tokens` | `{}` |
| `POST /twin/deposit` | `api_key`, `secret`, `currency`, `amount` | `{}` |

Amounts are decimal strings of base units: wei, tokens' units, 10^-8 at the exchange.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from chains.anvil import AnvilFailed
from chains.assets import InvalidAddress, address
from chains.twin.errors import port_taken
from chains.twin.twin import Twin, UnknownToken

_LOOPBACK = "127.0.0.1"
_OWN_NAMES = frozenset({_LOOPBACK, "localhost"})
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Serves one twin. `start` listens, `close` ends."""

    def __init__(self, twin: Twin, *, stepped: bool) -> None:
        self._twin = twin
        application = web.Application(middlewares=[_only_local_programs, _errors_as_json])
        application.router.add_get("/twin", self._describe)
        application.router.add_post("/twin/fund", self._fund)
        application.router.add_post("/twin/deposit", self._deposit)
        if stepped:
            application.router.add_post("/twin/advance", self._advance)
            application.router.add_post("/twin/mine", self._mine)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://{_LOOPBACK}:{self._port}"

    def descriptor(self) -> dict[str, Any]:
        """The twin's own, and where this API is."""
        return {**self._twin.descriptor(), "control": self.url}

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes a free one. Raises `TwinUnavailable` when the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, _LOOPBACK, port).start()
        except OSError as error:
            raise port_taken("control API", port, error) from error
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _describe(self, request: web.Request) -> web.Response:
        return _json(self.descriptor())

    async def _advance(self, request: web.Request) -> web.Response:
        return _json(await self._twin.advance())

    async def _mine(self, request: web.Request) -> web.Response:
        return _json(await self._twin.mine())

    async def _fund(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        tokens = {address(token): _amount(units) for token, units in body.get("tokens", {}).items()}
        await self._twin.fund(address(body["address"]), _amount(body["native"]), tokens)
        return _json({})

    async def _deposit(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self._twin.deposit(body["api_key"], body["secret"], body["currency"], _amount(body["amount"]))
        return _json({})


def _amount(text: str) -> int:
    """A decimal string of base units. Raises `ValueError`."""
    if not (isinstance(text, str) and text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not an amount; write a decimal string of base units")
    return int(text)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


@web.middleware
async def _only_local_programs(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """A web page in a local browser must not reach the twin: it names another host, or says where it comes from."""
    if request.url.host not in _OWN_NAMES or "Origin" in request.headers:
        return _json({"error": "only programs on this machine may use the twin's control API"}, 403)
    return await handler(request)


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (InvalidAddress, UnknownToken, ValueError, TypeError, AttributeError) as error:
        return _json({"error": str(error)}, 400)
    except AnvilFailed as error:
        return _json({"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE)
    except KeyError as error:
        return _json({"error": f"the request lacks {error}"}, 400)
    except web.HTTPException as error:
        return _json({"error": f"{request.method} {request.path}: {error.reason}"}, error.status)
