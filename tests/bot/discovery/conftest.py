"""The twin's chain, with every recorded pool and the logs of its creation, and a store of its own for each test.

A module has one chain, which holds tens of megabytes; each test leaves it as it found it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.config.pools import PoolSettings
from bot.discovery.start import Discoverer, open_discoverer
from bot.exactness import PROOFS, Proof
from chains.anvil import Anvil, RpcError
from chains.blocks import Head
from chains.networks import Network, load_network
from chains.node.answers import Request
from chains.node.reads import JsonRpcReads
from chains.twin.build import TwinState, ensure_state
from chains.twin.data import SNAPSHOT_BLOCK, SNAPSHOT_TIME_S
from chains.twin.twin import STATE_FOLDER

TWIN = load_network("twin")
BUILT_AFTER = SNAPSHOT_BLOCK - 30


class Reads(JsonRpcReads):
    """An Anvil, read as a node is; `asked` counts by method."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self.most_blocks = 10**9
        self.asked: dict[str, int] = {}

    async def request(self, method: str, *params: Any) -> Any:
        self.asked[method] = self.asked.get(method, 0) + 1
        if method == "eth_getLogs" and _blocks(params[0]) > self.most_blocks:
            raise RpcError(method, -32602, f"a range may have {self.most_blocks} blocks")
        return await self.anvil.rpc(method, *params)

    request_once = request

    async def request_all(self, requests: Sequence[Request]) -> list[Any]:
        return await asyncio.gather(*(self._answer(each) for each in requests))

    async def _answer(self, asked: Request) -> Any:
        try:
            return await self.request(asked.method, *asked.params)
        except RpcError as error:
            return error

    def now_ns(self) -> int:
        return 0


@dataclass
class Place:
    """A chain, and where its pools are kept."""

    reads: Reads
    folder: Path
    network: Network = TWIN

    async def discoverer(self, *, proofs: Iterable[Proof] = PROOFS, **settings: Any) -> Discoverer:
        usual = {"discover": True, "folder": self.folder, "min_liquidity": "0 ETH", "from_block": BUILT_AFTER}
        said = PoolSettings.model_validate(usual | settings)
        return await open_discoverer(said, self.network, self.reads, proofs=proofs)

    async def head(self) -> Head:
        return await self.reads.head()


@pytest.fixture(scope="session")
def state() -> TwinState:
    return asyncio.run(ensure_state(STATE_FOLDER))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(state: TwinState) -> AsyncIterator[Anvil]:
    arguments = ["--no-mining", "--load-state", str(state.state_file), "--timestamp", str(SNAPSHOT_TIME_S)]
    async with Anvil(arguments) as anvil:
        yield anvil


@pytest_asyncio.fixture(loop_scope="module")
async def place(standing: Anvil, tmp_path: Path) -> AsyncIterator[Place]:
    snapshot = await standing.rpc("evm_snapshot")
    yield Place(Reads(standing), tmp_path)
    await standing.rpc("evm_revert", snapshot)


def silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def _blocks(criteria: dict[str, Any]) -> int:
    """How many blocks an `eth_getLogs` asks about."""
    return 1 if "blockHash" in criteria else int(criteria["toBlock"], 16) - int(criteria["fromBlock"], 16) + 1
