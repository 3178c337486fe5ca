"""What is said to one request under one fault: a reply as a value, the same for HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import aiohttp
import orjson
from eth_utils.crypto import keccak

from tests.faults.fault import DELAY_S, ELSEWHERE, Kind, Schedule
from tests.faults.geth import GethPool
from tests.faults.upstream import Answer, Caller, Request, error, result

RETRY_AFTER_S = 1
PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
SEND = "eth_sendRawTransaction"
SUBSCRIBE = "eth_subscribe"
SUBSCRIPTIONS = frozenset({SUBSCRIBE, "eth_unsubscribe"})
Forward = Callable[[Request], Awaitable[Answer]]
NOWHERE = "0x" + "5b" * 16
"""The id of a subscription that never says anything."""


class Ending(Enum):
    """How the connection looks after the reply."""

    WHOLE = "whole"
    TRUNCATED = "truncated"
    RESET = "reset"
    UNANSWERED = "unanswered"
    DEAF = "deaf"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` as it goes over the wire; `status` and `headers` are HTTP's, and on a WebSocket only say that it fails."""

    body: bytes = b""
    ending: Ending = Ending.WHOLE
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Answering:
    """Answers requests from the nodes behind it, each as the schedule has it."""

    def __init__(self, schedule: Schedule, node: Caller, pool: GethPool | None) -> None:
        self._schedule = schedule
        self._node = node
        self._pool = pool
        self.sent: list[str] = []
        """Every transaction that was handed over, whatever became of it, in order."""

    async def reply(self, request: Request | Sequence[Request], subscribing: Forward | None = None) -> Reply:
        """To one request, or to a batch: there, the first reply that is not whole stands for all.

        `subscribing` is where a WebSocket's subscriptions are asked for.
        """
        if isinstance(request, dict):
            return await self._one(request, subscribing)
        replies = await asyncio.gather(*(self._one(item, subscribing) for item in request))
        for reply in replies:
            if reply.ending is not Ending.WHOLE or reply.status != 200 or reply.body == PAGE:
                return reply
        return Reply(b"[" + b",".join(reply.body for reply in replies) + b"]")

    async def _one(self, request: Request, subscribing: Forward | None) -> Reply:
        method = str(request.get("method"))
        if method == SEND:
            self.sent.append(str(request["params"][0]))
        forward = subscribing if subscribing is not None and method in SUBSCRIPTIONS else self._true
        kind = self._schedule.draw(method)
        try:
            return await self._under(kind, request, method, forward)
        except aiohttp.ClientError as gone:
            return _said(error(request, -32603, f"upstream: {gone}"))

    async def _under(self, kind: Kind | None, request: Request, method: str, forward: Forward) -> Reply:
        if kind is None:
            return _said(await forward(request))
        if kind in DELAY_S:
            await asyncio.sleep(DELAY_S[kind])
            return _said(await forward(request))
        if kind in ELSEWHERE:
            # What a subscription under such a fault says are its frames, not its id.
            elsewhere = method not in SUBSCRIPTIONS
            return _said(await (self._node.answer(request, kind) if elsewhere else forward(request)))
        match kind:
            case Kind.LOST_REPLY:
                await forward(request)
                return Reply(ending=Ending.RESET)
            case Kind.TRUNCATE:
                return Reply(orjson.dumps(await forward(request)), Ending.TRUNCATED)
            case Kind.BLACKHOLE_OK:
                return _said(result(request, _hollow(request, method)))
            case Kind.NULL:
                return _said(result(request, None))
        return without_asking(kind, request)

    async def _true(self, request: Request) -> Answer:
        if request.get("method") == SEND and self._pool is not None:
            if self._pool.loses(str(request["params"][0])):
                return result(request, _hollow(request, SEND))
            refusal = await self._pool.refusal(str(request["params"][0]), self._node)
            if refusal is not None:
                return error(request, -32000, refusal)
        return await self._node.answer(request)


def without_asking(kind: Kind, request: Request) -> Reply:
    """The reply of faults that need no node."""
    match kind:
        case Kind.RATE_LIMITED | Kind.RATE_LIMITED_FOR:
            patience = {"Retry-After": str(RETRY_AFTER_S)} if kind is Kind.RATE_LIMITED_FOR else {}
            data = {"backoff_seconds": RETRY_AFTER_S} if patience else None
            body = orjson.dumps(error(request, 429, "Too Many Requests: request limit reached", data))
            return Reply(body, status=429, headers=patience)
        case Kind.UNAVAILABLE:
            return Reply(b"upstream connect error or disconnect/reset before headers", Ending.REFUSED, 503)
        case Kind.HTML:
            return Reply(PAGE, headers={"content-type": "text/html"})
        case Kind.RESET:
            return Reply(ending=Ending.RESET)
        case Kind.HALF_OPEN:
            return Reply(ending=Ending.DEAF)
    return Reply(ending=Ending.UNANSWERED)


def _said(answer: Answer) -> Reply:
    return Reply(orjson.dumps(answer))


def _hollow(request: Request, method: str) -> Any:
    """An answer that looks right and has nothing behind it."""
    if method == SEND:
        return "0x" + keccak(bytes.fromhex(str(request["params"][0])[2:])).hex()
    return NOWHERE if method == SUBSCRIBE else "0x"
