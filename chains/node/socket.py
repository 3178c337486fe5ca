"""web3's WebSocket provider, with every answer handed straight to the request that waits for it.

web3's own provider polls a cache until the answer is in it, which keeps a core busy for as long as a node thinks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

import orjson
from web3 import WebSocketProvider
from web3.exceptions import PersistentConnectionClosedOK, ProviderConnectionError, Web3ValidationError
from web3.types import RPCEndpoint, RPCRequest, RPCResponse
from websockets.exceptions import WebSocketException

from chains.anvil import RpcError
from chains.node.errors import Unreachable, shown

_MAX_FRAME_BYTES = 256 << 20
_PING_INTERVAL_S = 20.0


class Subscription:
    """The frames of one `eth_subscribe`, each with the monotonic time of its arrival.

    `newest` is the highest block number in any of them, read or not; 0 before the first.
    """

    def __init__(self) -> None:
        self._frames: asyncio.Queue[tuple[dict[str, Any], int] | None] = asyncio.Queue()
        self.newest = 0

    def put(self, frame: dict[str, Any], arrived_ns: int) -> None:
        self.newest = max(self.newest, int(frame.get("number", "0x0"), 16))
        self._frames.put_nowait((frame, arrived_ns))

    def end(self) -> None:
        self._frames.put_nowait(None)

    async def next(self, timeout_s: float) -> tuple[dict[str, Any], int] | None:
        """The next frame; `None` once the socket is gone. Raises `TimeoutError`."""
        async with asyncio.timeout(timeout_s):
            return await self._frames.get()


class NodeSocket(WebSocketProvider):
    """One connection. `make_request` and `subscribe` are its whole use; it does not reconnect by itself."""

    def __init__(self, url: str, now_ns: Callable[[], int], timeout_s: float) -> None:
        """Raises `Unreachable` when `url` is not a WebSocket address."""
        try:
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
        except Web3ValidationError:
            raise Unreachable(
                f"{url}: is not a WebSocket address; write one that begins with ws:// or wss://"
            ) from None
        self._url = url
        self._now_ns = now_ns
        self._waiting: dict[int, asyncio.Future[RPCResponse]] = {}
        self._opening: dict[int, Subscription] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._gone = False

    @property
    def open(self) -> bool:
        return self._ws is not None and not self._gone and self.is_open()

    @property
    def subscriptions(self) -> int:
        """How many are running."""
        return len(self._subscriptions)

    async def open_up(self) -> None:
        """Connect. Raises `Unreachable`."""
        try:
            await self.connect()
        except (ProviderConnectionError, OSError, ValueError) as error:
            cause = error.__cause__ or error
            raise Unreachable(
                f"{shown(self._url)}: no node answers ({cause}); start one there or correct the address"
            ) from None

    async def shut(self) -> None:
        """Disconnect; requests in flight raise `Unreachable`."""
        self._lose()
        with contextlib.suppress(Exception):
            await self.disconnect()

    async def request(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises `chains.anvil.RpcError`, `Unreachable`."""
        answer = cast(dict[str, Any], await self.make_request(RPCEndpoint(method), list(params)))
        error = answer.get("error")
        if error is not None:
            raise RpcError(method, error.get("code", 0), error.get("message", ""), error.get("data"))
        return answer.get("result")

    async def subscribe(self, *params: Any) -> Subscription:
        """`eth_subscribe`; no frame is lost between the answer and the first read. Raises as `request`."""
        subscription = Subscription()
        request = self.form_request(RPCEndpoint("eth_subscribe"), list(params))
        self._opening[cast(int, request["id"])] = subscription
        answer = cast(dict[str, Any], await self._ask(request))
        if "error" in answer:
            error = answer["error"]
            raise RpcError("eth_subscribe", error.get("code", 0), error.get("message", ""), error.get("data"))
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Stop the frames of `subscription`; no error, because nobody waits for them any more."""
        for name in [name for name, other in self._subscriptions.items() if other is subscription]:
            del self._subscriptions[name]
            with contextlib.suppress(RpcError, Unreachable):
                await self.request("eth_unsubscribe", name)

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Overrides web3's send-then-poll. Raises `Unreachable`."""
        return await self._ask(self.form_request(method, params))

    async def _ask(self, request: RPCRequest) -> RPCResponse:
        if not self.open:
            raise Unreachable(f"{shown(self._url)}: the connection is closed")
        number = cast(int, request["id"])
        waiting: asyncio.Future[RPCResponse] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            async with asyncio.timeout(self.request_timeout):
                await self.socket_send(orjson.dumps(request))
                return await waiting
        except TimeoutError:
            raise Unreachable(
                f"{shown(self._url)}: {request['method']} was not answered within {self.request_timeout:g} s"
            ) from None
        except (WebSocketException, OSError, ProviderConnectionError) as error:
            raise Unreachable(f"{shown(self._url)}: the connection broke: {error}") from None
        finally:
            self._waiting.pop(number, None)
            self._opening.pop(number, None)

    async def socket_recv(self) -> RPCResponse:
        """Read frames for as long as the socket lives; web3's listener task runs this and gets nothing back.

        The end is told to web3 as an orderly one, because those who wait have been told already.
        """
        assert self._ws is not None
        try:
            while True:
                frame = await self._ws.recv(decode=False)
                self._dispatch(orjson.loads(frame), self._now_ns())
        except Exception as error:
            raise PersistentConnectionClosedOK(user_message=f"the connection was lost: {error}") from error
        finally:
            self._lose()

    def _dispatch(self, message: dict[str, Any], arrived_ns: int) -> None:
        if message.get("method") == "eth_subscription":
            params = message["params"]
            subscription = self._subscriptions.get(params["subscription"])
            if subscription is not None:
                subscription.put(params["result"], arrived_ns)
            return
        number = message.get("id")
        if not isinstance(number, int):
            return
        if number in self._opening and "result" in message:
            self._subscriptions[message["result"]] = self._opening.pop(number)
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(cast(RPCResponse, message))

    def _lose(self) -> None:
        if self._gone:
            return
        self._gone = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Unreachable(f"{shown(self._url)}: the connection was lost"))
        for subscription in self._subscriptions.values():
            subscription.end()
