"""One chain with a market of every family for each module; each test leaves it as it found it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from bot.exactness.contracts import ANVIL_ARGUMENTS
from chains.anvil import Anvil
from tests.contracts.families import Families


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Families]:
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        yield await Families.open(anvil)


@pytest_asyncio.fixture(loop_scope="module")
async def families(opened: Families) -> AsyncIterator[Families]:
    rpc = opened.market.chain.anvil.rpc
    snapshot = await rpc("evm_snapshot")
    yield opened
    await rpc("evm_revert", snapshot)
