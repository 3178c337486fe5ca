"""A JSON-RPC endpoint that is as far away as one likes: it answers as another does, so much later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

_MOST_BYTES = 2**28


@dataclass
class SlowNode:
    """Where it is, and how many HTTP requests came."""

    url: str = ""
    requests: int = 0


@asynccontextmanager
async def delayed(target: str, delay_s: float) -> AsyncIterator[SlowNode]:
    """An endpoint in front of the one at `target`, `delay_s` away."""
    told = SlowNode()
    async with aiohttp.ClientSession() as session:

        async def answer(request: web.Request) -> web.Response:
            told.requests += 1
            body = await request.read()
            await asyncio.sleep(delay_s)
            async with session.post(target, data=body, headers={"content-type": "application/json"}) as response:
                return web.Response(body=await response.read(), content_type="application/json")

        application = web.Application(client_max_size=_MOST_BYTES)
        application.router.add_post("/", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield told
        finally:
            await runner.cleanup()
