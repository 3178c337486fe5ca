"""Events and predictions against the real Uniswap V3 pool, position manager and router. Quotes: tests/bot/exactness."""

import random

import pytest

from bot.exactness.contracts import local_chain
from bot.exactness.uniswap_v3 import FOREVER, SPACINGS, Deployment, fully_known, random_pool, requests_for
from chains.assets import address
from chains.pools.pool import BeyondKnownLiquidity, PoolFacts

BURN = "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))"


@pytest.fixture
async def deployment():
    async with local_chain() as chain:
        yield await Deployment.make(chain)


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
