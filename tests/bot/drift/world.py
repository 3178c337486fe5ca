"""A small real chain whose pools move at random: Uniswap V2 and V3 bytecode on an Anvil that mines when told."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chains.twin
from bot.exactness.contracts import Chain, call_data, ordered
from bot.exactness.uniswap_v3 import SPACINGS, Deployment, random_range
from bot.market import Market
from bot.market.loader import MULTICALL3, load_pools
from chains.anvil import Anvil
from chains.assets import Address, Assets, Token, address
from chains.blocks import Block, Head
from chains.node import wire
from chains.pools.pool import Pool, PoolFacts
from chains.pools.tick_math import sqrt_price_at

ARGUMENTS = ["--accounts", "1", "--gas-limit", "2000000000", "--base-fee", "0", "--order", "fifo"]
_STATES_KEPT = ["--prune-history", "128"]
"""Without a bound, Anvil takes longer for each block the more there were."""

MULTICALL_CODE = Path(chains.twin.__file__).parent / "data" / "multicall3.json"
"""Multicall3's runtime code, which a fresh Anvil does not have."""

_ROUTER = "@uniswap/v2-periphery", "build/UniswapV2Router02.json"
_FACTORY = "@uniswap/v2-core", "build/UniswapV2Factory.json"
_GAS = 3_000_000
_LIQUIDITY = 10**22
_PAIR_FEE_PPM = 3000
_DECREASE = "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))"
_MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
_SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
_FOREVER = 2**63


@dataclass(slots=True)
class World:
    """Pairs between three tokens, and three V3 pools between two of them; `move` changes one at random."""

    chain: Chain
    rng: random.Random
    tokens: tuple[Token, ...]
    router: str
    deployment: Deployment
    facts: dict[str, PoolFacts] = field(default_factory=dict)
    positions: int = 0

    @property
    def anvil(self) -> Anvil:
        return self.chain.anvil

    @property
    def pairs(self) -> list[PoolFacts]:
        return [fact for fact in self.facts.values() if fact.family == "constant_product"]

    async def call(self, to: Address, data: bytes, block_hash: str, /) -> bytes:
        """As a node's, for loading afresh."""
        answer = await self.anvil.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, {"blockHash": block_hash})
        return bytes.fromhex(answer[2:])

    async def request(self, method: str, *params: Any) -> Any:
        """As a node's."""
        return await self.anvil.rpc(method, *params)

    async def block_by_number(self, number: int) -> Head | None:
        """As a node's."""
        document = await self.anvil.rpc("eth_getBlockByNumber", hex(number), False)
        return wire.header(document).head if document else None

    async def block(self) -> Block:
        """The latest block with all of its logs."""
        head = await self.head()
        return Block(head, wire.logs(await self.anvil.rpc("eth_getLogs", {"blockHash": head.hash})))

    async def head(self) -> Head:
        return wire.header(await self.anvil.rpc("eth_getBlockByNumber", "latest", False)).head

    async def fresh(self, block_hash: str) -> dict[str, Pool]:
        """Every pool as the chain has it after that block."""
        loaded = await load_pools(self, self.facts.values(), block_hash)
        assert not loaded.refused, loaded.refused
        return {pool.venue: pool for pool in loaded.pools}

    async def market(self, kind: type[Market] = Market) -> Market:
        """Every pool as of the latest block."""
        head = await self.head()
        made = kind(Assets({}))
        for pool in (await self.fresh(head.hash)).values():
            made.add_pool(pool, head.number)
        return made

    async def mine(self) -> None:
        await self.anvil.rpc("evm_mine")

    async def move(self) -> None:
        """Send one random transaction that changes a pool, or two; it waits for the next block."""
        await self.rng.choice((self._swap_pair, self._swap_pair, self._add_to_pair, self._swap_v3, self._swap_v3))()
        if self.rng.random() < 0.3:
            await self.rng.choice((self._donate, self._mint_v3, self._burn_v3))()

    async def swap_pair(self, fact: PoolFacts, amount: int) -> str:
        """Swap `amount` of the pair's first token; the transaction's hash."""
        path = [token.address for token in fact.tokens]
        data = call_data(
            "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
            *(amount, 0, path, self.chain.account, _FOREVER),
        )
        return await self._send(self.router, data)

    async def mint_v3(self, fee: int, lower: int, upper: int, amount: int) -> None:
        """Add a position to the V3 pool of that fee."""
        zero, one = (token.address for token in self.deployment.tokens)
        position = (zero, one, fee, lower, upper, amount, amount, 0, 0, self.chain.account, _FOREVER)
        await self._send(self.deployment.manager, call_data(_MINT, position))
        self.positions += 1

    async def _swap_pair(self) -> None:
        fact = self.rng.choice(self.pairs)
        turned = PoolFacts(fact.family, fact.address, fact.tokens[:: self.rng.choice((1, -1))], fact.fee_ppm)
        await self.swap_pair(turned, int(10 ** self.rng.uniform(15, 21)))

    async def _add_to_pair(self) -> None:
        one, other = (token.address for token in self.rng.choice(self.pairs).tokens)
        amount = int(10 ** self.rng.uniform(15, 20))
        signature = "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)"
        data = call_data(signature, one, other, amount, amount, 0, 0, self.chain.account, _FOREVER)
        await self._send(self.router, data)

    async def _donate(self) -> None:
        fact = self.rng.choice(self.pairs)
        await self._send(fact.tokens[0].address, call_data("transfer(address,uint256)", fact.address, 10**15))
        if self.rng.random() < 0.5:
            await self._send(fact.address, call_data("sync()"))

    async def _swap_v3(self) -> None:
        tokens = self.deployment.tokens[:: self.rng.choice((1, -1))]
        fee = self.rng.choice(list(SPACINGS))
        amount = int(10 ** self.rng.uniform(14, 21.5))
        order = (tokens[0].address, tokens[1].address, fee, self.chain.account, _FOREVER, amount, 0, 0)
        await self._send(self.deployment.router, call_data(_SWAP, order))

    async def _mint_v3(self) -> None:
        fee = self.rng.choice(list(SPACINGS))
        lower, upper = random_range(self.rng, 0, SPACINGS[fee])
        await self.mint_v3(fee, lower, upper, int(10 ** self.rng.uniform(15, 21)))

    async def _burn_v3(self) -> None:
        token_id = self.rng.randint(1, max(self.positions, 1))
        order = (token_id, int(10 ** self.rng.uniform(10, 18)), 0, 0, _FOREVER)
        await self._send(self.deployment.manager, call_data(_DECREASE, order))

    async def _send(self, to: str, data: str) -> str:
        """Into the pool of waiting transactions; one that reverts in its block is part of life."""
        fields = {"from": self.chain.account, "to": to, "data": data, "gas": hex(_GAS), "gasPrice": "0x0"}
        return str(await self.anvil.rpc("eth_sendTransaction", fields))


@asynccontextmanager
async def open_world(seed: int = 1) -> AsyncIterator[World]:
    """Deploy everything, and stop mining by itself."""
    async with Anvil([*ARGUMENTS, *_STATES_KEPT]) as anvil:
        yield await _deployed(await Chain.open(anvil), random.Random(seed))


async def _deployed(chain: Chain, rng: random.Random) -> World:
    anvil = chain.anvil
    await anvil.rpc("anvil_setCode", MULTICALL3, json.loads(MULTICALL_CODE.read_text())["code"])
    deployment = await Deployment.make(chain)
    tokens = (*deployment.tokens, await chain.token("C"))
    factory = await chain.deploy(*_FACTORY, ["address"], [chain.account])
    router = await chain.deploy(*_ROUTER, ["address", "address"], [factory, factory])
    world = World(chain, rng, tokens, router, deployment)
    for token in tokens:
        await chain.send(token.address, "approve(address,uint256)", router, 2**256 - 1)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        await _pair(world, factory, tokens[one], tokens[other])
    for fee, spacing in SPACINGS.items():
        fact = await deployment.pool(fee, sqrt_price_at(0))
        await deployment.mint(fee, -spacing * 4000 // 10 * 10, spacing * 4000 // 10 * 10, _LIQUIDITY)
        world.positions += 1
        world.facts[fact.venue] = fact
    await anvil.rpc("evm_setAutomine", False)
    return world


async def _pair(world: World, factory: str, one: Token, other: Token) -> None:
    chain, tokens = world.chain, ordered(one, other)
    first, second = (token.address for token in tokens)
    await chain.send(factory, "createPair(address,address)", first, second)
    (at,) = await chain.read(factory, "getPair(address,address)", ["address"], first, second)
    signature = "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)"
    amounts: tuple[Any, ...] = (_LIQUIDITY, 2 * _LIQUIDITY, 0, 0, chain.account, _FOREVER)
    await chain.send(world.router, signature, first, second, *amounts)
    fact = PoolFacts("constant_product", address(at), tokens, _PAIR_FEE_PPM)
    world.facts[fact.venue] = fact
