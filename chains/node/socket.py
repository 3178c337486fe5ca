"""JSON-RPC over a WebSocket, as every node and provider offers it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from chains.concealing import Concealing
from chains.node.acknowledging import acknowledge_at_once
from chains.node.answers import MAX_ANSWER_BYTES, Answer, Request
from chains.node.conversation import Conversation, Subscription
from chains.node.errors import BadAnswer, Unreachable, shown

_PING_INTERVAL_S = 20.0
_CLOSE_TIMEOUT_S = 1.0


class NodeSocket:
    """One connection: a `Transport`. It does not reconnect by itself."""

    def __init__(self, url: str, now_ns: Callable[[], int], timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._conceal = Concealing.of_url(url)
        self._now_ns = now_ns
        self._socket: ClientConnection | None = None
        self._listener: asyncio.Task[None] | None = None
        self._conversation = Conversation(shown(url), self._send, timeout_s)

    @property
    def open(self) -> bool:
        return self._socket is not None and not self._conversation.gone

    @property
    def subscriptions(self) -> int:
        """How many are running."""
        return self._conversation.subscriptions

    async def open_up(self) -> None:
        """Connect. Raises `Unreachable`."""
        try:
            self._socket = await connect(
                self._url,
                max_size=MAX_ANSWER_BYTES,
                compression=None,
                ping_interval=_PING_INTERVAL_S,
                ping_timeout=_PING_INTERVAL_S,
                open_timeout=self._timeout_s,
                close_timeout=_CLOSE_TIMEOUT_S,
            )
        except (WebSocketException, OSError, TimeoutError, ValueError) as error:
            cause = self._conceal(str(error))
            raise Unreachable(
                f"{shown(self._url)}: no node answers ({cause}); start one there or correct the address"
            ) from None
        self._listener = asyncio.create_task(self._listen(self._socket))

    async def shut(self) -> None:
        """Disconnect; requests in flight raise `Unreachable`."""
        self._conversation.lose()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._socket is not None:
            with contextlib.suppress(WebSocketException, OSError):
                await self._socket.close()

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """Raises `Unreachable`, `BadAnswer`."""
        return await self._conversation.exchange(requests)

    async def listen(self, subscription: Subscription, *params: Any) -> None:
        """`eth_subscribe`. Raises `RpcError`, `Unreachable`."""
        await self._conversation.subscribe(subscription, *params)

    async def unlisten(self, subscription: Subscription) -> None:
        """Stop the frames of `subscription`. Never raises."""
        await self._conversation.unsubscribe(subscription)

    async def _send(self, frame: bytes) -> None:
        if self._socket is None:
            raise Unreachable(f"{shown(self._url)}: the connection is closed")
        try:
            await self._socket.send(frame, text=True)
            acknowledge_at_once(self._socket.transport)
        except (WebSocketException, OSError) as error:
            raise Unreachable(f"{shown(self._url)}: the connection broke: {self._conceal(str(error))}") from None

    async def _listen(self, connection: ClientConnection) -> None:
        try:
            while True:
                frame = await connection.recv(decode=False)
                acknowledge_at_once(connection.transport)
                self._conversation.heard(self._conceal.raw(frame), self._now_ns())
        except (WebSocketException, OSError, BadAnswer):
            pass
        finally:
            self._conversation.lose()
