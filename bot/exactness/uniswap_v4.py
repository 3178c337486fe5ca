"""Uniswap V4 pools against the real manager and V4Quoter, and against recorded answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from eth_abi.abi import decode

from bot.exactness import Case, answer
from bot.exactness.contracts import Chain, call_data, local_chain, ordered
from bot.exactness.extracts import extract
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.blocks import Log
from chains.pools.pool import PoolFacts
from chains.pools.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, Ticks, all_words, sqrt_price_at
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_key import DYNAMIC_FEE, HookFlag, PoolKey
from chains.twin.artefacts import runtime_code

AMOUNTS = 80
POSITIONS = 10
SWAPS = 8

_CORE, _PERIPHERY = "@uniswap/v4-core", "@uniswap/v4-periphery"
_KEY = "(address,address,uint24,int24,address)"
_INITIALIZE = f"initialize({_KEY},uint160)"
_MODIFY = f"modifyLiquidity({_KEY},(int24,int24,int256,bytes32),bytes)"
_SWAP = f"swap({_KEY},(bool,int256,uint160),(bool,bool),bytes)"
_SET_PROTOCOL_FEE = f"setProtocolFee({_KEY},uint24)"
_FORCE_FEE = f"forcePoolFeeUpdate({_KEY},uint24)"
_QUOTE_IN = f"quoteExactInputSingle(({_KEY},bool,uint128,bytes))"
_QUOTE_OUT = f"quoteExactOutputSingle(({_KEY},bool,uint128,bytes))"
_SALT = bytes(32)


class Setting(NamedTuple):
    """One pool of the proof: the key's fee and spacing, the packed protocol fees, and a dynamic fee's first value."""

    fee_ppm: int
    tick_spacing: int
    protocol_fees: int
    dynamic_ppm: int = 0


SETTINGS = (
    Setting(500, 10, 0),
    Setting(3000, 60, 1000 << 12 | 250),
    Setting(0, 1, 7 << 12 | 1000),
    Setting(1_000_000, 60, 0),
    Setting(DYNAMIC_FEE, 200, 333 << 12, 12_345),
)


def on_anvil() -> Iterator[Case]:
    """Random pools of static and dynamic, providers' and protocol fees: quotes both ways, and states after swaps."""
    return iter(asyncio.run(_on_anvil()))


def recorded() -> Iterator[Case]:
    """Mainnet's quoter on the ETH/USDC 0.05 % pool."""
    pool = eth_usdc()
    by_symbol = {token.symbol: token for token in pool.tokens}
    for key, recording in extract("quotes_uniswap_v4_eth_usdc_24407242.json.gz")["entries"].items():
        _, function, direction, amount = key.split("|")
        token_in, token_out = (by_symbol[symbol] for symbol in direction.split("->"))
        ask, token = (pool.quote_exact_out, token_out) if "Output" in function else (pool.quote, token_in)
        yield Case(key, recording.get("value"), answer(ask, token, int(amount)))


def eth_usdc() -> UniswapV4Pool:
    """Mainnet's ETH/USDC 0.05 % pool at block 24407242. Its tokens were not recorded; its id proves them."""
    state = extract("state_uniswap_v4_eth_usdc_24407242.json.gz")
    ether = Token("ethereum", ZERO_ADDRESS, "ETH", 18)
    usdc = Token("ethereum", address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
    scalars = state["scalars"]
    key = PoolKey((ether, usdc), scalars["fee"], scalars["tick_spacing"])
    assert "0x" + key.pool_id.hex() == state["pool_id"]
    gross = {int(tick): values[0] for tick, values in state["tick_data"].items()}
    net = {int(tick): values[1] for tick, values in state["tick_data"].items()}
    return UniswapV4Pool(
        address(state["pool_manager"]),
        key,
        scalars["lp_fee"],
        scalars["protocol_fee_one_for_zero"] << 12 | scalars["protocol_fee_zero_for_one"],
        scalars["sqrt_price_x96"],
        scalars["tick"],
        scalars["liquidity"],
        Ticks(scalars["tick_spacing"], *all_words(scalars["tick_spacing"]), net, gross),
    )


class Deployment(NamedTuple):
    """The V4 contracts around one pair of tokens, and a hook contract that only sets fees."""

    chain: Chain
    tokens: tuple[Token, Token]
    manager: Address
    liquidity: Address
    swapper: Address
    quoter: Address
    hooks: Address

    @classmethod
    async def make(cls, chain: Chain) -> Deployment:
        """Deploy everything and approve the tokens."""

        async def core(name: str, *arguments: str) -> Address:
            return await chain.deploy(_CORE, f"out/{name}.sol/{name}.json", ["address"] * len(arguments), arguments)

        manager = await core("PoolManager", chain.account)
        liquidity, swapper = await core("PoolModifyLiquidityTest", manager), await core("PoolSwapTest", manager)
        artefact = "foundry-out/V4Quoter.sol/V4Quoter.json"
        quoter = await chain.deploy(_PERIPHERY, artefact, ["address"], [manager])
        hooks = address(f"0x{0xABCDEF << 100 | HookFlag.AFTER_INITIALIZE | HookFlag.BEFORE_DONATE:040x}")
        code = runtime_code(f"{_CORE}/out/DynamicFeesTestHook.sol/DynamicFeesTestHook.json")
        await chain.anvil.rpc("anvil_setCode", hooks, "0x" + code.hex())
        await chain.send(hooks, "setManager(address)", manager)
        await chain.send(manager, "setProtocolFeeController(address)", chain.account)
        tokens = ordered(await chain.token("A"), await chain.token("B"))
        for traded in tokens:
            for spender in (liquidity, swapper):
                await chain.send(traded.address, "approve(address,uint256)", spender, 2**256 - 1)
        return cls(chain, tokens, manager, liquidity, swapper, quoter, hooks)

    async def pool(self, setting: Setting, sqrt_price: int) -> PoolFacts:
        """A new pool at a price; its facts."""
        dynamic = setting.fee_ppm == DYNAMIC_FEE
        key = PoolKey(self.tokens, setting.fee_ppm, setting.tick_spacing, self.hooks if dynamic else ZERO_ADDRESS)
        await self.chain.send(self.hooks, "setFee(uint24)", setting.dynamic_ppm)
        await self.chain.send(self.manager, _INITIALIZE, _values(key), sqrt_price)
        if setting.protocol_fees:
            await self.chain.send(self.manager, _SET_PROTOCOL_FEE, _values(key), setting.protocol_fees)
        details: dict[str, str | int] = {"tick_spacing": key.tick_spacing, "hooks": key.hooks}
        return PoolFacts("uniswap_v4", self.manager, self.tokens, key.fee_ppm, key.pool_id, details)

    async def modify(self, key: PoolKey, lower: int, upper: int, liquidity: int) -> list[Log]:
        """Add liquidity between two ticks, or take it out."""
        return await self.chain.send(self.liquidity, _MODIFY, _values(key), (lower, upper, liquidity, _SALT), b"")

    async def swap(self, key: PoolKey, amount: int, *, zero_for_one: bool) -> list[Log]:
        """Swap exactly `amount` in, or as much of it as the pool takes."""
        limit = MIN_SQRT_PRICE + 1 if zero_for_one else MAX_SQRT_PRICE - 1
        return await self.chain.send(
            self.swapper, _SWAP, _values(key), (zero_for_one, -amount, limit), (False, False), b""
        )

    async def quoted(self, signature: str, key: PoolKey, requests: Sequence[tuple[bool, int]]) -> list[int | None]:
        """V4Quoter's amounts for (zero for one, amount); None where it reverts."""
        calls = [(self.quoter, call_data(signature, (_values(key), *request, b""))) for request in requests]
        answers = await self.chain.many(calls)
        return [None if raw is None else int(decode(["uint256"], raw[:32])[0]) for raw in answers]


def followed(pool: UniswapV4Pool, logs: Sequence[Log]) -> UniswapV4Pool:
    """The pool after the manager's logs among `logs`."""
    for log in logs:
        pool = pool.applied(log) if log.address == pool.address else pool
    return pool


def fully_known(pool: UniswapV4Pool) -> UniswapV4Pool:
    """The pool with every bitmap word declared known: right only where all positions were loaded."""
    first, last = all_words(pool.ticks.spacing)
    return replace(pool, ticks=replace(pool.ticks, first_word=first, last_word=last))


async def random_pool(deployment: Deployment, rng: random.Random, setting: Setting) -> tuple[PoolFacts, UniswapV4Pool]:
    """A pool with random positions, followed by its events alone; its facts and its state."""
    spacing, tick = setting.tick_spacing, rng.randint(-60_000, 60_000)
    facts = await deployment.pool(setting, sqrt_price_at(tick) + rng.randint(0, 10**6))
    loaded = await deployment.chain.load(facts)
    assert isinstance(loaded, UniswapV4Pool)
    pool = fully_known(loaded)
    for _ in range(POSITIONS):
        lower, upper = _random_range(rng, tick, spacing)
        liquidity = int(10 ** rng.uniform(3, 21))
        pool = followed(pool, await deployment.modify(pool.key, lower, upper, liquidity))
        if rng.random() < 0.2:
            pool = followed(pool, await deployment.modify(pool.key, lower, upper, -rng.randint(1, liquidity)))
    return facts, pool


async def _on_anvil() -> list[Case]:
    cases: list[Case] = []
    async with local_chain() as chain:
        deployment = await Deployment.make(chain)
        for number, setting in enumerate(SETTINGS):
            rng = random.Random(number)  # noqa: S311
            facts, pool = await random_pool(deployment, rng, setting)
            cases += await _quotes(deployment, pool, rng)
            cases += await _swaps(deployment, pool, facts, rng)
    return cases


async def _quotes(deployment: Deployment, pool: UniswapV4Pool, rng: random.Random) -> list[Case]:
    cases = []
    for signature, ask in ((_QUOTE_IN, pool.quote), (_QUOTE_OUT, pool.quote_exact_out)):
        amounts = [1, 2, 2**127 - 1, 2**127, *(int(2 ** rng.uniform(0, 90)) for _ in range(AMOUNTS))]
        requests = [(rng.random() < 0.5, amount) for amount in amounts]
        real = await deployment.quoted(signature, pool.key, requests)
        for (zero_for_one, amount), expected in zip(requests, real, strict=True):
            token_in, token_out = pool.tokens if zero_for_one else pool.tokens[::-1]
            token = token_in if signature == _QUOTE_IN else token_out
            name = f"fee {pool.key.fee_ppm}, {signature[:16]} {amount} {token.symbol}"
            cases.append(Case(name, expected, answer(ask, token, amount)))
    return cases


async def _swaps(deployment: Deployment, pool: UniswapV4Pool, facts: PoolFacts, rng: random.Random) -> list[Case]:
    """Real swaps and fee changes: what was predicted, what the events tell, and what the storage says, are one."""
    cases = []
    for number in range(SWAPS):
        zero_for_one, amount = rng.random() < 0.5, int(10 ** rng.uniform(1, 18))
        if pool.key.fee_ppm == DYNAMIC_FEE and number == SWAPS // 2:
            await deployment.chain.send(pool.key.hooks, _FORCE_FEE, _values(pool.key), 777)
            pool = replace(pool, lp_fee_ppm=777)
        if number == SWAPS - 1:
            pool = followed(
                pool, await deployment.chain.send(pool.address, _SET_PROTOCOL_FEE, _values(pool.key), 45 << 12 | 67)
            )
        predicted = answer(_state_after, pool, zero_for_one, amount)
        pool = followed(pool, await deployment.swap(pool.key, amount, zero_for_one=zero_for_one))
        if predicted is not None:
            cases.append(Case(f"fee {pool.key.fee_ppm}, the state after swap {number}", _state(pool), predicted))
    loaded = await deployment.chain.load(facts)
    assert isinstance(loaded, UniswapV4Pool)
    cases.append(Case(f"fee {pool.key.fee_ppm}, the storage", _state(loaded), _state(pool)))
    return cases


def _state(pool: UniswapV4Pool) -> tuple[int, ...]:
    return pool.sqrt_price_x96, pool.tick, pool.liquidity, pool.lp_fee_ppm, pool.protocol_fees


def _state_after(pool: UniswapV4Pool, zero_for_one: bool, amount: int) -> tuple[int, ...]:
    return _state(pool.swapped(pool.tokens[0 if zero_for_one else 1], amount))


def _random_range(rng: random.Random, tick: int, spacing: int) -> tuple[int, int]:
    if rng.random() < 0.2:
        return -(-MIN_TICK // spacing) * spacing, MAX_TICK // spacing * spacing
    lower = (tick // spacing + rng.randint(-300, 200)) * spacing
    return lower, lower + rng.randint(1, 250) * spacing


def _values(key: PoolKey) -> tuple[Any, ...]:
    return key.tokens[0].address, key.tokens[1].address, key.fee_ppm, key.tick_spacing, key.hooks
