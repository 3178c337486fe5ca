"""Concentrated pools against the real Uniswap V3 pool and QuoterV2, and against recorded answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from eth_abi.abi import decode

from bot.exactness import Answer, Case, answer
from bot.exactness.contracts import Chain, call_data, local_chain, ordered
from bot.exactness.extracts import extract, token
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.blocks import Log
from chains.pools.concentrated import MAX_AMOUNT, ConcentratedPool
from chains.pools.pool import PoolError, PoolFacts
from chains.pools.tick_math import MAX_TICK, MIN_TICK, Ticks, all_words, sqrt_price_at, tick_at
from chains.pools.tick_walk import Filled

SPACINGS = {500: 10, 3000: 60, 10000: 200}
"""Tick spacing by fee in parts per million, as the factory's constructor enables them."""

POSITIONS = 12
AMOUNTS = 100
FOREVER = 2**63

_CORE, _PERIPHERY = "@uniswap/v3-core", "@uniswap/v3-periphery"
_QUOTE_IN = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
_QUOTE_OUT = "quoteExactOutputSingle((address,address,uint256,uint24,uint160))"
_MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
_SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"


def on_anvil() -> Iterator[Case]:
    """Random pools of every fee: quotes both ways from the smallest to the largest amount, and states after swaps."""
    return iter(asyncio.run(_on_anvil()))


def recorded() -> Iterator[Case]:
    """What v3-core's own tests recorded, and mainnet's quoter on a pool with 458 ticks."""
    yield from _core_swaps()
    yield from _mainnet_quotes()


class Deployment:
    """The V3 contracts around one pair of tokens."""

    def __init__(
        self,
        chain: Chain,
        tokens: tuple[Token, Token],
        factory: Address,
        manager: Address,
        router: Address,
        quoter: Address,
    ) -> None:
        self.chain, self.tokens = chain, tokens
        self.factory, self.manager, self.router, self.quoter = factory, manager, router, quoter

    @classmethod
    async def make(cls, chain: Chain) -> Deployment:
        """Deploy everything and approve the tokens."""

        async def periphery(path: str, *arguments: str) -> Address:
            artefact = f"artifacts/contracts/{path}.sol/{path.rsplit('/', 1)[-1]}.json"
            return await chain.deploy(_PERIPHERY, artefact, ["address"] * len(arguments), arguments)

        factory = await chain.deploy(_CORE, "artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json")
        manager = await periphery("NonfungiblePositionManager", factory, ZERO_ADDRESS, ZERO_ADDRESS)
        router = await periphery("SwapRouter", factory, ZERO_ADDRESS)
        quoter = await periphery("lens/QuoterV2", factory, ZERO_ADDRESS)
        tokens = ordered(await chain.token("A"), await chain.token("B"))
        for traded in tokens:
            for spender in (manager, router):
                await chain.send(traded.address, "approve(address,uint256)", spender, 2**256 - 1)
        return cls(chain, tokens, factory, manager, router, quoter)

    async def pool(self, fee: int, sqrt_price: int) -> PoolFacts:
        """A new pool at a price; its facts."""
        zero, one = (token.address for token in self.tokens)
        await self.chain.send(self.factory, "createPool(address,address,uint24)", zero, one, fee)
        at = (await self.chain.read(self.factory, "getPool(address,address,uint24)", ["address"], zero, one, fee))[0]
        await self.chain.send(at, "initialize(uint160)", sqrt_price)
        return PoolFacts("concentrated", address(at), self.tokens, fee)

    async def mint(self, fee: int, lower: int, upper: int, amount: int) -> list[Log]:
        """Add a position worth at most `amount` of either token."""
        zero, one = (token.address for token in self.tokens)
        position = (zero, one, fee, lower, upper, amount, amount, 0, 0, self.chain.account, FOREVER)
        return await self.chain.send(self.manager, _MINT, position)

    async def swap(self, fee: int, token_in: Token, token_out: Token, amount: int) -> list[Log]:
        """Swap exactly `amount` in, or as much of it as the pool takes."""
        order = (token_in.address, token_out.address, fee, self.chain.account, FOREVER, amount, 0, 0)
        return await self.chain.send(self.router, _SWAP, order)

    async def quoted(
        self, fee: int, requests: Sequence[tuple[Token, Token, int]], *, exact_out: bool
    ) -> list[int | None]:
        """QuoterV2's amounts; None where it reverts."""
        signature = _QUOTE_OUT if exact_out else _QUOTE_IN
        calls = [
            (self.quoter, call_data(signature, (token_in.address, token_out.address, amount, fee, 0)))
            for token_in, token_out, amount in requests
        ]
        answers = await self.chain.many(calls)
        return [None if raw is None else int(decode(["uint256"], raw[:32])[0]) for raw in answers]


def random_range(rng: random.Random, tick: int, spacing: int) -> tuple[int, int]:
    """A position around, above or below `tick`; now and then the full range."""
    if rng.random() < 0.2:
        return -(-MIN_TICK // spacing) * spacing, MAX_TICK // spacing * spacing
    lower = (tick // spacing + rng.randint(-400, 300)) * spacing
    return lower, lower + rng.randint(1, 300) * spacing


def fully_known(pool: ConcentratedPool) -> ConcentratedPool:
    """The pool with every bitmap word declared known: right only where all positions were loaded."""
    first, last = all_words(pool.ticks.spacing)
    return replace(pool, ticks=replace(pool.ticks, first_word=first, last_word=last))


async def random_pool(deployment: Deployment, rng: random.Random, fee: int) -> tuple[PoolFacts, ConcentratedPool]:
    """A pool with a dozen positions, followed by its events alone; its facts and its state."""
    chain, spacing = deployment.chain, SPACINGS[fee]
    tick = rng.randint(-80_000, 80_000)
    facts = await deployment.pool(fee, sqrt_price_at(tick) + rng.randint(0, 10**6))
    loaded = await chain.load(facts)
    assert isinstance(loaded, ConcentratedPool)
    pool = fully_known(loaded)
    for _ in range(POSITIONS):
        lower, upper = random_range(rng, tick, spacing)
        pool = followed(pool, await deployment.mint(fee, lower, upper, int(10 ** rng.uniform(8, 24))))
    return facts, pool


def followed(pool: ConcentratedPool, logs: Sequence[Log]) -> ConcentratedPool:
    """The pool after its own logs among `logs`."""
    for log in logs:
        pool = pool.applied(log) if log.address == pool.address else pool
    return pool


def requests_for(pool: ConcentratedPool, rng: random.Random, count: int) -> list[tuple[Token, Token, int]]:
    """Random amounts over every order of magnitude, the smallest and the largest among them."""
    amounts = [1, 2, MAX_AMOUNT, *(int(2 ** rng.uniform(0, 110)) for _ in range(count))]
    first, second = pool.tokens
    return [((first, second) if rng.random() < 0.5 else (second, first)) + (amount,) for amount in amounts]


async def _on_anvil() -> list[Case]:
    cases: list[Case] = []
    async with local_chain() as chain:
        deployment = await Deployment.make(chain)
        for fee in SPACINGS:
            rng = random.Random(fee)  # noqa: S311
            _, pool = await random_pool(deployment, rng, fee)
            cases += await _quotes(deployment, pool, rng)
            cases += await _swaps(deployment, pool, rng)
    return cases


async def _quotes(deployment: Deployment, pool: ConcentratedPool, rng: random.Random) -> list[Case]:
    fee = pool.fee_ppm
    requests = requests_for(pool, rng, AMOUNTS)
    real = await deployment.quoted(fee, requests, exact_out=False)
    cases = [
        _exact_in(pool, token_in, amount, expected)
        for (token_in, _, amount), expected in zip(requests, real, strict=True)
    ]
    requests = requests_for(pool, rng, AMOUNTS)
    real = await deployment.quoted(fee, requests, exact_out=True)
    for (_, token_out, amount), expected in zip(requests, real, strict=True):
        got = answer(pool.quote_exact_out, token_out, amount)
        cases.append(Case(f"fee {fee}, for {amount} {token_out.symbol} out", expected, got))
    return cases


def _exact_in(pool: ConcentratedPool, token_in: Token, amount: int, expected: Answer) -> Case:
    """The quoter answers also for an amount that the pool takes only in part, which `quote` must refuse."""
    name = f"fee {pool.fee_ppm}, {amount} {token_in.symbol} in"
    quoted, filled = answer(pool.quote, token_in, amount), _filled(pool, token_in, amount)
    if filled is None or filled.amount_in == amount:
        return Case(name, expected, quoted)
    return Case(f"{name}, of which a part", expected, filled.amount_out if quoted is None else None)


def _filled(pool: ConcentratedPool, token_in: Token, specified: int) -> Filled | None:
    try:
        return pool.filled(token_in, specified)
    except PoolError:
        return None


async def _swaps(deployment: Deployment, pool: ConcentratedPool, rng: random.Random) -> list[Case]:
    """Real swaps: the state their events tell is the state that was predicted."""
    cases = []
    for _ in range(10):
        token_in, token_out = pool.tokens if rng.random() < 0.5 else pool.tokens[::-1]
        amount = int(10 ** rng.uniform(3, 22))
        filled = pool.filled(token_in, amount)
        pool = followed(pool, await deployment.swap(pool.fee_ppm, token_in, token_out, amount))
        reached = pool.sqrt_price_x96, pool.liquidity, pool.tick
        name = f"fee {pool.fee_ppm}, the state after {amount} {token_in.symbol} in"
        cases.append(Case(name, reached, (filled.sqrt_price_x96, filled.liquidity, filled.tick)))
    return cases


def _core_swaps() -> Iterator[Case]:
    document = extract("uniswap_v3_core_swaps.json.gz")
    pools = {setup["description"]: _core_pool(setup) for setup in document["pools"]}
    for vector in document["vectors"]:
        pool, expected = pools[vector["pool"]], vector["expected"]
        specified = int(vector["amountSpecified"]) if vector["amountSpecified"] else MAX_AMOUNT
        limit = int(vector["sqrtPriceLimitX96"]) if vector["sqrtPriceLimitX96"] else None
        down = bool(vector["zeroForOne"])
        real: Answer = None
        if "swapError" not in expected:
            real = int(expected["amount0Delta"]), int(expected["amount1Delta"]), expected["tickAfter"]
        name = f"{vector['pool']}, {'down' if down else 'up'} by {specified} to {limit}"
        yield Case(name, real, answer(_deltas, pool, down, specified, limit))


def _core_pool(setup: dict[str, Any]) -> ConcentratedPool:
    positions = [(row["tickLower"], row["tickUpper"], int(row["liquidity"])) for row in setup["positions"]]
    ticks = Ticks(setup["tickSpacing"], *all_words(setup["tickSpacing"]), {}, {})
    for lower, upper, liquidity in positions:
        ticks = ticks.with_position(lower, upper, liquidity)
    price = int(setup["startingSqrtPriceX96"])
    tick = tick_at(price)
    active = sum(liquidity for lower, upper, liquidity in positions if lower <= tick < upper)
    first, second, at = (address(f"0x{number:040x}") for number in (1, 2, 3))
    tokens = Token("recorded", first, "A", 18), Token("recorded", second, "B", 18)
    return ConcentratedPool(at, tokens, setup["fee"], price, tick, active, ticks)


def _deltas(pool: ConcentratedPool, down: bool, specified: int, limit: int | None) -> tuple[int, int, int]:
    """What the pool's balances change by, and the tick it ends at."""
    filled = pool.filled(pool.tokens[0 if down else 1], specified, limit)
    if down:
        return filled.amount_in, -filled.amount_out, filled.tick
    return -filled.amount_out, filled.amount_in, filled.tick


def _mainnet_quotes() -> Iterator[Case]:
    pool = wbtc_weth()
    by_symbol = {token.symbol: token for token in pool.tokens}
    for key, recording in extract("quotes_uniswap_v3_wbtc_weth_24407242.json.gz")["entries"].items():
        _, function, direction, amount = key.split("|")
        token_in, token_out = (by_symbol[symbol] for symbol in direction.split("->"))
        if function == "quoteExactInputSingle":
            yield replace(_exact_in(pool, token_in, int(amount), recording["value"]), name=key)
            continue
        filled, exact = _filled(pool, token_in, -int(amount)), answer(pool.quote_exact_out, token_out, int(amount))
        partial = None if filled is None else filled.amount_in
        yield Case(key, recording["value"], partial if exact is None else exact)


def wbtc_weth() -> ConcentratedPool:
    """Mainnet's WBTC/WETH 0.3 % pool at block 24407242."""
    state = extract("state_uniswap_v3_wbtc_weth_24407242.json.gz")
    scalars = state["scalars"]
    gross = {int(tick): values[0] for tick, values in state["tick_data"].items()}
    net = {int(tick): values[1] for tick, values in state["tick_data"].items()}
    ticks = Ticks(scalars["tick_spacing"], *all_words(scalars["tick_spacing"]), net, gross)
    tokens = token("ethereum", state["token0"]), token("ethereum", state["token1"])
    at, fee = address(state["pool"]), scalars["fee"]
    return ConcentratedPool(at, tokens, fee, scalars["sqrt_price_x96"], scalars["tick"], scalars["liquidity"], ticks)
