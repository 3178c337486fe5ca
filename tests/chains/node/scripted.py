"""A JSON-RPC server over HTTP in front of an Anvil, whose answers a test may replace, delay or spoil; it counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self

import orjson
from aiohttp import web

from chains.anvil import Anvil, RpcError

Replace = Callable[[str, list[Any]], Any]
"""Returns a result, an `RpcError`, a `web.Response` for the whole message, or `PASS`."""
PASS = object()


class Scripted:
    """`replace` sees every call first; `slow_s` delays every message; `counts` are the calls by method.

    `batch` is said to every batch as a whole, unless it is `PASS`.
    """

    def __init__(self, behind: Anvil | None = None) -> None:
        self.behind = behind
        self.replace: Replace = lambda method, params: PASS
        self.slow_s = 0.0
        self.batch: Any = PASS
        self.counts: Counter[str] = Counter()
        self.messages = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.messages += 1
        document = orjson.loads(await request.read())
        await asyncio.sleep(self.slow_s)
        if isinstance(document, list) and self.batch is not PASS:
            return web.Response(body=orjson.dumps(self.batch))
        asked = document if isinstance(document, list) else [document]
        answers = []
        for item in asked:
            answer = await self._answer(item)
            if isinstance(answer, web.Response):
                return answer
            answers.append(answer)
        return web.Response(body=orjson.dumps(answers if isinstance(document, list) else answers[0]))

    async def _answer(self, item: dict[str, Any]) -> Any:
        method, params = item["method"], item["params"]
        self.counts[method] += 1
        result = self.replace(method, params)
        if isinstance(result, Awaitable):
            result = await result
        if result is PASS:
            assert self.behind is not None
            try:
                result = await self.behind.rpc(method, *params)
            except RpcError as error:
                result = error
        if isinstance(result, web.Response):
            return result
        if isinstance(result, RpcError):
            refusal = {"code": result.code, "message": result.message, "data": result.data}
            return {"jsonrpc": "2.0", "id": item["id"], "error": refusal}
        return {"jsonrpc": "2.0", "id": item["id"], "result": result}


def only(method: str, answer: Any) -> Replace:
    """Replaces the answers of one method."""
    return lambda asked, params: (answer(params) if callable(answer) else answer) if asked == method else PASS
