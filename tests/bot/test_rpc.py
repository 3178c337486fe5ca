"""JSON-RPC by method and parameters: what nodes differ in."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiohttp import web

from bot.rpc import HttpRpc
from chains.anvil import RpcError
from chains.node import Unreachable

CALLS = [("eth_call", (["0x01"], "latest")), ("eth_chainId", ())]


async def served(take: Any) -> tuple[web.AppRunner, str]:
    """A node that answers with what `take` makes of a request, and its address."""

    async def answered(request: web.Request) -> web.Response:
        return web.json_response(take(orjson.loads(await request.read())))

    app = web.Application()
    app.router.add_post("/", answered)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


def said(call: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call["id"], "result": call["method"]}


REFUSAL = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batches are not supported"}}


@pytest.mark.parametrize("refusal", [REFUSAL, [REFUSAL]])
async def test_a_node_that_takes_one_call_at_a_time_is_asked_so_and_no_more_than_once_otherwise(refusal: Any):
    asked: list[Any] = []

    def take(request: Any) -> Any:
        asked.append(request)
        return refusal if isinstance(request, list) else said(request)

    runner, url = await served(take)
    async with HttpRpc(url) as rpc:
        for _ in range(2):
            assert await rpc.batch(CALLS) == ["eth_call", "eth_chainId"]
    await runner.cleanup()
    assert [isinstance(request, list) for request in asked] == [True, False, False, False, False]


async def test_what_such_a_node_refuses_is_that_calls_refusal():
    runner, url = await served(lambda request: REFUSAL | ({} if isinstance(request, list) else {"id": request["id"]}))
    async with HttpRpc(url) as rpc:
        with pytest.raises(RpcError, match="not supported"):
            await rpc.batch(CALLS)
    await runner.cleanup()


async def test_a_limit_that_is_reached_says_nothing_about_batches():
    asked: list[Any] = []

    def take(request: Any) -> Any:
        asked.append(request)
        limit = {"code": 429, "message": "too many requests"}
        return REFUSAL | {"error": limit} if len(asked) == 1 else [said(call) for call in request]

    runner, url = await served(take)
    async with HttpRpc(url) as rpc:
        with pytest.raises(Unreachable, match="too many requests"):
            await rpc.batch(CALLS)
        assert await rpc.batch(CALLS) == ["eth_call", "eth_chainId"]
    await runner.cleanup()
    assert len(asked) == 2


async def test_a_batch_is_one_request_where_it_is_taken_and_what_speaks_no_json_rpc_is_named():
    asked: list[Any] = []

    def take(request: Any) -> Any:
        asked.append(request)
        return [said(call) for call in reversed(request)]

    runner, url = await served(take)
    async with HttpRpc(url) as rpc:
        assert await rpc.batch(CALLS) == ["eth_call", "eth_chainId"]
    await runner.cleanup()
    assert len(asked) == 1
    runner, url = await served(lambda request: "hello")
    async with HttpRpc(url) as rpc:
        with pytest.raises(Unreachable, match="does not speak JSON-RPC"):
            await rpc.batch(CALLS)
    await runner.cleanup()
