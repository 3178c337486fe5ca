"""Quotes and events against the real Uniswap V3 pool, position manager, router and QuoterV2."""

import random
from dataclasses import replace

import pytest
from eth_abi.abi import decode

from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, address
from chains.pools.concentrated import MAX_AMOUNT
from chains.pools.pool import BeyondKnownLiquidity, InsufficientLiquidity, PoolFacts
from chains.pools.tick_math import MAX_TICK, MIN_TICK, all_words, sqrt_price_at
from tests.chains.pools.contracts import ANVIL_ARGUMENTS, Chain, call_data, ordered

PERIPHERY, CORE = "@uniswap/v3-periphery", "@uniswap/v3-core"
QUOTE_IN = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
QUOTE_OUT = "quoteExactOutputSingle((address,address,uint256,uint24,uint160))"
MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
BURN = "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))"
SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
FOREVER = 2**63
SPACINGS = {500: 10, 3000: 60, 10000: 200}


class Deployment:
    """The V3 contracts around one pair of tokens."""

    def __init__(self, chain, tokens, factory, manager, router, quoter):
        self.chain, self.tokens = chain, tokens
        self.factory, self.manager, self.router, self.quoter = factory, manager, router, quoter

    @classmethod
    async def make(cls, chain):
        folder = "artifacts/contracts"
        factory = await chain.deploy(CORE, f"{folder}/UniswapV3Factory.sol/UniswapV3Factory.json")
        both, three = ["address"] * 2, ["address"] * 3
        name = "NonfungiblePositionManager"
        manager = await chain.deploy(
            PERIPHERY, f"{folder}/{name}.sol/{name}.json", three, [factory, *[ZERO_ADDRESS] * 2]
        )
        router = await chain.deploy(
            PERIPHERY, f"{folder}/SwapRouter.sol/SwapRouter.json", both, [factory, ZERO_ADDRESS]
        )
        quoter = await chain.deploy(
            PERIPHERY, f"{folder}/lens/QuoterV2.sol/QuoterV2.json", both, [factory, ZERO_ADDRESS]
        )
        tokens = ordered(await chain.token("A"), await chain.token("B"))
        for token in tokens:
            for spender in (manager, router):
                await chain.send(token.address, "approve(address,uint256)", spender, 2**256 - 1)
        return cls(chain, tokens, factory, manager, router, quoter)

    async def pool(self, fee, sqrt_price):
        """A new pool at a price; its facts."""
        zero, one = (token.address for token in self.tokens)
        await self.chain.send(self.factory, "createPool(address,address,uint24)", zero, one, fee)
        at = (await self.chain.read(self.factory, "getPool(address,address,uint24)", ["address"], zero, one, fee))[0]
        await self.chain.send(at, "initialize(uint160)", sqrt_price)
        return PoolFacts("concentrated", address(at), self.tokens, fee)

    async def mint(self, fee, lower, upper, amount):
        zero, one = (token.address for token in self.tokens)
        position = (zero, one, fee, lower, upper, amount, amount, 0, 0, self.chain.account, FOREVER)
        return await self.chain.send(self.manager, MINT, position)

    async def swap(self, fee, token_in, token_out, amount):
        order = (token_in.address, token_out.address, fee, self.chain.account, FOREVER, amount, 0, 0)
        return await self.chain.send(self.router, SWAP, order)

    async def quoted(self, signature, fee, requests):
        """QuoterV2's amounts; None where it reverts."""
        calls = [
            (self.quoter, call_data(signature, (token_in.address, token_out.address, amount, fee, 0)))
            for token_in, token_out, amount in requests
        ]
        return [answer and decode(["uint256"], answer[:32])[0] for answer in await self.chain.many(calls)]


@pytest.fixture
async def deployment():
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        yield await Deployment.make(await Chain.open(anvil))


def random_range(rng, tick, spacing):
    """A position around, above or below `tick`; now and then the full range."""
    if rng.random() < 0.2:
        return -(-MIN_TICK // spacing) * spacing, MAX_TICK // spacing * spacing
    lower = (tick // spacing + rng.randint(-400, 300)) * spacing
    return lower, lower + rng.randint(1, 300) * spacing


def fully_known(pool):
    """The pool with every bitmap word declared known: right only where all positions were loaded."""
    first, last = all_words(pool.ticks.spacing)
    return replace(pool, ticks=replace(pool.ticks, first_word=first, last_word=last))


async def random_pool(deployment, rng, fee):
    """A pool with a dozen positions, followed by its events alone; its facts and its state."""
    chain, spacing = deployment.chain, SPACINGS[fee]
    tick = rng.randint(-80_000, 80_000)
    facts = await deployment.pool(fee, sqrt_price_at(tick) + rng.randint(0, 10**6))
    pool = fully_known(await chain.load(facts))
    for _ in range(12):
        lower, upper = random_range(rng, tick, spacing)
        for log in await deployment.mint(fee, lower, upper, int(10 ** rng.uniform(8, 24))):
            pool = pool.applied(log) if log.address == facts.address else pool
    return facts, pool


def requests_for(pool, rng, count):
    """Random amounts over every order of magnitude, the smallest and the largest among them."""
    amounts = [1, 2, MAX_AMOUNT, *(int(2 ** rng.uniform(0, 110)) for _ in range(count))]
    return [(*(pool.tokens if rng.random() < 0.5 else pool.tokens[::-1]), amount) for amount in amounts]


@pytest.mark.parametrize("fee", SPACINGS)
async def test_quotes_equal_the_real_quoter_to_the_unit(deployment, fee):
    rng = random.Random(fee)
    _, pool = await random_pool(deployment, rng, fee)

    requests = requests_for(pool, rng, 300)
    partial = 0
    for (token_in, _, amount), real in zip(requests, await deployment.quoted(QUOTE_IN, fee, requests), strict=True):
        filled = pool.filled(token_in, amount)
        assert filled.amount_out == real
        if filled.amount_in == amount:
            assert pool.quote(token_in, amount) == real
        else:
            partial += 1
            with pytest.raises(InsufficientLiquidity):
                pool.quote(token_in, amount)
    assert 0 < partial < len(requests)

    requests = requests_for(pool, rng, 300)
    for (_, token_out, amount), real in zip(requests, await deployment.quoted(QUOTE_OUT, fee, requests), strict=True):
        if real is None:
            with pytest.raises(InsufficientLiquidity):
                pool.quote_exact_out(token_out, amount)
        else:
            assert pool.quote_exact_out(token_out, amount) == real


@pytest.mark.parametrize("fee", SPACINGS)
async def test_following_events_and_predicting_swaps_ends_in_the_contracts_state(deployment, fee):
    rng = random.Random(fee + 1)
    chain = deployment.chain
    facts, pool = await random_pool(deployment, rng, fee)
    for number in range(20):
        token_in, token_out = rng.choice([pool.tokens, pool.tokens[::-1]])
        amount = int(10 ** rng.uniform(3, 22))
        filled = pool.filled(token_in, amount)
        predicted = pool.swapped(token_in, amount) if filled.amount_in == amount else None
        for log in await deployment.swap(fee, token_in, token_out, amount):
            pool = pool.applied(log) if log.address == facts.address else pool
        assert (filled.sqrt_price_x96, filled.liquidity, filled.tick) == (
            pool.sqrt_price_x96,
            pool.liquidity,
            pool.tick,
        )
        assert predicted in (None, pool)
        if number % 5 == 4:
            burnt = rng.randint(1, 12)
            liquidity = (await _position(chain, deployment.manager, burnt))[7]
            part = (burnt, rng.choice([liquidity, liquidity // 2]), 0, 0, FOREVER)
            if part[1]:
                for log in await chain.send(deployment.manager, BURN, part):
                    pool = pool.applied(log) if log.address == facts.address else pool
    loaded = await chain.load(facts)
    assert (loaded.sqrt_price_x96, loaded.liquidity, loaded.tick) == (pool.sqrt_price_x96, pool.liquidity, pool.tick)
    known = loaded.ticks
    nearby = {tick: net for tick, net in pool.ticks.net.items() if known.lowest <= tick <= known.highest}
    assert nearby and known.net == nearby


async def _position(chain, manager, number):
    kinds = ["uint96", "address", "address", "address", "uint24", "int24", "int24", "uint128"]
    return await chain.read(manager, "positions(uint256)", kinds, number)


async def test_a_partly_loaded_pool_refuses_what_it_does_not_know(deployment):
    rng = random.Random(9)
    facts, whole = await random_pool(deployment, rng, 500)
    loaded = await deployment.chain.load(facts)
    refused = 0
    for token_in, _, amount in requests_for(whole, rng, 80):
        try:
            assert loaded.filled(token_in, amount) == whole.filled(token_in, amount)
        except BeyondKnownLiquidity:
            refused += 1
    assert 0 < refused < 80


async def test_a_pool_without_a_price_loads_and_follows_initialize(deployment):
    chain, (zero, one) = deployment.chain, deployment.tokens
    await chain.send(deployment.factory, "createPool(address,address,uint24)", zero.address, one.address, 3000)
    at = (
        await chain.read(
            deployment.factory, "getPool(address,address,uint24)", ["address"], zero.address, one.address, 3000
        )
    )[0]
    facts = PoolFacts("concentrated", address(at), deployment.tokens, 3000)
    pool = await chain.load(facts)
    for log in await chain.send(at, "initialize(uint160)", 3 * 2**96):
        pool = pool.applied(log)
    for log in await deployment.mint(3000, 12_000, 24_000, 10**20):
        pool = pool.applied(log) if log.address == facts.address else pool
    assert fully_known(await chain.load(facts)) == pool
