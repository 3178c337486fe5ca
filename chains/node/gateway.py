"""The node as one JSON-RPC address on this machine, for programs that can only be given an address, such as Anvil.

What a fork reads fails over between endpoints, is counted, and is read at the hash of the block that was followed
where the fork asks by number. What cannot change is remembered, and not asked where it is known otherwise. A read that
failed stays an error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, Self

import orjson
from aiohttp import web

from chains.anvil import RpcError
from chains.assets import Address
from chains.networks import Network
from chains.node.acknowledging import acknowledge_at_once
from chains.node.errors import NodeError
from chains.node.wire import block_parameter

_HOST = "127.0.0.1"
_MAX_BODY_BYTES = 16 << 20
REMEMBERED_BYTES = 16 << 20
"""Answers are of one block each, and worth nothing a few blocks later; a call may be as long as its answer."""
_LONG = 1 << 16
_CODES = 1024
"""So many codes are kept as they are told: most contracts share theirs with others."""
_INTERNAL_ERROR = -32603
_NOT_SERVED = -32601
_PARSE_ERROR = -32700

# Where each read has its block.
_BLOCK_AT = {
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_createAccessList": 1,
    "eth_getStorageAt": 2,
    "eth_getProof": 2,
}
_ACCOUNT = "eth_getAccountInfo"
_PARTS = {"eth_getBalance": "balance", "eth_getTransactionCount": "nonce", "eth_getCode": "code"}
_NOT_READS = ("eth_send", "eth_sign", "eth_accounts", "eth_subscribe", "eth_new", "eth_uninstall", "eth_getFilter")


class Served(Protocol):
    """What stands behind the gateway: `chains.node.Node`."""

    network: Network

    async def request(self, method: str, *params: Any) -> Any: ...

    def hash_at(self, number: int) -> str | None: ...


class Gateway:
    """Serves reads of `node` over HTTP and WebSockets on a free loopback port. An async context manager.

    A fork asks for hundreds of things on each new block: over HTTP, each at once needs a connection of its own.
    """

    def __init__(self, node: Served) -> None:
        self._node = node
        self._runner: web.ServerRunner | None = None
        self._port = 0
        self._open: set[web.WebSocketResponse] = set()
        self._known: OrderedDict[bytes, Any] = OrderedDict()
        self._known_bytes = 0
        self._asking: dict[bytes, asyncio.Future[Any]] = {}
        self.remembered = 0
        """How many reads were answered from memory."""

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{_HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        runner = self._runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        site = web.TCPSite(runner, _HOST, 0)
        await site.start()
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._runner is not None:
            # A server waits for those who still talk to it.
            await asyncio.gather(*(socket.close() for socket in set(self._open)))
            await self._runner.cleanup()
            self._runner = None

    def know(self, block_hash: str, account: Address, balance_wei: int, nonce: int, code: bytes) -> None:
        """What the node would tell of `account` as of that block: it is not asked."""
        told = {"eth_getBalance": hex(balance_wei), "eth_getTransactionCount": hex(nonce), "eth_getCode": _hex(code)}
        for method, result in told.items():
            self._remember(_key(method, [account.lower(), block_parameter(block_hash)]), result)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(request)
        return web.Response(body=await self._answered(await request.read()), content_type="application/json")

    async def _converse(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer each frame as soon as its answer is there, whatever was asked before it."""
        spoken = web.WebSocketResponse(max_msg_size=_MAX_BODY_BYTES, compress=False)
        try:
            await spoken.prepare(request)
        except ConnectionError:
            # A fork hangs up while it is let in, where it is moved meanwhile.
            return web.Response()
        self._open.add(spoken)
        try:
            async with asyncio.TaskGroup() as answering:
                async for frame in spoken:
                    acknowledge_at_once(request.transport)
                    if frame.type in (web.WSMsgType.TEXT, web.WSMsgType.BINARY):
                        answering.create_task(self._say(spoken, frame.data))
        finally:
            self._open.discard(spoken)
            if (error := spoken.exception()) is not None:
                # It holds on to what holds it, and a fork that is moved to another block hangs up each time.
                error.__traceback__ = error.__context__ = None
        return spoken

    async def _say(self, spoken: web.WebSocketResponse, asked: bytes | str) -> None:
        answer = await self._answered(asked)
        with contextlib.suppress(ConnectionError):
            await spoken.send_str(answer.decode())

    async def _answered(self, asked: bytes | str) -> bytes:
        try:
            document = orjson.loads(asked)
        except orjson.JSONDecodeError:
            return orjson.dumps(_error(None, _PARSE_ERROR, "not JSON"))
        if isinstance(document, list):
            return orjson.dumps(await asyncio.gather(*(self._answer(item) for item in document)))
        return orjson.dumps(await self._answer(document))

    async def _answer(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict) or not isinstance(document.get("method"), str):
            return _error(None, _PARSE_ERROR, "not a JSON-RPC request")
        number, method, params = document.get("id"), document["method"], document.get("params") or []
        if not method.startswith(("eth_", "net_", "web3_")) or method.startswith(_NOT_READS):
            return _error(number, _NOT_SERVED, f"{method} is not served here: this address is for reads")
        try:
            return {"jsonrpc": "2.0", "id": number, "result": await self._read(method, params)}
        except RpcError as error:
            return _error(number, error.code or _INTERNAL_ERROR, error.message, error.data)
        except NodeError as error:
            return _error(number, _INTERNAL_ERROR, str(error))

    async def _read(self, method: str, params: Sequence[Any]) -> Any:
        if method == "eth_chainId":
            return hex(self._node.network.chain_id)
        if method == "net_version":
            return str(self._node.network.chain_id)
        if method == _ACCOUNT:
            # Anvil asks for this or for its parts, whichever it finds is answered, and not every node knows it.
            parts = await asyncio.gather(*(self._read(each, params) for each in _PARTS))
            return dict(zip(_PARTS.values(), parts, strict=True))
        method, params = self._pinned(method, params)
        if not _unchanging(method, params):
            return await self._node.request(method, *params)
        key = _key(method, params)
        if key in self._known:
            self.remembered += 1
            self._known.move_to_end(key)
            return self._known[key]
        if key not in self._asking:
            asking = self._asking[key] = asyncio.ensure_future(self._node.request(method, *params))
            asking.add_done_callback(lambda done: self._note(key, done))
        return await asyncio.shield(self._asking[key])

    def _pinned(self, method: str, params: Sequence[Any]) -> tuple[str, list[Any]]:
        """The same read at the hash of the followed block, where it names that block by its number."""
        fixed = list(params)
        place = _BLOCK_AT.get(method)
        if place is not None and len(fixed) > place:
            block_hash = self._followed(fixed[place])
            if block_hash is not None:
                fixed[place] = block_parameter(block_hash)
        elif method == "eth_getBlockByNumber" and fixed:
            block_hash = self._followed(fixed[0])
            if block_hash is not None:
                return "eth_getBlockByHash", [block_hash, *fixed[1:]]
        return method, fixed

    def _followed(self, block: Any) -> str | None:
        if not isinstance(block, str) or not block.startswith("0x"):
            return None
        try:
            return self._node.hash_at(int(block, 16))
        except ValueError:
            return None

    def _note(self, key: bytes, done: asyncio.Future[Any]) -> None:
        """Remember an answer; a failure is never remembered."""
        self._asking.pop(key, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._remember(key, done.result())

    def _remember(self, key: bytes, result: Any) -> None:
        if result is None or (isinstance(result, str) and len(result) > _LONG) or key in self._known:
            return
        self._known[key] = result
        self._known_bytes += _bytes_of(key, result)
        while self._known_bytes > REMEMBERED_BYTES:
            self._known_bytes -= _bytes_of(*self._known.popitem(last=False))


@lru_cache(maxsize=_CODES)
def _hex(code: bytes) -> str:
    """Of the same contracts block after block: written once, and kept once."""
    return "0x" + code.hex()


def _key(method: str, params: Sequence[Any]) -> bytes:
    return orjson.dumps([method, params])


def _bytes_of(key: bytes, result: Any) -> int:
    return len(key) + (len(result) if isinstance(result, str) else len(orjson.dumps(result)))


def _unchanging(method: str, params: Sequence[Any]) -> bool:
    """Whether the answer is the same for ever: the state at, or the header of, a block given by its hash."""
    if method == "eth_getBlockByHash":
        return len(params) > 1 and params[1] is False
    place = _BLOCK_AT.get(method)
    return (
        place is not None and len(params) > place and isinstance(params[place], dict) and "blockHash" in params[place]
    )


def _error(number: Any, code: int, message: str, data: Any = None) -> dict[str, Any]:
    refusal = {"code": code, "message": message} if data is None else {"code": code, "message": message, "data": data}
    return {"jsonrpc": "2.0", "id": number, "error": refusal}
