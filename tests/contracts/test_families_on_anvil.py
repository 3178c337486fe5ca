"""The executor's other kinds of hops: Python's words against the contract, real singletons among them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chains.assets import Address, Token
from chains.executor import CycleCall, Hop, HopKind
from chains.pools.pool import PoolFacts
from tests.contracts.families import COIN, MOCKED, PRICE, Families, Venue
from tests.contracts.market import ETH, Market

pytestmark = pytest.mark.asyncio(loop_scope="module")

V2_FEE_PPM = 3000
REAL = (HopKind.UNISWAP_V4, HopKind.BALANCER_V2)


def cycle(market: Market, hops: Sequence[Hop], amount_in: int, min_gain: int) -> CycleCall:
    return CycleCall(Address(market.weth.address), amount_in, min_gain, 2**40, 2**40, bytes(32), tuple(hops))


def v2(pair: PoolFacts, token_in: Token) -> Hop:
    return Hop(HopKind.CONSTANT_PRODUCT, pair.address, token_in == pair.tokens[0], V2_FEE_PPM)


async def settled(market: Market, hops: Sequence[Hop], amount_in: int, gain: int) -> int:
    """Settle a cycle that must gain exactly `gain` and leave nothing behind; its gas."""
    call = cycle(market, hops, amount_in, gain)
    assert await market.simulate(call) == gain
    before = await market.balance(market.weth, market.executor)
    gas = await market.settle(call)
    assert await market.balance(market.weth, market.executor) == before + gain
    assert await market.balance(market.mid, market.executor) == 0
    assert int(await market.chain.anvil.rpc("eth_getBalance", market.executor, "latest"), 16) == 0
    return gas


@pytest.mark.parametrize("kind", MOCKED, ids=lambda kind: kind.name.lower())
async def test_a_hop_means_to_the_contract_what_it_means_here(families: Families, kind: HopKind) -> None:
    market = families.market
    through: Venue = await families.venue(kind)
    pair = await market.pair(market.uniswap, market.weth, 100 * ETH, through.bought, 100 * ETH)
    out = await market.quoted([pair], through.bought, PRICE * ETH // 10)
    await settled(market, [through.forth, v2(pair, through.bought)], ETH, out - ETH)
    pair = await market.pair(market.sushi, market.weth, 20 * ETH, through.bought, 200 * ETH)
    back = await market.quoted([pair], market.weth, ETH) * 10 // PRICE
    await settled(market, [v2(pair, market.weth), through.back], ETH, back - ETH)


@pytest.mark.parametrize("kind", REAL, ids=lambda kind: kind.name.lower())
async def test_a_real_pool_gains_what_our_pool_quotes_wherever_it_stands(families: Families, kind: HopKind) -> None:
    market, weth, mid = families.market, families.market.weth, families.market.mid
    make = families.pool if kind is HopKind.UNISWAP_V4 else families.weighted
    facts = await make(weth, 100 * ETH, mid, 300 * ETH)
    dear = await market.pair(market.sushi, mid, 200 * ETH, weth, 100 * ETH)
    cheap = await market.pair(market.uniswap, weth, 100 * ETH, mid, 450 * ETH)
    pool = await families.loaded(facts)
    first = await market.quoted([dear], mid, pool.quote(weth, 5 * ETH)) - 5 * ETH
    await settled(market, [pool.hop(weth), v2(dear, mid)], 5 * ETH, first)
    pool = await families.loaded(facts)
    last = pool.quote(mid, await market.quoted([cheap], weth, 5 * ETH)) - 5 * ETH
    assert first > 0 < last
    await settled(market, [v2(cheap, weth), pool.hop(mid)], 5 * ETH, last)


async def test_two_v4_pools_share_one_unlocking(families: Families) -> None:
    """The second is inside the first's accounts, and behind a pair both are in accounts of their own."""
    market, weth, mid, dai = families.market, families.market.weth, families.market.mid, families.market.dai
    one = await families.pool(weth, 100 * ETH, mid, 300 * ETH)
    two = await families.pool(mid, 300 * ETH, dai, 300 * ETH)
    home = await market.pair(market.uniswap, dai, 200 * ETH, weth, 100 * ETH)
    pools = [await families.loaded(facts) for facts in (one, two)]
    out = pools[1].quote(mid, pools[0].quote(weth, 2 * ETH))
    gain = await market.quoted([home], dai, out) - 2 * ETH
    await settled(market, [pools[0].hop(weth), pools[1].hop(mid), v2(home, dai)], 2 * ETH, gain)


async def test_coins_are_unwrapped_for_a_v4_pool_and_wrapped_behind_it(families: Families) -> None:
    market, weth, mid = families.market, families.market.weth, families.market.mid
    wrapper = Address(weth.address)
    wrap, unwrap = (Hop(HopKind.WRAPPED_NATIVE, wrapper, forth, 0) for forth in (True, False))
    facts = await families.pool(COIN, 100 * ETH, mid, 300 * ETH)
    dear = await market.pair(market.sushi, mid, 200 * ETH, weth, 100 * ETH)
    pool = await families.loaded(facts)
    gain = await market.quoted([dear], mid, pool.quote(COIN, 5 * ETH)) - 5 * ETH
    await settled(market, [unwrap, pool.hop(COIN), v2(dear, mid)], 5 * ETH, gain)
    cheap = await market.pair(market.uniswap, weth, 100 * ETH, mid, 450 * ETH)
    pool = await families.loaded(facts)
    gain = pool.quote(mid, await market.quoted([cheap], weth, 5 * ETH)) - 5 * ETH
    await settled(market, [v2(cheap, weth), pool.hop(mid), wrap], 5 * ETH, gain)


async def test_the_real_manager_lends_a_cycle_its_input(families: Families) -> None:
    market, weth, mid = families.market, families.market.weth, families.market.mid
    through = await families.venue(HopKind.CURVE)
    facts = await families.pool(mid, 200 * ETH, weth, 100 * ETH)
    pool = await families.loaded(facts)
    gain = pool.quote(mid, 3 * ETH) - ETH
    await settled(market, [through.forth, pool.hop(mid)], ETH, gain)
    assert await market.balance(weth, market.executor) == gain


GAS_CEILING = {
    HopKind.SOLIDLY: (137_000, 136_000),
    HopKind.ALGEBRA: (117_000, 126_000),
    HopKind.CURVE: (163_000, 138_000),
    HopKind.CURVE_CRYPTO: (163_000, 138_000),
    HopKind.BALANCER_V2: (188_000, 172_000),
    HopKind.BALANCER_V3: (189_000, 213_000),
    HopKind.ERC4626: (137_000, 110_000),
    HopKind.WSTETH: (153_000, 109_000),
    HopKind.AAVE_V3: (142_000, 118_000),
    HopKind.UNISWAP_V4: (155_000, 166_000),
    HopKind.WRAPPED_NATIVE: (184_000, 177_000),
}
"""Gas as measured, rounded up to the next thousand, of a cycle whose other hop is a pair's: the kind first, and last.

The venues of Uniswap V4, Balancer V2 (weighted) and the wrapped coin are real (the coin's cycles pass V4 too);
elsewhere a mock's own gas is in it.
"""


async def test_gas_stays_at_what_was_measured(families: Families) -> None:
    """In venues that have traded before, with every block a second later than the one before."""
    market, rpc = families.market, families.market.chain.anvil.rpc
    await rpc("anvil_setBlockTimestampInterval", 1)
    used = {}
    for kind in GAS_CEILING:
        snapshot = await rpc("evm_snapshot")
        calls = [cycle(market, hops, ETH // 100, 0) for hops in await cycles_of(families, kind)]
        for call in calls * 2:
            await market.settle(call)
        used[kind] = tuple([await market.settle(call) for call in calls])
        await rpc("evm_revert", snapshot)
    await rpc("anvil_removeBlockTimestampInterval")
    assert {kind: gas for kind, gas in used.items() if any(map(int.__gt__, gas, GAS_CEILING[kind]))} == {}


async def cycles_of(families: Families, kind: HopKind) -> list[list[Hop]]:
    """A cycle in which `kind` comes first, and one in which it comes last; a pair is the other hop."""
    market, weth, mid = families.market, families.market.weth, families.market.mid
    if kind in MOCKED:
        venue = await families.venue(kind)
        bought, forth, back = venue.bought, [venue.forth], [venue.back]
    elif kind in REAL:
        make = families.pool if kind is HopKind.UNISWAP_V4 else families.weighted
        pool = await families.loaded(await make(weth, 100 * ETH, mid, 300 * ETH))
        bought, forth, back = mid, [pool.hop(weth)], [pool.hop(mid)]
    else:
        pool = await families.loaded(await families.pool(COIN, 100 * ETH, mid, 300 * ETH))
        wrapper = Address(weth.address)
        wrap, unwrap = (Hop(kind, wrapper, direction, 0) for direction in (True, False))
        bought, forth, back = mid, [unwrap, pool.hop(COIN)], [pool.hop(mid), wrap]
    dear = await market.pair(market.uniswap, weth, 100 * ETH, bought, 100 * ETH)
    cheap = await market.pair(market.sushi, weth, 20 * ETH, bought, 200 * ETH)
    return [[*forth, v2(dear, bought)], [v2(cheap, weth), *back]]
