"""Through Uniswap V4's pools of the native coin: what is lent, gained and exchanged is its wrapped token."""

from __future__ import annotations

import pytest

from bot.market import Market
from chains.assets import ETH, Address, Assets
from chains.executor import CycleCall, ExchangeCall, Lender, Loan
from chains.pools.wrapping_native import WrappedNativePool
from tests.contracts.families import COIN, Families
from tests.contracts.market import ETH as ONE
from tests.contracts.settling import DEPTH

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("loan", [None, Loan(Lender.UNISWAP_V4)])
async def test_a_cycle_that_begins_in_coins_settles_in_their_wrapper_to_the_wei(
    families: Families, loan: Loan | None
) -> None:
    chain, weth = families.market.chain, families.market.weth
    snapshot = await chain.anvil.rpc("evm_snapshot")
    market = Market(Assets({ETH: [COIN, weth]}))
    mid, dai = families.market.mid, families.market.dai
    for one, other, price in ((COIN, mid, 3), (COIN, dai, 3), (mid, dai, 2), (weth, dai, 6)):
        market.add_pool(await families.loaded(await families.pool(one, DEPTH, other, price * DEPTH)))
    market.add_pool(WrappedNativePool(Address(weth.address), (COIN, weth)))
    found = next(each for each in market.cycles(overlapping=True) if each.steps[1].token_in == COIN)
    assert [found.steps[0].token_in, found.steps[-1].token_in] == [weth, COIN]
    hops = tuple(swap.hop for swap in found.swaps())
    call = CycleCall(Address(weth.address), found.amount_in, found.gain, 2**40, 2**40, bytes(32), hops, loan)
    assert await families.market.simulate(call) == found.gain > 0
    before = await families.market.balance(weth, families.market.executor)
    await families.market.settle(call)
    assert await families.market.balance(weth, families.market.executor) == before + found.gain
    await chain.anvil.rpc("evm_revert", snapshot)


async def test_inventory_is_exchanged_through_coins_either_way(families: Families) -> None:
    market, weth, dai = families.market, families.market.weth, families.market.dai
    pool = await families.loaded(await families.pool(COIN, DEPTH, dai, 3 * DEPTH))
    wrapper = WrappedNativePool(Address(weth.address), (COIN, weth))
    forth, back = (wrapper.hop(weth), pool.hop(COIN)), (pool.hop(dai), wrapper.hop(COIN))
    bought = pool.quote(COIN, ONE)
    sold = pool.swapped(COIN, ONE).quote(dai, bought)
    held = await market.balance(weth, market.inventory)
    limits = 2**40, 2**40, bytes(32)
    await market.settle(ExchangeCall(Address(weth.address), ONE, Address(dai.address), bought, *limits, forth))
    await market.settle(ExchangeCall(Address(dai.address), bought, Address(weth.address), sold, *limits, back))
    assert await market.balance(weth, market.inventory) == held - ONE + sold
