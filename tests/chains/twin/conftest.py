"""The twin's state is built once and shared with `make setup`'s. `node` is a test's own; `standing` is its module's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chains.anvil import Anvil
from chains.twin.build import TwinState, ensure_state
from chains.twin.data import SNAPSHOT_TIME_S
from chains.twin.twin import STATE_FOLDER


@pytest.fixture(scope="session")
def state() -> TwinState:
    return asyncio.run(ensure_state(STATE_FOLDER))


def opened(state: TwinState) -> Anvil:
    """The chain as it opens, nothing mined yet."""
    return Anvil(["--no-mining", "--load-state", str(state.state_file), "--timestamp", str(SNAPSHOT_TIME_S)])


@pytest.fixture
async def node(state: TwinState) -> AsyncIterator[Anvil]:
    async with opened(state) as anvil:
        yield anvil


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(state: TwinState) -> AsyncIterator[Anvil]:
    """For tests that leave it as it is."""
    async with opened(state) as anvil:
        yield anvil
