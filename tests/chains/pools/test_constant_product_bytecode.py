"""Quotes against the real Uniswap V2 pair: what it pays is exactly the quote, and one unit more reverts."""

import random

import pytest

from bot.exactness.contracts import call_data, local_chain, ordered
from chains.assets import address
from chains.pools.constant_product import MAX_RESERVE, ConstantProductPool
from chains.pools.pool import PoolFacts

ROUNDS = 30


@pytest.fixture
async def chain():
    async with local_chain() as chain:
        yield chain


async def new_pair(chain, factory):
    tokens = ordered(await chain.token("A"), await chain.token("B"))
    await chain.send(factory, "createPair(address,address)", tokens[0].address, tokens[1].address)
    pair = (await chain.read(factory, "getPair(address,address)", ["address"], *(t.address for t in tokens)))[0]
    return PoolFacts("constant_product", address(pair), tokens, 3000)


def random_reserve(rng):
    return min(int(2 ** rng.uniform(1, 112)), MAX_RESERVE)


async def swap_is_accepted(chain, pair, outs):
    data = call_data("swap(uint256,uint256,address,bytes)", *outs, chain.account, b"")
    return (await chain.many([(pair, data)]))[0] is not None


async def test_the_pair_pays_the_quote_and_not_a_unit_more(chain):
    rng = random.Random(1)
    factory = await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", ["address"], [chain.account])
    checked = 0
    for round_number in range(ROUNDS):
        facts = await new_pair(chain, factory)
        pool = ConstantProductPool(facts.address, facts.tokens, (0, 0), 3000)
        reserves = (random_reserve(rng), random_reserve(rng)) if round_number else (MAX_RESERVE - 1, 1)
        for token, reserve in zip(facts.tokens, reserves, strict=True):
            await chain.send(token.address, "transfer(address,uint256)", facts.address, reserve)
        logs = await chain.send(facts.address, "sync()")
        for log in logs:
            pool = pool.applied(log)
        assert pool == await chain.load(facts) and pool.reserves == reserves
        for _ in range(6):
            side = rng.randrange(2)
            token_in, room = facts.tokens[side], MAX_RESERVE - pool.reserves[side]
            if not room:
                continue
            amount_in = min(max(1, int(2 ** rng.uniform(0, room.bit_length()))), room)
            amount_in = rng.choice([amount_in, amount_in, room, 1])
            amount_out = pool.quote(token_in, amount_in)
            snapshot = await chain.anvil.rpc("evm_snapshot")
            await chain.send(token_in.address, "transfer(address,uint256)", facts.address, amount_in)
            outs = (0, amount_out) if side == 0 else (amount_out, 0)
            more = (0, amount_out + 1) if side == 0 else (amount_out + 1, 0)
            assert await swap_is_accepted(chain, facts.address, outs) == (amount_out > 0)
            assert not await swap_is_accepted(chain, facts.address, more)
            if amount_out:
                logs = await chain.send(facts.address, "swap(uint256,uint256,address,bytes)", *outs, chain.account, b"")
                after = pool.swapped(token_in, amount_in)
                for log in logs:
                    pool = pool.applied(log) if log.address == facts.address else pool
                assert pool == after
                checked += 1
            else:
                await chain.anvil.rpc("evm_revert", snapshot)
    assert checked > ROUNDS


async def test_exact_out_asks_the_least_the_pair_accepts(chain):
    rng = random.Random(2)
    factory = await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", ["address"], [chain.account])
    facts = await new_pair(chain, factory)
    for reserves in [(1_000, 1_000), (10**18, 3 * 10**6), (2**80, 2**100)]:
        for token, reserve in zip(facts.tokens, reserves, strict=True):
            held = (await chain.read(token.address, "balanceOf(address)", ["uint256"], facts.address))[0]
            await chain.send(token.address, "transfer(address,uint256)", facts.address, max(reserve - held, 0))
        await chain.send(facts.address, "sync()")
        pool = await chain.load(facts)
        for amount_out in [1, pool.reserves[1] // 3, rng.randrange(1, pool.reserves[1] * 9 // 10)]:
            least = pool.quote_exact_out(facts.tokens[1], amount_out)
            accepted = []
            for amount_in in (least - 1, least):
                snapshot = await chain.anvil.rpc("evm_snapshot")
                if amount_in:
                    await chain.send(facts.tokens[0].address, "transfer(address,uint256)", facts.address, amount_in)
                accepted.append(await swap_is_accepted(chain, facts.address, (0, amount_out)))
                await chain.anvil.rpc("evm_revert", snapshot)
            assert accepted == [False, True]
            assert pool.quote(facts.tokens[0], least) >= amount_out
