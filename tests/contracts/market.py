"""A small market of real Uniswap V2, Sushi and Uniswap V3 pools on a local Anvil, with our executor beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from eth_abi.abi import decode as abi_decode
from eth_account import Account

from bot.execution.deployment import Deployment, deploy
from bot.execution.settings import NO_VENUES, UNBOUNDED, InventoryCap, Venues
from chains.anvil import Anvil, RpcError
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.executor import CycleCall, ExecutorCall, Hop, HopKind, encode
from chains.pools.pool import Pool, PoolFacts
from tests.chains.pools.contracts import Chain, ordered

ETH = 10**18
CHAIN_ID = 31337
CAP = 10 * ETH
STOCK = 100 * ETH
FEE_PPM = 3000

OWNER = Account.from_key("0x" + "01" * 32)
OPERATOR = address(Account.from_key("0x" + "02" * 32).address)
TREASURY = address(Account.from_key("0x" + "03" * 32).address)

_MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
_WIDEST_TICK = 887220


@dataclass(slots=True)
class Market:
    """WETH may be earned; WETH and DAI are in the inventory; MID lies between them."""

    chain: Chain
    weth: Token
    mid: Token
    dai: Token
    uniswap: Address
    sushi: Address
    v3: Address
    positions: Address
    made: Deployment | None = None

    @classmethod
    async def open(cls, anvil: Anvil, weth: Token | None = None, venues: Venues = NO_VENUES) -> Market:
        """The factories, three tokens and an executor with a stocked inventory; no pools yet.

        `weth`, unless it is one more plain token, must be the account's already.
        """
        chain = await Chain.open(anvil)
        await anvil.rpc("anvil_setBalance", OWNER.address, hex(ETH))
        account = ["address"], [chain.account]
        market = cls(
            chain,
            weth or await chain.token("WETH"),
            await chain.token("MID"),
            await chain.token("DAI"),
            await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", *account),
            await chain.deploy("@sushiswap/core", "deployments/mainnet/UniswapV2Factory.json", *account),
            v3 := await chain.deploy(
                "@uniswap/v3-core", "artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"
            ),
            await chain.deploy(
                "@uniswap/v3-periphery",
                "artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json",
                ["address"] * 3,
                [v3, ZERO_ADDRESS, ZERO_ADDRESS],
            ),
        )
        earned, dai = Address(market.weth.address), Address(market.dai.address)
        market.made = await deploy(
            anvil,
            OWNER,
            operator=OPERATOR,
            treasury=TREASURY,
            profit_tokens=[earned],
            inventory=[InventoryCap(earned, CAP), InventoryCap(dai, CAP)],
            bound=UNBOUNDED,
            chain_id=CHAIN_ID,
            venues=venues,
        )
        for token in (earned, dai):
            await chain.send(token, "transfer(address,uint256)", market.made.inventory, STOCK)
        return market

    @property
    def executor(self) -> Address:
        assert self.made is not None
        return self.made.executor

    @property
    def inventory(self) -> Address:
        assert self.made is not None
        return self.made.inventory

    async def pair(self, factory: Address, one: Token, reserve_one: int, other: Token, reserve_other: int) -> PoolFacts:
        """A pair of `factory` with these reserves."""
        await self.chain.send(factory, "createPair(address,address)", one.address, other.address)
        (at,) = await self.chain.read(factory, "getPair(address,address)", ["address"], one.address, other.address)
        for token, reserve in ((one, reserve_one), (other, reserve_other)):
            await self.chain.send(token.address, "transfer(address,uint256)", at, reserve)
        await self.chain.send(at, "mint(address)", self.chain.account)
        return PoolFacts("constant_product", address(at), ordered(one, other), FEE_PPM)

    async def pool(self, one: Token, amount_one: int, other: Token, amount_other: int) -> PoolFacts:
        """A V3 pool with these amounts over the widest range, at the price they imply."""
        amounts = {one.address: amount_one, other.address: amount_other}
        tokens = ordered(one, other)
        zero, one_ = (token.address for token in tokens)
        await self.chain.send(self.v3, "createPool(address,address,uint24)", zero, one_, FEE_PPM)
        (at,) = await self.chain.read(self.v3, "getPool(address,address,uint24)", ["address"], zero, one_, FEE_PPM)
        await self.chain.send(at, "initialize(uint160)", isqrt((amounts[one_] << 192) // amounts[zero]))
        for token in (zero, one_):
            await self.chain.send(token, "approve(address,uint256)", self.positions, 2**256 - 1)
        ticks, least = (-_WIDEST_TICK, _WIDEST_TICK), (0, 0)
        position = (zero, one_, FEE_PPM, *ticks, amounts[zero], amounts[one_], *least, self.chain.account, 2**63)
        await self.chain.send(self.positions, _MINT, position)
        return PoolFacts("concentrated", address(at), tokens, FEE_PPM)

    async def quoted(self, path: Sequence[PoolFacts], token: Token, amount: int) -> int:
        """What our own pools, loaded from the chain, say comes out of `path`."""
        for facts in path:
            pool: Pool = await self.chain.load(facts)
            amount = pool.quote(token, amount)
            token = other_side(facts, token)
        return amount

    async def balance(self, token: Token, holder: str) -> int:
        (held,) = await self.chain.read(token.address, "balanceOf(address)", ["uint256"], holder)
        return int(held)

    async def simulate(self, call: ExecutorCall, sender: str = OPERATOR) -> int:
        """The gain or the output of `call`, not kept. Raises `RpcError` as the node words it."""
        answer = await self.chain.anvil.rpc("eth_call", self._transaction(call, sender), "latest")
        return int(abi_decode(["uint256"], bytes.fromhex(answer[2:]))[0])

    async def settle(self, call: ExecutorCall) -> int:
        """Have the operator send `call`, which must succeed; the gas it used."""
        anvil = self.chain.anvil
        await anvil.rpc("anvil_impersonateAccount", OPERATOR)
        await anvil.rpc("anvil_setBalance", OPERATOR, hex(ETH))
        receipt = await self.chain.transact(self._transaction(call, OPERATOR))
        return int(receipt["gasUsed"], 16)

    async def refusal(self, call: ExecutorCall, sender: str = OPERATOR) -> bytes:
        """The revert data of a call that must be refused."""
        try:
            await self.simulate(call, sender)
        except RpcError as error:
            return bytes.fromhex(str(error.data)[2:])
        raise AssertionError(f"not refused: {call}")

    def _transaction(self, call: ExecutorCall, sender: str) -> dict[str, str]:
        return {"from": sender, "to": self.executor, "data": "0x" + encode(call).hex(), "gas": hex(5_000_000)}


def other_side(facts: PoolFacts, token: Token) -> Token:
    return facts.tokens[1] if token == facts.tokens[0] else facts.tokens[0]


def hops(path: Sequence[PoolFacts], token: Token) -> tuple[Hop, ...]:
    """The executor's hops for selling `token` along `path`."""
    made = []
    for facts in path:
        kind = HopKind.CONCENTRATED if facts.family == "concentrated" else HopKind.CONSTANT_PRODUCT
        made.append(Hop(kind, facts.address, token == facts.tokens[0], FEE_PPM))
        token = other_side(facts, token)
    return tuple(made)


def cycle(market: Market, path: Sequence[PoolFacts], amount_in: int, min_gain: int) -> CycleCall:
    """A cycle from WETH along `path` that never expires."""
    weth = market.weth
    return CycleCall(Address(weth.address), amount_in, min_gain, 2**40, 2**40, bytes(32), hops(path, weth))
