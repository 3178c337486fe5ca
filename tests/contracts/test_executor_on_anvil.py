"""The executor against the real bytecode of Uniswap V2, Sushi and Uniswap V3."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from eth_abi.abi import decode as abi_decode
from eth_utils.crypto import keccak

from chains.anvil import Anvil
from chains.assets import Address
from chains.executor import ExchangeCall
from chains.pools.pool import PoolFacts
from tests.chains.pools.contracts import ANVIL_ARGUMENTS
from tests.contracts.market import CAP, ETH, OWNER, STOCK, Market, cycle, hops

pytestmark = pytest.mark.asyncio(loop_scope="module")

Pools = dict[str, PoolFacts]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[tuple[Market, Pools]]:
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        market = await Market.open(anvil)
        weth, mid, dai = market.weth, market.mid, market.dai
        pools = {
            "uniswap": await market.pair(market.uniswap, weth, 100 * ETH, mid, 300 * ETH),
            "sushi": await market.pair(market.sushi, mid, 200 * ETH, weth, 100 * ETH),
            "v3": await market.pool(weth, 100 * ETH, mid, 250 * ETH),
            "v3 dai": await market.pool(mid, 500 * ETH, dai, 500 * ETH),
            "dai": await market.pair(market.uniswap, dai, 200 * ETH, weth, 100 * ETH),
            "v3 home": await market.pool(dai, 210 * ETH, weth, 100 * ETH),
        }
        yield market, pools


@pytest_asyncio.fixture(loop_scope="module")
async def market(opened: tuple[Market, Pools]) -> AsyncIterator[Market]:
    rpc = opened[0].chain.anvil.rpc
    snapshot = await rpc("evm_snapshot")
    yield opened[0]
    await rpc("evm_revert", snapshot)


@pytest.fixture
def pools(opened: tuple[Market, Pools]) -> Pools:
    return opened[1]


GAS_CEILING = {
    ("uniswap", "sushi"): 144_000,
    ("v3", "sushi"): 153_000,
    ("uniswap", "v3"): 160_000,
    ("uniswap", "v3 dai", "dai"): 214_000,
    ("v3", "v3 dai", "v3 home"): 235_000,
    ("v3", "v3 dai", "dai"): 221_000,
    ("uniswap", "v3 dai", "v3 home"): 227_000,
}
"""Every cycle of the tests, and its gas as measured, rounded up to the next thousand."""

PATHS = list(GAS_CEILING)


def error(signature: str, *arguments: int) -> bytes:
    return bytes(keccak(text=signature)[:4]) + b"".join(
        argument.to_bytes(32, signed=argument < 0) for argument in arguments
    )


def v2_out(amount_in: int, reserve_in: int, reserve_out: int) -> int:
    """UniswapV2Library.getAmountOut."""
    return amount_in * 997 * reserve_out // (reserve_in * 1000 + amount_in * 997)


@pytest.mark.parametrize("names", PATHS, ids=" to ".join)
async def test_a_cycle_gains_what_our_pools_quote_to_the_wei(
    market: Market, pools: Pools, names: tuple[str, ...]
) -> None:
    path = [pools[name] for name in names]
    gain = await market.quoted(path, market.weth, 5 * ETH) - 5 * ETH
    assert gain > 0
    await market.settle(cycle(market, path, 5 * ETH, gain))
    assert await market.balance(market.weth, market.executor) == gain
    assert await market.balance(market.mid, market.executor) == 0
    assert await market.balance(market.weth, market.inventory) == STOCK


async def test_two_pairs_gain_what_uniswaps_formula_says(market: Market, pools: Pools) -> None:
    gain = v2_out(v2_out(5 * ETH, 100 * ETH, 300 * ETH), 200 * ETH, 100 * ETH) - 5 * ETH
    assert await market.simulate(cycle(market, [pools["uniswap"], pools["sushi"]], 5 * ETH, gain)) == gain


async def test_a_hundred_random_cycles_agree_with_our_quotes(market: Market, pools: Pools) -> None:
    rng = random.Random(7)
    for _ in range(100):
        path = [pools[name] for name in rng.choice(PATHS)]
        amount_in = int(10 ** rng.uniform(9, 19.5))
        gain = await market.quoted(path, market.weth, amount_in) - amount_in
        least = max(gain + 1, 0)
        if gain >= 0:
            assert await market.simulate(cycle(market, path, amount_in, gain)) == gain
        assert await market.refusal(cycle(market, path, amount_in, least)) == error(
            "GainBelowMinimum(int256,uint256)", gain, least
        )


async def test_a_pool_that_moved_changes_the_gain_not_the_success(market: Market, pools: Pools) -> None:
    path = [pools["uniswap"], pools["sushi"]]
    decided = cycle(market, path, 5 * ETH, 1)
    before = await market.simulate(decided)
    await market.chain.send(market.weth.address, "transfer(address,uint256)", pools["sushi"].address, ETH)
    await market.chain.send(pools["sushi"].address, "sync()")
    after = await market.simulate(decided)
    assert after == await market.quoted(path, market.weth, 5 * ETH) - 5 * ETH
    assert after > before


@pytest.mark.parametrize("names", [("dai",), ("v3 home",), ("uniswap", "v3 dai"), ("v3", "v3 dai")], ids=" to ".join)
async def test_an_exchange_returns_to_the_inventory_what_our_pools_quote(
    market: Market, pools: Pools, names: tuple[str, ...]
) -> None:
    path = [pools[name] for name in names]
    weth, dai = Address(market.weth.address), Address(market.dai.address)
    out = await market.quoted(path, market.weth, ETH)
    await market.settle(ExchangeCall(weth, ETH, dai, out, 2**40, 2**40, bytes(32), hops(path, market.weth)))
    assert await market.balance(market.dai, market.inventory) == STOCK + out
    assert await market.balance(market.weth, market.inventory) == STOCK - ETH
    for token in (market.weth, market.mid, market.dai):
        assert await market.balance(token, market.executor) == 0


async def test_an_exchange_is_refused_below_its_minimum_and_above_the_cap(market: Market, pools: Pools) -> None:
    path = [pools["dai"]]
    weth, dai = Address(market.weth.address), Address(market.dai.address)
    out = await market.quoted(path, market.weth, ETH)
    short = ExchangeCall(weth, ETH, dai, out + 1, 2**40, 2**40, bytes(32), hops(path, market.weth))
    assert await market.refusal(short) == error("OutputBelowMinimum(uint256,uint256)", out, out + 1)
    large = ExchangeCall(weth, CAP + 1, dai, 1, 2**40, 2**40, bytes(32), hops(path, market.weth))
    assert await market.refusal(large) == error("CapExceeded(address,uint256,uint256)", int(weth, 16), CAP + 1, CAP)


async def test_block_second_and_parent_bind_a_call_to_where_it_was_decided(market: Market, pools: Pools) -> None:
    rpc = market.chain.anvil.rpc
    head = await rpc("eth_getBlockByNumber", "latest", False)
    number, parent = int(head["number"], 16), bytes.fromhex(head["hash"][2:])
    call = cycle(market, [pools["uniswap"], pools["sushi"]], ETH, 1)
    bound = replace(call, max_block=number + 1, parent_hash=parent)
    snapshot = await rpc("evm_snapshot")
    await market.settle(bound)
    await rpc("evm_revert", snapshot)
    await rpc("evm_mine")
    middle = await rpc("eth_getBlockByNumber", "latest", False)
    await rpc("evm_mine")
    assert await market.refusal(bound) == error("Expired(uint256,uint256)", number + 2, number + 1)
    assert await market.refusal(replace(call, parent_hash=parent)) == error(
        "WrongParent(bytes32,bytes32)", int(middle["hash"], 16), int.from_bytes(parent)
    )
    later_s = int(middle["timestamp"], 16) + 100
    await rpc("evm_mine", {"timestamp": later_s})
    refused = await market.refusal(replace(call, deadline_s=later_s - 1))
    assert refused == error("TooLate(uint256,uint256)", later_s, later_s - 1)


@pytest.mark.parametrize("sender", [OWNER.address, "0x" + "77" * 20])
async def test_only_the_operator_trades(market: Market, pools: Pools, sender: str) -> None:
    call = cycle(market, [pools["uniswap"], pools["sushi"]], ETH, 1)
    assert await market.refusal(call, sender) == error("NotOperator(address)", int(sender, 16))


async def test_gas_stays_at_what_was_measured(market: Market, pools: Pools) -> None:
    """In pools that have traded before, with some of the profit token held, as it is after the first trade.

    Pairs write their price averages once a second, so every block is a second later than the one before.
    """
    rpc = market.chain.anvil.rpc
    await rpc("anvil_setBlockTimestampInterval", 1)
    for names in PATHS * 2:
        await market.settle(cycle(market, [pools[name] for name in names], ETH // 100, 0))
    used = {}
    for names in PATHS:
        snapshot = await rpc("evm_snapshot")
        used[names] = await market.settle(cycle(market, [pools[name] for name in names], ETH, 1))
        await rpc("evm_revert", snapshot)
    await rpc("anvil_removeBlockTimestampInterval")
    assert {names: gas for names, gas in used.items() if gas > GAS_CEILING[names]} == {}


async def test_the_revert_of_a_pool_reaches_the_caller(market: Market, pools: Pools) -> None:
    """Uniswap V2 refuses an output of nothing: its own words come back, not ours."""
    data = await market.refusal(cycle(market, [pools["uniswap"], pools["sushi"]], 0, 0))
    assert abi_decode(["string"], data[4:]) == ("UniswapV2: INSUFFICIENT_OUTPUT_AMOUNT",)
