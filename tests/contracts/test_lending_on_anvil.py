"""A cycle through a lending market: found in the market, and settled to the wei."""

from __future__ import annotations

import pytest

from bot.market import Market
from bot.market.opportunity import GAS_BASE
from chains.assets import Address, Asset, Assets
from chains.executor import CycleCall, HopKind
from chains.pools.aave_v3 import AaveV3Pool
from chains.pools.pool import PoolFacts
from tests.contracts.families import Families
from tests.contracts.market import ETH

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE_FOR_ONE = 10


@pytest.mark.parametrize("supplies", [True, False], ids=("supplying", "withdrawing"))
async def test_a_cycle_through_a_reserve_is_found_and_gains_what_it_says(families: Families, supplies: bool) -> None:
    """The aToken is dear in one pool, or cheap: it is made of its asset, or turned into it."""
    chain, weth, mid = families.market.chain, families.market.weth, families.market.mid
    venue = await families.venue(HopKind.AAVE_V3, ONE_FOR_ONE)
    a_token = venue.bought
    facts = PoolFacts("aave_v3", Address(a_token.address), (weth, a_token), 0)
    apart = (110, 100) if supplies else (100, 110)
    pairs = (
        await families.market.pair(families.market.uniswap, weth, 100 * ETH, mid, apart[1] * 3 * ETH),
        await families.market.pair(families.market.sushi, a_token, 100 * ETH, mid, apart[0] * 3 * ETH),
    )
    market = Market(Assets({Asset("ETH"): [weth]}))
    for each in (facts, *pairs):
        market.add_pool(await chain.load(each))
    (found,) = market.cycles(max_hops=3, gas_price_wei=10**9)
    hops = [step.hop for step in found.steps if step.hop is not None]
    lending = next(hop for hop in hops if hop.kind is HopKind.AAVE_V3)
    assert len(hops) == 3 and lending.zero_for_one is supplies and found.gas_estimate > GAS_BASE
    call = CycleCall(Address(weth.address), found.amount_in, found.gain, 2**40, 2**40, bytes(32), tuple(hops))
    before = await families.market.balance(weth, families.market.executor)
    assert await families.market.simulate(call) == found.gain > ETH // 20
    await families.market.settle(call)
    assert await families.market.balance(weth, families.market.executor) == before + found.gain
    assert await families.market.balance(a_token, families.market.executor) == 0
    left = market.pool(Address(a_token.address)).swapped(*_sold(found, lending.pool))
    assert isinstance(left, AaveV3Pool)
    reached = await chain.load(facts)
    assert isinstance(reached, AaveV3Pool) and left.available == reached.available


def _sold(found, pool):  # type: ignore[no-untyped-def]
    step = next(step for step in found.steps if step.venue == pool)
    return step.token_in, step.amount_in
