"""The true chain of a rig: two real pools far apart in price, an executor, a block when one is asked for.

It remembers what every block it ever made was like, also those that a reorganisation dropped: that is what decisions
are judged by.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chains.twin
from bot.execution.deployment import Deployment
from bot.market.loader import MULTICALL3
from chains.anvil import Anvil
from chains.assets import Address, Token, address
from chains.pools.pool import PoolFacts
from tests.chains.pools.contracts import ANVIL_ARGUMENTS, call_data
from tests.contracts.market import CHAIN_ID, OPERATOR, Market
from tests.faults.fault import Kind

GWEI = 10**9
ETHER = 10**18
OTHER_CHAIN_ID = 31338
_DEPTH_WETH = 10**6 * ETHER
_NUDGE_WETH = 10 * ETHER
_ARGUMENTS = ("--no-mining", "--gas-limit", "30000000", "--accounts", "0")
_MULTICALL3 = Path(chains.twin.__file__).parent / "data" / "multicall3.json"

Reserves = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Setting:
    """A chain as it was when everything had been deployed, to begin any number of chains from.

    `cheap` and `dear` are pairs of WETH and DAI that differ by a twentieth in price; `other` moves their prices.
    """

    dump: str
    weth: Token
    dai: Token
    cheap: PoolFacts
    dear: PoolFacts
    made: Deployment
    other: Address

    @property
    def pools(self) -> tuple[PoolFacts, PoolFacts]:
        return self.cheap, self.dear

    @classmethod
    async def make(cls) -> Setting:
        """Deploy it all on a chain of its own, and keep that chain's state."""
        async with Anvil(ANVIL_ARGUMENTS) as anvil:
            market = await Market.open(anvil)
            await anvil.rpc("anvil_setCode", MULTICALL3, json.loads(_MULTICALL3.read_text())["code"])
            cheap = await market.pair(market.uniswap, market.weth, _DEPTH_WETH, market.dai, 2000 * _DEPTH_WETH)
            dear = await market.pair(market.sushi, market.weth, _DEPTH_WETH, market.dai, 2100 * _DEPTH_WETH)
            await anvil.rpc("anvil_setBalance", OPERATOR, hex(100 * ETHER))
            await anvil.rpc("anvil_setBalance", market.chain.account, hex(10**6 * ETHER))
            # A pair that never traded pays for its first price slots; the bot's gas estimates are of those that did.
            await anvil.rpc("evm_increaseTime", 1)
            for pair in (cheap, dear):
                await market.chain.send(pair.address, "sync()")
            assert market.made is not None
            dump = str(await anvil.rpc("anvil_dumpState"))
            other = address(market.chain.account)
        return cls(dump, market.weth, market.dai, cheap, dear, market.made, other)


@dataclass(frozen=True, slots=True)
class Known:
    """What a block of the true chain was like: the reserves of the pools, in base units."""

    number: int
    hash: str
    reserves: Mapping[Address, Reserves]


class TrueChain:
    """The true chain, and beside it the nodes that stand still, lie or are on another chain."""

    def __init__(self, setting: Setting, anvil: Anvil) -> None:
        self.setting = setting
        self.anvil = anvil
        self.known: dict[str, Known] = {}
        self.tip = Known(0, "", {})
        self._reached_s: dict[int, float] = {}
        self._others: dict[Kind, Anvil] = {}
        self._past = setting.dump

    @classmethod
    @asynccontextmanager
    async def open(cls, setting: Setting) -> AsyncIterator[TrueChain]:
        """A fresh chain that begins where `setting` ends."""
        async with Anvil([*_ARGUMENTS, "--chain-id", str(CHAIN_ID)]) as anvil:
            chain = cls(setting, anvil)
            await anvil.rpc("anvil_loadState", setting.dump)
            await anvil.rpc("anvil_impersonateAccount", setting.other)
            await anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
            await chain.mine()
            await chain.remember()
            try:
                yield chain
            finally:
                for other in chain._others.values():
                    await other.close()

    async def mine(self, count: int = 1) -> None:
        """Make blocks, in each of which somebody moves one pool's price a little."""
        for _ in range(count):
            pair = self.setting.pools[self.tip.number % 2].address
            for to, data in (
                (self.setting.weth.address, call_data("transfer(address,uint256)", pair, _NUDGE_WETH)),
                (pair, call_data("sync()")),
            ):
                call = {"from": self.setting.other, "to": to, "data": data, "gas": hex(200_000)}
                # Anvil orders a block by the highest fee offered: the bot trades first, as it simulated.
                fees = {"maxFeePerGas": hex(2 * GWEI), "maxPriorityFeePerGas": hex(0)}
                await self.anvil.rpc("eth_sendTransaction", {**call, **fees})
            await self._make_block()
        liar = self._others.get(Kind.LYING)
        if liar is not None:
            await liar.rpc("evm_mine")

    async def _make_block(self) -> None:
        await self.anvil.rpc("evm_mine", {"timestamp": await self._next_time_s(self.anvil)})
        await self.learn()

    @staticmethod
    async def _next_time_s(anvil: Anvil) -> int:
        """After the latest block, and after the start of this Anvil, which takes no earlier time."""
        latest = await anvil.rpc("eth_getBlockByNumber", "latest", False)
        return max(int(latest["timestamp"], 16) + 1, int(time.time()))

    async def reorganise(self, depth: int) -> None:
        """Replace the last `depth` blocks by empty ones."""
        await self.anvil.rpc("anvil_reorg", depth, [])
        await self.learn(depth)

    async def learn(self, depth: int = 1) -> None:
        """Take note of the last `depth` blocks."""
        tip = int(await self.anvil.rpc("eth_blockNumber"), 16)
        for number in range(tip - depth + 1, tip + 1):
            block = await self.anvil.rpc("eth_getBlockByNumber", hex(number), False)
            calls = [
                ("eth_call", ({"to": pool.address, "data": call_data("getReserves()")}, hex(number)))
                for pool in self.setting.pools
            ]
            words = await self.anvil.batch(calls)
            reserves = {
                pool.address: (int(word[2:66], 16), int(word[66:130], 16))
                for pool, word in zip(self.setting.pools, words, strict=True)
            }
            self._reached_s.setdefault(number, time.monotonic())
            self.tip = self.known[block["hash"]] = Known(number, block["hash"], reserves)

    def overtaken_for_s(self, number: int) -> float:
        """For how long there has been a block above that height, in seconds."""
        above_s = self._reached_s.get(number + 1)
        return 0.0 if above_s is None else time.monotonic() - above_s

    async def canonical(self) -> list[dict[str, Any]]:
        """Every block since the setting, with its transactions."""
        tip = int(await self.anvil.rpc("eth_blockNumber"), 16)
        first = min(known.number for known in self.known.values())
        calls: Sequence[tuple[str, Sequence[Any]]] = [
            ("eth_getBlockByNumber", (hex(number), True)) for number in range(first, tip + 1)
        ]
        return [block for block in await self.anvil.batch(calls) if block is not None] if len(calls) > 1 else []

    async def elsewhere(self, kind: Kind) -> str:
        """The address of the node that `kind` answers from, as of now."""
        old = self._others.pop(kind, None)
        if old is not None:
            await old.close()
        chain_id = OTHER_CHAIN_ID if kind is Kind.WRONG_CHAIN else CHAIN_ID
        other = Anvil([*_ARGUMENTS, "--chain-id", str(chain_id)])
        await other.start()
        self._others[kind] = other
        await other.rpc("anvil_loadState", self._past)
        if kind is not Kind.STALE:
            await self._fork_off(other)
        return other.http_url

    async def remember(self) -> None:
        """From now on, other nodes part from the true chain here."""
        self._past = str(await self.anvil.rpc("anvil_dumpState"))

    async def _fork_off(self, liar: Anvil) -> None:
        """It goes on to other blocks, one more than the true chain has, with other prices in them."""
        await liar.rpc("anvil_impersonateAccount", self.setting.other)
        for to, data in (
            (
                self.setting.weth.address,
                call_data("transfer(address,uint256)", self.setting.cheap.address, _DEPTH_WETH),
            ),
            (self.setting.cheap.address, call_data("sync()")),
        ):
            call = {"from": self.setting.other, "to": to, "data": data, "gas": hex(200_000)}
            await liar.rpc(
                "eth_sendTransaction", {**call, "maxFeePerGas": hex(500 * GWEI), "maxPriorityFeePerGas": "0x0"}
            )
        behind = self.tip.number - int(await liar.rpc("eth_blockNumber"), 16)
        for _ in range(behind + 1):
            await liar.rpc("evm_mine", {"timestamp": await self._next_time_s(liar) + 6})
