from __future__ import annotations

import asyncio

import pytest

from bot.safety.lab import TokenLab
from bot.safety.report import TokenReport
from tests.bot.safety.corpus import CORPUS, odd_world


@pytest.fixture(scope="session")
def reports() -> dict[str, TokenReport]:
    """What the lab says of every token of the corpus, each listed in a real Uniswap V2 pair."""
    return asyncio.run(_measured())


async def _measured() -> dict[str, TokenReport]:
    async with odd_world() as world:
        tokens = {entry.name: await world.listed(entry.file, entry.name) for entry in CORPUS}
        head = await world.head()
        async with TokenLab(world.network, world.chain.anvil.http_url) as lab:
            return {name: await lab.measure(token, head) for name, token in tokens.items()}
