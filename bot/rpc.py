"""A plain JSON-RPC client over HTTP, for one-off commands. The engine's own node is `chains.node`."""

from __future__ import annotations

from typing import Any, Self

import aiohttp
import orjson

from chains.anvil import RpcError
from chains.node.errors import Unreachable, shown


class HttpRpc:
    """JSON-RPC at `url`. An async context manager."""

    def __init__(self, url: str, *, timeout_s: float = 20.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._id = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def rpc(self, method: str, *params: Any) -> Any:
        """One call. Raises `RpcError` for an error answer, `Unreachable` when no usable answer comes."""
        if self._session is None:
            raise RuntimeError("HttpRpc is used inside `async with`")
        self._id += 1
        body = orjson.dumps({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        try:
            async with self._session.post(
                self._url, data=body, headers={"content-type": "application/json"}
            ) as response:
                answer = orjson.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError, ValueError) as error:
            raise Unreachable(
                f"no JSON-RPC node answers at {shown(self._url)} ({type(error).__name__}); start it or correct the URL"
            ) from None
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise Unreachable(f"{shown(self._url)} does not speak JSON-RPC; correct the URL")
        if "error" in answer:
            refusal = answer["error"]
            raise RpcError(method, refusal.get("code", 0), refusal.get("message", ""), refusal.get("data"))
        return answer["result"]
