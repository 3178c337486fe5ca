"""JSON-RPC by method and parameters, for one-off commands: over plain HTTP, or over a node of several endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import aiohttp
import orjson

from chains.anvil import RpcError
from chains.concealing import Concealing
from chains.node import Node, SendStatus
from chains.node.answers import ASK_LESS, Request, refusal
from chains.node.errors import Busy, Unreachable, shown
from chains.node.http import body_of
from chains.node.refusals import Meaning, meaning

_REFUSED = -32000


class NodeRpc:
    """JSON-RPC over `node`. An async context manager that connects it, and closes it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __aenter__(self) -> Self:
        await self._node.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._node.close()

    async def rpc(self, method: str, *params: Any) -> Any:
        """One call; a signed transaction goes to every endpoint. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        if method != "eth_sendRawTransaction":
            return await self._node.request(method, *params)
        outcome = await self._node.send_raw(bytes.fromhex(params[0][2:]))
        if outcome.status is SendStatus.REFUSED:
            raise RpcError(method, _REFUSED, outcome.detail)
        if outcome.status is SendStatus.UNKNOWN:
            raise Unreachable(outcome.detail)
        return outcome.tx_hash

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several reads, in one message where the node takes so many; answers in order. Raises as `rpc`."""
        found = await self._node.request_all([Request(method, params) for method, params in calls])
        for answer in found:
            if isinstance(answer, RpcError):
                try:
                    raise answer
                finally:
                    # The error holds this frame, and by it all that was asked: neither would go by itself.
                    del answer, found
        return found


class HttpRpc:
    """JSON-RPC at `url`. An async context manager."""

    def __init__(self, url: str, *, timeout_s: float = 20.0) -> None:
        self._url = url
        self._conceal = Concealing.of_url(url)
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._id = 0
        self._takes_batches = True

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def rpc(self, method: str, *params: Any) -> Any:
        """One call. Raises `RpcError` for an error answer, `Unreachable` when no usable answer comes."""
        return (await self.batch([(method, params)]))[0]

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several calls, in one request where the node takes so many; answers in order. Raises as `rpc`."""
        if self._session is None:
            raise RuntimeError("HttpRpc is used inside `async with`")
        if len(calls) > 1 and not self._takes_batches:
            return await asyncio.gather(*(self.rpc(method, *params) for method, params in calls))
        first, self._id = self._id + 1, self._id + len(calls)
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls, first)
        ]
        body = orjson.dumps(requests[0] if len(requests) == 1 else requests)
        try:
            async with self._session.post(
                self._url, data=body, headers={"content-type": "application/json"}
            ) as response:
                said = orjson.loads(self._conceal.raw(await body_of(shown(self._url), response)))
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError, ValueError) as error:
            raise Unreachable(
                f"no JSON-RPC node answers at {shown(self._url)} ({type(error).__name__}); start it or correct the URL"
            ) from None
        said = said if isinstance(said, list) else [said]
        answers = {each.get("id"): each for each in said if isinstance(each, dict)}
        if len(requests) > 1 and answers.keys().isdisjoint(range(first, first + len(requests))):
            self._require_not_busy(said[0])
            self._takes_batches = False
            return await self.batch(calls)
        if len(requests) == 1:
            # A node that could not read the request answers without its number.
            answers.setdefault(first, said[0])
        return [self._result(method, answers.get(number)) for number, (method, _) in enumerate(calls, first)]

    def _require_not_busy(self, answer: Any) -> None:
        """A limit that is reached says nothing about batches. Raises `Busy`."""
        if isinstance(answer, dict) and "error" in answer:
            error = refusal("batch", answer["error"])
            if meaning(error, "batch") is Meaning.BUSY:
                raise Busy(f"{shown(self._url)}: {error.message}; {ASK_LESS}")

    def _result(self, method: str, answer: Any) -> Any:
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise Unreachable(f"{shown(self._url)} does not speak JSON-RPC; correct the URL")
        if "error" in answer:
            raise refusal(method, answer["error"])
        return answer["result"]
