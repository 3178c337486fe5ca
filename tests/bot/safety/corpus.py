"""A chain full of odd tokens of our own making, each with a real Uniswap V2 pair, and what the lab says of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode

from bot.exactness.contracts import Chain
from chains.anvil import Anvil
from chains.assets import Address, Token, address
from chains.blocks import Head
from chains.networks import Network, load_network
from chains.node import wire
from chains.tools import ROOT

UNIT = 10**18
TOKENS_THERE = 10**6 * UNIT
BASE_THERE = 1_000 * UNIT
REGISTRY_1820 = "0x1820a4B7618BdE71Dce8cdc73aAB6C95905faD24"
MINER = address("0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97")


def artefact(file: str, name: str) -> Any:
    return json.loads((ROOT / "contracts" / "out" / f"{file}.sol" / f"{name}.json").read_bytes())


@dataclass
class OddWorld:
    """An Anvil with a factory and one well-known token, against which every odd token is traded."""

    chain: Chain
    network: Network
    factory: Address
    base: Token

    @classmethod
    async def open(cls, anvil: Anvil) -> OddWorld:
        chain = await Chain.open(anvil)
        await anvil.rpc("anvil_setCoinbase", MINER)
        base = await chain.token("BASE")
        factory = await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", ["address"], [chain.account])
        runtime = artefact("Calling", "Registry")["deployedBytecode"]["object"]
        await anvil.rpc("anvil_setCode", REGISTRY_1820, runtime)
        twin = load_network("twin")
        uniswap = replace(twin.factory("uniswap_v2"), address=factory)
        network = replace(twin, tokens={"BASE": base}, factories={"uniswap_v2": uniswap})
        return cls(chain, network, factory, base)

    async def head(self) -> Head:
        return wire.header(await self.chain.anvil.rpc("eth_getBlockByNumber", "latest", False)).head

    async def deploy(self, file: str, name: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> Address:
        """Deploy a contract of the corpus."""
        code = artefact(file, name)["bytecode"]["object"] + encode(types, values).hex()
        sent = {"from": self.chain.account, "data": code, "gas": hex(10_000_000)}
        digest = await self.chain.anvil.rpc("eth_sendTransaction", sent)
        receipt = None
        while receipt is None:
            receipt = await self.chain.anvil.rpc("eth_getTransactionReceipt", digest)
        assert receipt["status"] == "0x1", name
        return address(receipt["contractAddress"])

    async def pair(self, token: Address) -> Address:
        """A pair of `token` and the base, with plenty of both."""
        await self.chain.send(self.factory, "createPair(address,address)", token, self.base.address)
        getter = "getPair(address,address)"
        (pair,) = await self.chain.read(self.factory, getter, ["address"], token, self.base.address)
        await self.chain.send(token, "mint(address,uint256)", pair, TOKENS_THERE)
        await self.chain.send(self.base.address, "transfer(address,uint256)", pair, BASE_THERE)
        await self.chain.send(pair, "sync()")
        return address(pair)

    async def listed(self, file: str, name: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> Address:
        """A token of the corpus, with a pair."""
        token = await self.deploy(file, name, types, values)
        await self.pair(token)
        return token


@asynccontextmanager
async def odd_world() -> AsyncIterator[OddWorld]:
    async with Anvil(
        ["--accounts", "1", "--gas-limit", "2000000000", "--base-fee", "0", "--chain-id", "31337"]
    ) as anvil:
        yield await OddWorld.open(anvil)
