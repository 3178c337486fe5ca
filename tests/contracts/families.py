"""Every kind of venue beside the executor on one Anvil: real WETH9, Uniswap V4 and Balancer V2, mocks of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

import orjson
from eth_abi.abi import encode

from bot.exactness.contracts import Chain, ordered
from bot.execution.settings import Venues
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.hops import BalancerV3Route, CurveRoute, Hop, HopKind
from chains.pools.pool import Pool, PoolFacts
from chains.pools.uniswap_v4_key import PoolKey
from chains.tools import ROOT
from chains.twin.artefacts import weth9_runtime
from tests.contracts.market import ETH, FEE_PPM, Market

STOCK = 1_000 * ETH
PRICE = 30
"""Tenths of the token bought for one sold, at every mock."""

COIN = Token("anvil", ZERO_ADDRESS, "ETH", 18)

_WETH9 = address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
_KEY = "(address,address,uint24,int24,address)"
_SPACING = 60
_WIDEST_TICK = 887220
_BALANCER = "@balancer-labs/v2-deployments/dist/tasks"
_NOBODY = address("0x" + "77" * 20)
_PAUSE_S = 7_776_000, 2_592_000
_INIT_JOIN = 0
_TWO_TOKENS = {
    HopKind.SOLIDLY: "SolidlyPair",
    HopKind.ALGEBRA: "AlgebraPool",
    HopKind.CURVE: "CurvePool",
    HopKind.CURVE_CRYPTO: "CurvePool",
}
_WRAPPERS = {HopKind.ERC4626: "Vault", HopKind.WSTETH: "StakedWrapper", HopKind.AAVE_V3: "AToken"}

MOCKED = (*_TWO_TOKENS, HopKind.BALANCER_V3, *_WRAPPERS)


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue that sells `bought` for WETH at `PRICE`; how the executor goes there and back."""

    bought: Token
    forth: Hop
    back: Hop


@dataclass(slots=True)
class Families:
    """A market whose WETH is mainnet's WETH9 and whose executor knows all singletons."""

    market: Market
    manager: Address
    liquidity: Address
    vault_v2: Address
    vault_v3: Address
    aave: Address

    @classmethod
    async def open(cls, anvil: Anvil) -> Families:
        """The singletons and the executor; no pools yet. The manager and Aave hold WETH to lend."""
        chain = await Chain.open(anvil)
        await anvil.rpc("anvil_setCode", _WETH9, "0x" + weth9_runtime().hex())
        await anvil.rpc("anvil_setBalance", chain.account, hex(12 * STOCK))
        await _pay(chain, _WETH9, 7 * STOCK)
        core = "@uniswap/v4-core"
        manager = await chain.deploy(core, "out/PoolManager.sol/PoolManager.json", ["address"], [chain.account])
        router = "out/PoolModifyLiquidityTest.sol/PoolModifyLiquidityTest.json"
        liquidity = await chain.deploy(core, router, ["address"], [manager])
        vault_types = ["address", "address", "uint256", "uint256"]
        vault = "20210418-vault/artifact/Vault.json"
        older = await chain.deploy(_BALANCER, vault, vault_types, [_NOBODY, _WETH9, *_PAUSE_S])
        newer = await _mock(chain, "Singletons", "VaultV3")
        aave = await _mock(chain, "Lenders", "Aave")
        (keeper,) = await chain.read(aave, "KEEPER()", ["address"])
        weth = Token("anvil", _WETH9, "WETH", 18)
        market = await Market.open(anvil, weth, Venues(_WETH9, manager, older, newer, aave))
        families = cls(market, manager, liquidity, older, newer, aave)
        for lender in (manager, keeper):
            await market.chain.send(_WETH9, "transfer(address,uint256)", lender, STOCK)
        return families

    async def pool(self, one: Token, amount_one: int, other: Token, amount_other: int) -> PoolFacts:
        """A real V4 pool, coins or tokens, with these amounts over the widest range."""
        chain = self.market.chain
        tokens = ordered(one, other)
        amounts = {one.address: amount_one, other.address: amount_other}
        zero, last = (amounts[token.address] for token in tokens)
        key = PoolKey(tokens, FEE_PPM, _SPACING)
        values = (tokens[0].address, tokens[1].address, FEE_PPM, _SPACING, ZERO_ADDRESS)
        await chain.send(self.manager, f"initialize({_KEY},uint160)", values, isqrt((last << 192) // zero))
        for token in tokens:
            if token != COIN:
                await chain.send(token.address, "approve(address,uint256)", self.liquidity, 2**256 - 1)
        modify = f"modifyLiquidity({_KEY},(int24,int24,int256,bytes32),bytes)"
        position = (-_WIDEST_TICK, _WIDEST_TICK, isqrt(zero * last), bytes(32))
        if COIN in tokens:
            await chain.anvil.rpc("anvil_setBalance", self.liquidity, hex(2 * zero))
        await chain.send(self.liquidity, modify, values, position, b"")
        details: dict[str, str | int] = {"tick_spacing": _SPACING, "hooks": ZERO_ADDRESS}
        return PoolFacts("uniswap_v4", self.manager, tokens, FEE_PPM, key.pool_id, details)

    async def weighted(self, one: Token, amount_one: int, other: Token, amount_other: int) -> PoolFacts:
        """A real Balancer V2 pool of equal weights with these amounts."""
        chain = self.market.chain
        tokens = ordered(one, other)
        held = {one.address: amount_one, other.address: amount_other}
        amounts = [held[token.address] for token in tokens]
        artefact = "deprecated/20210418-weighted-pool/artifact/WeightedPoolFactory.json"
        factory = await chain.deploy(_BALANCER, artefact, ["address"], [self.vault_v2])
        create = "create(string,string,address[],uint256[],uint256,address)"
        addresses = [token.address for token in tokens]
        logs = await chain.send(factory, create, "", "", addresses, [ETH // 2] * 2, 3 * ETH // 1000, _NOBODY)
        at = address("0x" + next(log.topics[1] for log in logs if log.address == factory)[-20:].hex())
        (pool_id,) = await chain.read(at, "getPoolId()", ["bytes32"])
        for token in tokens:
            await chain.send(token.address, "approve(address,uint256)", self.vault_v2, 2**256 - 1)
        join = "joinPool(bytes32,address,address,(address[],uint256[],bytes,bool))"
        request = (addresses, amounts, encode(["uint256", "uint256[]"], [_INIT_JOIN, amounts]), False)
        await chain.send(self.vault_v2, join, pool_id, chain.account, chain.account, request)
        return PoolFacts("balancer_v2_weighted", at, tokens, 3000)

    async def loaded(self, facts: PoolFacts) -> Pool:
        return await self.market.chain.load(facts)

    async def venue(self, kind: HopKind, price: int = PRICE) -> Venue:
        """A stocked mock of `kind`; that of a wrapper sells at `price`."""
        chain, weth, mid = self.market.chain, self.market.weth, self.market.mid
        sold, bought = Address(weth.address), Address(mid.address)
        if kind in _WRAPPERS:
            at = await _mock(chain, "Venues", _WRAPPERS[kind], ["address", "uint256"], [sold, price])
            await chain.send(sold, "transfer(address,uint256)", at, STOCK)
            share = Token("anvil", at, kind.name, 18)
            await chain.send(at, "mint(address,uint256)", chain.account, STOCK)
            return Venue(share, Hop(kind, at, True, 0), Hop(kind, at, False, 0))
        if kind is HopKind.BALANCER_V3:
            return await self._in_the_vault()
        at = await _mock(chain, "Venues", _TWO_TOKENS[kind], ["address", "address", "uint256"], [sold, bought, PRICE])
        await self._stock(at)
        if kind is HopKind.SOLIDLY:
            await chain.send(at, "sync()")
        if kind in (HopKind.SOLIDLY, HopKind.ALGEBRA):
            return Venue(mid, Hop(kind, at, True, 0), Hop(kind, at, False, 0))
        routes = CurveRoute(bought, 0, 1), CurveRoute(sold, 1, 0)
        return Venue(mid, *(Hop(kind, at, False, 0, route) for route in routes))

    async def _in_the_vault(self) -> Venue:
        chain, mid = self.market.chain, self.market.mid
        sold, bought = Address(self.market.weth.address), Address(mid.address)
        at = address("0x" + "b1" * 20)
        register = "register(address,address,address,uint256,uint256)"
        await chain.send(self.vault_v3, register, at, sold, bought, PRICE, 0)
        await self._stock(self.vault_v3)
        for token in (sold, bought):
            await chain.send(self.vault_v3, "fund(address)", token)
        hops = (Hop(HopKind.BALANCER_V3, at, False, 0, BalancerV3Route(token)) for token in (bought, sold))
        return Venue(mid, *hops)

    async def _stock(self, holder: Address) -> None:
        for token in (self.market.weth, self.market.mid):
            await self.market.chain.send(token.address, "transfer(address,uint256)", holder, STOCK // 10)


async def _mock(chain: Chain, file: str, name: str, types: list[str] | None = None, values: Any = ()) -> Address:
    """Deploy a mock as forge built it."""
    document = orjson.loads((ROOT / "contracts" / "out" / f"{file}.sol" / f"{name}.json").read_bytes())
    data = document["bytecode"]["object"] + encode(types or [], values).hex()
    receipt = await chain.transact({"data": data})
    return address(receipt["contractAddress"])


async def _pay(chain: Chain, to: Address, amount: int) -> None:
    await chain.transact({"to": to, "value": hex(amount)})
