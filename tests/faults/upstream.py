"""The nodes behind the proxy: the true one, and those that a fault answers from instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from tests.faults.fault import Kind

Request = dict[str, Any]
Answer = dict[str, Any]


class NoSuchNode(LookupError):
    """A fault that answers out of another node, and no such node was given."""


@dataclass(slots=True)
class Upstreams:
    """`true` is an HTTP address; `others` are those of the nodes a fault answers from. Both may change at any time."""

    true: str
    others: dict[Kind, str] = field(default_factory=dict)

    @property
    def true_ws(self) -> str:
        return self.true.replace("http", "ws", 1)

    def of(self, kind: Kind | None) -> str:
        """The node that answers under `kind`. Raises `NoSuchNode`."""
        if kind is None:
            return self.true
        if kind not in self.others:
            raise NoSuchNode(f"{kind} answers from another node; give its address with --{kind}-upstream")
        return self.others[kind]


class Caller:
    """JSON-RPC over HTTP with the answers as they are. An async context manager."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Caller:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._session is not None
        await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None, "used inside `async with`"
        return self._session

    async def answer(self, request: Request, kind: Kind | None = None) -> Answer:
        """What the node says to `request`. Raises `aiohttp.ClientError` when it is gone."""
        body = orjson.dumps(request)
        headers = {"content-type": "application/json"}
        async with self.session.post(self._upstreams.of(kind), data=body, headers=headers) as response:
            answer: Answer = orjson.loads(await response.read())
        return answer

    async def result(self, method: str, *params: Any, kind: Kind | None = None) -> Any:
        """The result of one call of our own; None where the node answers an error."""
        request = {"jsonrpc": "2.0", "id": 0, "method": method, "params": list(params)}
        return (await self.answer(request, kind)).get("result")


def error(request: Mapping[str, Any], code: int, message: str, data: Any = None) -> Answer:
    """A JSON-RPC error answer to `request`."""
    said: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        said["data"] = data
    return {"jsonrpc": "2.0", "id": request.get("id"), "error": said}


def result(request: Mapping[str, Any], value: Any) -> Answer:
    """A JSON-RPC answer to `request`."""
    return {"jsonrpc": "2.0", "id": request.get("id"), "result": value}
