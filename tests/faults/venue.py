"""An exchange that misbehaves as exchanges do: the local one, with faults between it and whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import orjson
from aiohttp import web

from chains.exchanges.local import LocalExchange
from chains.exchanges.local.orders import NewOrder, Order
from chains.exchanges.local.server import Handler

LATE_S = 0.4
"""How long an answer is held back: longer than who asks is ready to wait."""


class Call(StrEnum):
    """What is asked of an exchange about an order."""

    NEW = "new"
    CANCEL = "cancel"
    FETCH = "fetch"


class Trouble(StrEnum):
    """What goes wrong. In the first six the exchange has not done what it was asked to, in the others it has."""

    RESET = "reset"
    SILENT = "silent"
    TOO_MANY = "too_many"
    BANNED = "banned"
    UNAVAILABLE = "unavailable"
    OUT_OF_TIME = "out_of_time"
    LOST = "lost"
    LATE = "late"
    ERROR = "error"
    HTML = "html"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    VANISHED = "vanished"
    TWICE = "twice"


_NOT_DONE: Mapping[Trouble, tuple[int, str]] = {
    Trouble.TOO_MANY: (429, '{"code":-1003,"msg":"Too many requests; current limit is 6000 request weight."}'),
    Trouble.BANNED: (418, '{"code":-1003,"msg":"Way too much request weight used; IP banned until 1700000000000."}'),
    Trouble.UNAVAILABLE: (503, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"),
    Trouble.OUT_OF_TIME: (400, '{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}'),
}
_VANISHED: Mapping[Call, str] = {
    Call.NEW: '{"code":-2010,"msg":"Duplicate order sent."}',
    Call.CANCEL: '{"code":-2011,"msg":"Unknown order sent."}',
    Call.FETCH: '{"code":-2013,"msg":"Order does not exist."}',
}
_DONE: Mapping[Trouble, tuple[int, str]] = {
    Trouble.ERROR: (500, '{"code":-1000,"msg":"An unknown error occurred while processing the request."}'),
    Trouble.HTML: (200, "<html><body>Checking your browser before accessing the exchange.</body></html>"),
    Trouble.EMPTY: (200, ""),
}
_CALLS = {"POST": Call.NEW, "DELETE": Call.CANCEL, "GET": Call.FETCH}
_PATHS = ("/api/v3/order", "/api/v3/myTrades")


class TroubledExchange(LocalExchange):
    """The local exchange; what `troubles` holds for a call befalls every one of its requests."""

    def __init__(self, anchors: Mapping[str, Decimal]) -> None:
        super().__init__(anchors)
        self.troubles: dict[Call, Trouble] = {}
        self.struck = 0

    def orders(self, api_key: str) -> list[Order]:
        """Every order of an account as it stands: the truth."""
        account = self._matcher.account(api_key)
        return [] if account is None else list(self._matcher.orders(account))

    def rest(self, api_key: str, new: NewOrder) -> None:
        """Take an order as if it had come over the wire."""
        account = self._matcher.account(api_key)
        assert account is not None
        self._matcher.place(account, new, self._event_ms())

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = _CALLS.get(request.method)
        trouble = self.troubles.get(call) if call and request.path in _PATHS else None
        if call is None or trouble is None:
            return await super()._answer(request, handler)
        self.struck += 1
        if trouble is Trouble.RESET:
            return _hung_up(request)
        if trouble is Trouble.SILENT:
            await asyncio.sleep(LATE_S)
            return _hung_up(request)
        if trouble in _NOT_DONE:
            status, text = _NOT_DONE[trouble]
            return _said(status, text, {"Retry-After": "1"})
        answer = await super()._answer(request, handler)
        assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
        match trouble:
            case Trouble.LOST:
                return _hung_up(request)
            case Trouble.LATE:
                await asyncio.sleep(LATE_S)
                return answer
            case Trouble.TRUNCATED:
                return _said(200, answer.body.decode()[: len(answer.body) * 2 // 3])
            case Trouble.VANISHED:
                return _said(400, _VANISHED[call])
            case Trouble.TWICE:
                return _said(answer.status, _doubled(answer.body))
            case _:
                return _said(*_DONE[trouble])


def _doubled(body: bytes) -> str:
    """Every trade that is told, told twice."""
    said = orjson.loads(body)
    if isinstance(said, list):
        said = said * 2
    elif "fills" in said:
        said["fills"] = said["fills"] * 2
    return orjson.dumps(said).decode()


def _hung_up(request: web.Request) -> web.Response:
    """No answer: the connection is gone."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _said(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    kind = "text/html" if text.startswith("<") else "application/json"
    return web.Response(status=status, text=text, content_type=kind, headers=headers)
