"""The way back, through the same pools or others, at their present state, for no more than was filled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.fees import terms
from bot.execution.unwind import names_of, unwinding
from bot.market import Market
from bot.plan import Plan, Swap
from chains.assets import ZERO_ADDRESS, Token
from chains.pools.balancer_v3_buffer import BalancerV3BufferPool
from chains.pools.erc4626 import Erc4626Pool
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_key import PoolKey
from tests.bot.execution.given import MARKS, POOL, buys_on_chain, head, market, sells_on_chain
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.market import samples
from tests.bot.market.samples import DAI, ETH_AT_EXCHANGE, USDC, WETH
from tests.chains.pools.samples import at, ticks_of

LOSS_PPM = 10_000


FREE = {WETH: 10**30, USDC: 10**30, DAI: 10**30}


def _back(
    plan: Plan,
    units: int,
    *,
    bought: bool,
    on: Market | None = None,
    free: Mapping[Token, int] = FREE,
    avoided: Collection[str] = (),
    allowed: Callable[[str, Token], bool] | None = None,
) -> Plan | None:
    return unwinding(
        plan,
        base=ETH_AT_EXCHANGE,
        units=units,
        bought=bought,
        market=on or market(),
        head=head(20),
        gas_price_wei=10 * GWEI,
        marks=MARKS,
        loss_ppm=LOSS_PPM,
        free=free,
        avoided=avoided,
        allowed=allowed,
    )


def test_what_was_bought_on_the_chain_is_sold_where_it_came_from() -> None:
    plan = _back(buys_on_chain(), 3 * 10**7, bought=True)
    assert plan is not None
    (swap,) = plan.swaps
    assert swap == Swap(POOL.hop(WETH), WETH, USDC, 3 * 10**17, POOL.quote(WETH, 3 * 10**17))
    assert (plan.atomic, plan.orders, plan.block_number, plan.deadline_block) == (False, (), 20, 21)


@given(st.integers(1, 50 * 10**8))
def test_what_was_sold_on_the_chain_is_bought_back_for_the_least_that_brings_it(units: int) -> None:
    plan = _back(sells_on_chain(), units, bought=False)
    assert plan is not None
    (swap,) = plan.swaps
    assert (swap.token_in, swap.token_out) == (USDC, WETH)
    assert swap.amount_out == POOL.quote(USDC, swap.amount_in) >= units * 10**10
    assert POOL.quote(USDC, swap.amount_in - 1) < units * 10**10 if swap.amount_in > 1 else True


def test_a_route_of_two_pools_is_walked_backwards() -> None:
    usdc_dai = samples.v2(2, USDC, DAI, (10**13, 10**25))
    there = sells_on_chain()
    (first,) = there.swaps
    second = Swap(usdc_dai.hop(USDC), USDC, DAI, first.amount_out, usdc_dai.quote(USDC, first.amount_out))
    plan = dataclasses.replace(there, legs=(first, second, *there.orders))
    back = _back(plan, 10**8, bought=False, on=samples.market(POOL, usdc_dai))
    assert back is not None
    assert [(swap.token_in, swap.token_out) for swap in back.swaps] == [(DAI, USDC), (USDC, WETH)]
    assert back.swaps[0].amount_out == back.swaps[1].amount_in
    assert back.swaps[1].amount_out >= ETHER


def test_it_may_lose_its_share_and_no_more() -> None:
    plan = _back(buys_on_chain(), 10**8, bought=True)
    assert plan is not None
    gas_wei = plan.gas_estimate * 10 * GWEI
    assert plan.min_profit_wei == -(ETHER * LOSS_PPM // 10**6) - gas_wei
    quoted = plan.swaps[-1].amount_out
    least = terms(plan, gas_wei, MARKS).min_out
    assert quoted * (10**6 - LOSS_PPM) // 10**6 <= least < quoted


def test_a_pool_that_cannot_take_it_gives_no_plan() -> None:
    assert _back(sells_on_chain(), 1_000 * 10**8, bought=False) is None


def test_a_pool_that_left_the_market_gives_no_plan() -> None:
    gone = market()
    gone.remove(POOL.address, "its logs are not understood")
    assert _back(buys_on_chain(), 10**8, bought=True, on=gone) is None
    assert _back(sells_on_chain(), 10**8, bought=False, on=gone) is None


@pytest.mark.parametrize(
    ("why", "bought"), [("avoided", True), ("avoided", False), ("gone", True), ("gone", False), ("too small", False)]
)
def test_where_its_own_pool_does_not_serve_it_goes_back_through_others(why: str, bought: bool) -> None:
    """A vault or a pool that pays nobody out must not keep what the rest of the market would take."""
    plan = buys_on_chain() if bought else sells_on_chain()
    dai = samples.v2(7, WETH, DAI, (1_000 * ETHER, 2_000_000 * ETHER)), samples.v2(8, DAI, USDC, (10**24, 10**12))
    on = samples.market(POOL if why != "too small" else samples.v2(1, WETH, USDC, (ETHER // 2, 10**9)), *dai)
    if why == "gone":
        on.remove(POOL.address, "its logs are not understood")
    back = _back(plan, 10**8, bought=bought, on=on, avoided={POOL.address} if why == "avoided" else ())
    assert back is not None and POOL.address not in back.pools and len(back.swaps) == 2
    first, last = back.swaps
    assert (first.token_in, last.token_out) == ((WETH, USDC) if bought else (USDC, WETH))
    assert first.amount_in == ETHER if bought else ETHER <= last.amount_out < ETHER * 1_000_001 // 10**6
    assert first.amount_out == last.amount_in and back.unwinds == plan.id


@pytest.mark.parametrize("bought", [True, False])
@pytest.mark.parametrize("dollars", [1_990_000, 2_050_000])
def test_it_goes_straight_through_another_pool_where_that_one_brings_more(bought: bool, dollars: int) -> None:
    other = samples.v2(7, WETH, USDC, (1_000 * ETHER, dollars * 10**6), fee_ppm=500)
    plan = buys_on_chain() if bought else sells_on_chain()
    back = _back(plan, 10**8, bought=bought, on=samples.market(POOL, other))
    assert back is not None and len(back.swaps) == 1
    dearer = POOL if dollars < 2_010_000 else other
    assert back.pools == {dearer.address if bought else ({POOL, other} - {dearer}).pop().address}


def test_it_goes_back_nowhere_that_the_strategy_may_not() -> None:
    other = samples.v2(7, WETH, USDC, (1_000 * ETHER, 2_000_000 * 10**6))
    on, avoided = samples.market(POOL, other), {POOL.address}
    assert _back(sells_on_chain(), 10**8, bought=False, on=on, avoided=avoided) is not None
    assert _back(sells_on_chain(), 10**8, bought=False, on=on, avoided={*avoided, other.address}) is None
    nowhere = _back(sells_on_chain(), 10**8, bought=False, on=on, avoided=avoided, allowed=lambda venue, token: False)
    assert nowhere is None


@given(st.integers(10**9, 10**19))
def test_what_was_bought_is_sold_as_far_as_it_is_free(free: int) -> None:
    plan = _back(buys_on_chain(), 10**8, bought=True, free={WETH: free})
    if free >= ETHER:
        assert plan is not None and plan.swaps[0].amount_in == ETHER
    else:
        assert plan is None or free * 99 // 100 <= plan.swaps[0].amount_in <= free


@given(st.integers(10**4, 10**10))
def test_what_was_sold_is_bought_back_as_far_as_the_money_is_free(free: int) -> None:
    plan = _back(sells_on_chain(), 10**8, bought=False, free={USDC: free})
    assert plan is not None
    (swap,) = plan.swaps
    assert swap.amount_in <= free and swap.amount_out == POOL.quote(USDC, swap.amount_in)
    assert swap.amount_out >= ETHER or swap.amount_in >= free * 98 // 100


@pytest.mark.parametrize("free", [{}, {WETH: 0}, {USDC: 10**30}])
def test_what_is_not_free_is_not_unwound(free: Mapping[Token, int]) -> None:
    assert _back(buys_on_chain(), 10**8, bought=True, free=free) is None


@pytest.mark.parametrize("units", [0, 10])
def test_less_than_the_pool_gives_a_unit_for_is_no_plan(units: int) -> None:
    """Ten units of an exchange's 10^-8 ETH are 10^11 wei: less than a millionth of a dollar."""
    plan = _back(buys_on_chain(), units, bought=True)
    assert plan is None or plan.swaps[-1].amount_out > 0


def test_the_way_back_leads_through_the_pools_of_singletons_and_past_their_namesakes() -> None:
    vault = Erc4626Pool(at(6), (USDC, Token("twin", at(6), "S", 6)), 10**16, 10**16, (1, 1), 2**255)
    buffer = BalancerV3BufferPool(at(7), vault, 10**15, 10**15, 10**3)
    share = vault.tokens[1]
    ticks = ticks_of([(-6000, 6000, 10**24)], 60)
    v4 = UniswapV4Pool(at(4), PoolKey((share, DAI), 3000, 60, ZERO_ADDRESS), 3000, 0, 2**96, 0, 10**24, ticks)
    there = sells_on_chain()
    (first,) = there.swaps
    second = Swap(buffer.hop(USDC), USDC, share, first.amount_out, buffer.quote(USDC, first.amount_out))
    third = Swap(v4.hop(share), share, DAI, second.amount_out, v4.quote(share, second.amount_out))
    plan = dataclasses.replace(there, legs=(first, second, third, *there.orders))
    back = _back(plan, 10**8, bought=False, on=samples.market(POOL, vault, v4, buffer))
    assert back is not None
    assert [swap.hop for swap in back.swaps] == [v4.hop(DAI), buffer.hop(share), POOL.hop(USDC)]
    assert back.swaps[-1].amount_out >= ETHER
    assert _back(plan, 10**8, bought=False, on=samples.market(POOL, vault, v4)) is None


def test_a_pool_of_a_singleton_is_named_as_the_market_has_it_too() -> None:
    """What an earlier plan goes through is taken from the market that the next strategy of the head is shown."""
    vault = Erc4626Pool(at(6), (USDC, Token("twin", at(6), "S", 6)), 10**16, 10**16, (1, 1), 2**255)
    buffer = BalancerV3BufferPool(at(7), vault, 10**15, 10**15, 10**3)
    ticks = ticks_of([(-6000, 6000, 10**24)], 60)
    v4 = UniswapV4Pool(at(4), PoolKey((USDC, DAI), 3000, 60, ZERO_ADDRESS), 3000, 0, 2**96, 0, 10**24, ticks)
    legs = Swap(v4.hop(DAI), DAI, USDC, 9, 9), Swap(buffer.hop(USDC), USDC, vault.tokens[1], 9, 9)
    plan = dataclasses.replace(sells_on_chain(), legs=legs)
    named = names_of(plan, samples.market(POOL, vault, v4, buffer))
    assert named == {*plan.pools, v4.venue, buffer.venue}
    assert v4.venue not in plan.pools and POOL.venue not in named
    assert names_of(plan, samples.market(POOL)) == plan.pools
