"""The twin's state is built once and shared with `make setup`'s; each test that runs a twin gets its own node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chains.anvil import Anvil
from chains.twin.build import TwinState, ensure_state
from chains.twin.data import SNAPSHOT_TIME_S
from chains.twin.twin import STATE_FOLDER


@pytest.fixture(scope="session")
def state() -> TwinState:
    return asyncio.run(ensure_state(STATE_FOLDER))


@pytest.fixture
async def node(state: TwinState) -> AsyncIterator[Anvil]:
    """The chain as it opens, nothing mined yet."""
    arguments = ["--no-mining", "--load-state", str(state.state_file), "--timestamp", str(SNAPSHOT_TIME_S)]
    async with Anvil(arguments) as anvil:
        yield anvil
