"""web3's WebSocket provider, with every answer handed straight to the request that waits for it.

web3's own provider polls a cache until the answer is in it, which keeps a core busy for as long as a node thinks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from web3 import WebSocketProvider
from web3.exceptions import PersistentConnectionClosedOK, ProviderConnectionError
from web3.types import RPCResponse
from websockets.exceptions import WebSocketException

from chains.concealing import Concealing
from chains.node.answers import Answer, Request
from chains.node.conversation import Conversation, Subscription
from chains.node.errors import Unreachable, shown

_MAX_FRAME_BYTES = 256 << 20
_PING_INTERVAL_S = 20.0


class NodeSocket(WebSocketProvider):
    """One connection: a `Transport`. It does not reconnect by itself."""

    def __init__(self, url: str, now_ns: Callable[[], int], timeout_s: float) -> None:
        super().__init__(
            url,
            websocket_kwargs={
                "max_size": _MAX_FRAME_BYTES,
                "compression": None,
                "ping_interval": _PING_INTERVAL_S,
                "ping_timeout": _PING_INTERVAL_S,
                "open_timeout": timeout_s,
                "close_timeout": 1.0,
            },
            use_text_frames=True,
            request_timeout=timeout_s,
            max_connection_retries=1,
        )
        self._url = url
        self._conceal = Concealing.of_url(url)
        self._now_ns = now_ns
        self._conversation = Conversation(shown(url), self._send, timeout_s)

    @property
    def open(self) -> bool:
        return self._ws is not None and not self._conversation.gone and self.is_open()

    @property
    def subscriptions(self) -> int:
        """How many are running."""
        return self._conversation.subscriptions

    async def open_up(self) -> None:
        """Connect. Raises `Unreachable`."""
        try:
            await self.connect()
        except (ProviderConnectionError, OSError, ValueError) as error:
            cause = self._conceal(str(error.__cause__ or error))
            raise Unreachable(
                f"{shown(self._url)}: no node answers ({cause}); start one there or correct the address"
            ) from None

    async def shut(self) -> None:
        """Disconnect; requests in flight raise `Unreachable`."""
        self._conversation.lose()
        with contextlib.suppress(Exception):
            await self.disconnect()

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """Raises `Unreachable`, `BadAnswer`."""
        self._require_open()
        return await self._conversation.exchange(requests)

    async def listen(self, subscription: Subscription, *params: Any) -> None:
        """`eth_subscribe`. Raises `RpcError`, `Unreachable`."""
        self._require_open()
        await self._conversation.subscribe(subscription, *params)

    async def unlisten(self, subscription: Subscription) -> None:
        """Stop the frames of `subscription`. Never raises."""
        await self._conversation.unsubscribe(subscription)

    def _require_open(self) -> None:
        if not self.open:
            raise Unreachable(f"{shown(self._url)}: the connection is closed")

    async def _send(self, frame: bytes) -> None:
        """Not by web3's `socket_send`, whose `wait_for` can swallow a cancellation (Python 3.11)."""
        assert self._ws is not None, "only an open socket is sent over"
        try:
            await self._ws.send(frame.decode())
        except (WebSocketException, OSError, ProviderConnectionError) as error:
            raise Unreachable(f"{shown(self._url)}: the connection broke: {self._conceal(str(error))}") from None

    async def socket_recv(self) -> RPCResponse:
        """Read frames for as long as the socket lives; web3's listener task runs this and gets nothing back.

        The end is told to web3 as an orderly one, because those who wait have been told already.
        """
        assert self._ws is not None
        try:
            while True:
                frame = await self._ws.recv(decode=False)
                self._conversation.heard(self._conceal.raw(frame), self._now_ns())
        except Exception as error:
            raise PersistentConnectionClosedOK(user_message=f"the connection was lost: {error}") from error
        finally:
            self._conversation.lose()
