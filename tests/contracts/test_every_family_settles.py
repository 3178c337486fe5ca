"""Every pool family's hop through the executor, first and last in a cycle, gains to the wei what our pools say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chains.assets import Address
from chains.executor import CycleCall, Hop, decode, encode
from chains.pools.registry import FAMILIES
from tests.contracts.families import Families
from tests.contracts.market import ETH
from tests.contracts.settling import DEPTH, MAKERS

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_no_family_is_left_out() -> None:
    assert {name.split("/")[0].split(",")[0] for name in MAKERS} == FAMILIES.keys()


@pytest.mark.parametrize("name", MAKERS)
async def test_a_hop_gains_to_the_wei_what_our_pool_says(families: Families, name: str) -> None:
    way = await MAKERS[name](families)
    market, weth = families.market, families.market.weth
    snapshot = await market.chain.anvil.rpc("evm_snapshot")
    dear = await market.pair(market.uniswap, way.bought, way.out(ETH) * 50, weth, DEPTH)
    hops = [*way.forth, (await families.loaded(dear)).hop(way.bought)]
    await gains(families, hops, await market.quoted([dear], way.bought, way.out(ETH)) - ETH)
    await market.chain.anvil.rpc("evm_revert", snapshot)
    cheap = await market.pair(market.uniswap, way.bought, way.out(ETH) * 200, weth, DEPTH)
    hops = [(await families.loaded(cheap)).hop(weth), *way.back]
    await gains(families, hops, way.home(await market.quoted([cheap], weth, ETH)) - ETH)


async def gains(families: Families, hops: Sequence[Hop], gain: int) -> None:
    """Settle a cycle of one ether that must gain exactly `gain`, more than nothing, and leave nothing else behind."""
    market = families.market
    weth = market.weth
    call = CycleCall(Address(weth.address), ETH, gain, 2**40, 2**40, bytes(32), tuple(hops))
    assert decode(encode(call)) == call
    assert await market.simulate(call) == gain > 0
    before = await market.balance(weth, market.executor)
    await market.settle(call)
    assert await market.balance(weth, market.executor) == before + gain
    for token in (market.mid, market.dai):
        assert await market.balance(token, market.executor) == 0
    assert int(await market.chain.anvil.rpc("eth_getBalance", market.executor, "latest"), 16) == 0
