from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chains.anvil import Anvil
from tests.chains.relays.blocks import Blocks
from tests.chains.relays.local import LocalRelay
from tests.faults.test_geth import SENDER

ARGUMENTS = ("--no-mining", "--order", "fifo", "--chain-id", "31337")


@pytest.fixture
async def relay() -> AsyncIterator[LocalRelay]:
    """A relay that makes the blocks of a chain on which `SENDER` has coins."""
    async with Anvil(ARGUMENTS) as anvil:
        await anvil.rpc("anvil_setBalance", SENDER.address, hex(10**20))
        blocks = Blocks(anvil)
        blocks.base_fee_wei = 10**9
        async with LocalRelay(blocks) as relay:
            yield relay
