"""One Anvil process, and what it is asked."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chains.anvil import Anvil, AnvilFailed, RpcError


async def test_a_state_of_several_megabytes_is_taken() -> None:
    async with Anvil() as anvil:
        with pytest.raises(RpcError, match="decode state dump"):
            await anvil.rpc("anvil_loadState", "0x" + "00" * 3_000_000)


async def test_an_answer_to_nothing_that_was_asked_is_a_failure_with_what_it_said() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid request"}}
        )

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server, Anvil() as anvil:
        assert server.port is not None
        anvil.port = server.port
        with pytest.raises(AnvilFailed, match="eth_chainId; it said: Invalid request"):
            await anvil.rpc("eth_chainId")
