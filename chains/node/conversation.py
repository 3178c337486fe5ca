"""What a WebSocket and a Unix socket have in common: answers that find their questions, and subscriptions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from chains.anvil import RpcError
from chains.node.answers import Answer, Request, answers
from chains.node.documents import opened
from chains.node.errors import BadAnswer, Unreachable

Put = Callable[[Mapping[str, Any], int], None]
"""Takes one frame of a subscription and the monotonic nanosecond of its arrival."""


class Subscription:
    """One `eth_subscribe`. `take` is told each frame as it comes, `over` once when no more can come."""

    def __init__(self, take: Put, over: Callable[[], None]) -> None:
        self.take = take
        self.over = over


class Conversation:
    """Pairs what is sent with what comes back over one connection. Knows nothing of how bytes travel."""

    def __init__(self, where: str, send: Callable[[bytes], Awaitable[None]], timeout_s: float) -> None:
        self._where = where
        self._send = send
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._batches: set[int] = set()
        self._as_arrays: set[int] = set()
        self._opening: dict[int, Subscription] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._frames = 0
        self.gone = False

    @property
    def subscriptions(self) -> int:
        """How many are running."""
        return len(self._subscriptions)

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to a call or a batch of them, in order. Raises `Unreachable`, `BadAnswer`."""
        first_id = next(self._ids)
        for _ in requests[1:]:
            next(self._ids)
        return await self._ask(requests, first_id)

    async def subscribe(self, subscription: Subscription, *params: Any) -> None:
        """`eth_subscribe`; no frame is lost after the answer. Raises `RpcError`, `Unreachable`."""
        first_id = next(self._ids)
        self._opening[first_id] = subscription
        try:
            [answer] = await self._ask([Request("eth_subscribe", params)], first_id)
        finally:
            self._opening.pop(first_id, None)
        if isinstance(answer, RpcError):
            raise answer

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Stop its frames; no error, because nobody waits for them any more."""
        for name in [name for name, other in self._subscriptions.items() if other is subscription]:
            del self._subscriptions[name]
            with contextlib.suppress(Unreachable):
                await self.exchange([Request("eth_unsubscribe", [name])])

    def heard(self, frame: bytes | str, arrived_ns: int) -> None:
        """One frame came. Raises `BadAnswer` for what is not JSON: nothing after it can be trusted."""
        self._frames += 1
        try:
            message = opened(frame) if self._as_arrays else orjson.loads(frame)
        except orjson.JSONDecodeError:
            raise BadAnswer(f"{self._where}: sent what is not JSON") from None
        if isinstance(message, list):
            numbers = [item.get("id") for item in message if isinstance(item, dict)]
            self._settle(min((number for number in numbers if isinstance(number, int)), default=None), message)
        elif isinstance(message, dict) and message.get("method") == "eth_subscription":
            self._told(message.get("params"), arrived_ns)
        elif isinstance(message, dict):
            number = message.get("id")
            if number in self._opening and isinstance(message.get("result"), str):
                self._subscriptions[message["result"]] = self._opening.pop(number)
            self._settle(number, message)

    def lose(self) -> None:
        """The connection is gone: everyone who waits is told."""
        if self.gone:
            return
        self.gone = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Unreachable(f"{self._where}: the connection was lost"))
                waiting.exception()  # Read here, because who asked may be gone too.
        for subscription in self._subscriptions.values():
            subscription.over()

    def _told(self, params: Any, arrived_ns: int) -> None:
        if isinstance(params, dict) and isinstance(params.get("result"), dict):
            subscription = self._subscriptions.get(params.get("subscription", ""))
            if subscription is not None:
                subscription.take(params["result"], arrived_ns)

    def _settle(self, number: Any, message: Any) -> None:
        concerned: Iterable[int] = [number] if isinstance(number, int) else []
        if number is None:
            # A refusal of a frame as a whole has no id: with one question open it is that one's, or else a batch's.
            concerned = self._waiting if len(self._waiting) == 1 else self._batches
        for first_id in concerned:
            waiting = self._waiting.get(first_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def _ask(self, requests: Sequence[Request], first_id: int) -> list[Answer]:
        if self.gone:
            raise Unreachable(f"{self._where}: the connection is closed")
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[first_id] = waiting
        if len(requests) > 1:
            self._batches.add(first_id)
        if any(request.as_arrays for request in requests):
            self._as_arrays.add(first_id)
        frames = self._frames
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(encoded(requests, first_id))
                message = await waiting
        except TimeoutError:
            if self._frames == frames:
                # Not a word in all that time: the connection may be half open, and another costs little.
                self.lose()
            raise Unreachable(
                f"{self._where}: {requests[0].method} was not answered within {self._timeout_s:g} s"
            ) from None
        finally:
            self._waiting.pop(first_id, None)
            self._batches.discard(first_id)
            self._as_arrays.discard(first_id)
            # It has the error that a lost connection raises, which holds this frame: neither would go by itself.
            del waiting
        if isinstance(message, dict) and message.get("id") is None and len(requests) == 1:
            message = {**message, "id": first_id}
        return answers(self._where, requests, first_id, message)


def encoded(requests: Sequence[Request], first_id: int) -> bytes:
    """A call, or a batch, as JSON-RPC 2.0 writes it."""
    documents = [
        {"jsonrpc": "2.0", "id": first_id + place, "method": request.method, "params": list(request.params)}
        for place, request in enumerate(requests)
    ]
    return orjson.dumps(documents[0] if len(documents) == 1 else documents)
