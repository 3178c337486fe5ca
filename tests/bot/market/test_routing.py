"""Orders are split where that pays, exactly, and never executed worse than along the best single path."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exactness.curve import tricrypto, tripool
from bot.market.routing import NoRoute, route
from chains.pools.pool import PoolError
from tests.bot.market.dual.markets import TOKENS, WETH, markets
from tests.bot.market.samples import DAI, USDC, WBTC, v3
from tests.bot.scan.recorded import recorded_snapshot
from tests.chains.pools.samples import A, B, pair, token
from tests.chains.pools.test_balancer_v2 import weighted
from tests.chains.pools.test_balancer_v3 import stable
from tests.chains.pools.test_wrapping import LIDO, STETH, WSTETH

ETH = 10**18


def parallel(*reserves: int):
    return [pair((r * ETH, r * 2_000 * 10**6), number=n, tokens=(WETH, USDC)) for n, r in enumerate(reserves, 1)]


def replayed(pools, found) -> int:
    """What the parts pay one after another."""
    state = {pool.venue: pool for pool in pools}
    received = 0
    for part in found.paths:
        amount = part.amount_in
        for step in part.steps:
            assert step.amount_in == amount
            amount = state[step.venue].paid(step.token_in, amount, step.token_out)
            state[step.venue] = state[step.venue].swapped(step.token_in, step.amount_in, step.token_out)
            assert step.amount_out == amount
        received += amount
    return received


def test_equal_pools_share_an_order_equally_and_it_pays_more_than_one_path() -> None:
    pools = parallel(100, 100, 100, 100)
    found = route(pools, WETH, USDC, 40 * ETH)
    assert found.amount_in == 40 * ETH and replayed(pools, found) == found.amount_out > found.single.amount_out
    assert all(part.amount_in == pytest.approx(10 * ETH, rel=1e-3) for part in found.paths)
    assert found.amount_out == pytest.approx(4 * pools[0].quote(WETH, 10 * ETH), rel=1e-8)
    assert found.gas == 4 * found.single.gas, "a plan of the single path burns no more than that"


def test_an_order_goes_over_other_tokens_where_that_pays() -> None:
    pools = [
        *parallel(10),
        pair((1_000 * ETH, 2_000_000 * ETH), number=5, tokens=(WETH, DAI)),
        v3(6, USDC, DAI, 276_324, [(276_000, 276_660, 10**18)], fee_ppm=100),
    ]
    found = route(pools, WETH, USDC, 20 * ETH)
    assert replayed(pools, found) == found.amount_out > pools[0].quote(WETH, 20 * ETH)
    assert {len(part.steps) for part in found.paths} == {1, 2}
    assert len(route(pools, WETH, USDC, 20 * ETH, max_hops=1).paths) == 1


@pytest.mark.parametrize("amount", [5_000, 8_000, 10_000, 20_000])
def test_a_pool_that_is_filled_to_the_end_of_what_is_known_of_it_takes_its_part_of_a_larger_order(amount) -> None:
    recorded = [entry.pool for entry in recorded_snapshot().pools]
    pools = [pool for pool in recorded if {token.symbol for token in pool.tokens} == {"WETH", "USDC"}]
    narrow = next(pool for pool in pools if pool.venue == "0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8")
    usdc, weth = narrow.tokens
    found = route(pools, weth, usdc, amount * ETH)
    assert found.amount_in == amount * ETH and replayed(pools, found) == found.amount_out
    (part,) = (part.amount_in for part in found.paths if part.steps[0].venue == narrow.venue)
    assert 513 * ETH < part < 514 * ETH
    with pytest.raises(PoolError):
        narrow.quote(weth, 514 * ETH, usdc)


@pytest.mark.parametrize(("held", "amount"), [(100, 700), (400, 700), (400, 1_500), (400, 4_000)])
def test_a_pool_that_takes_no_more_than_its_part_has_the_rest_go_elsewhere(held, amount) -> None:
    some = {"tokens": (A, B), "managed": (0, 0), "weights": (ETH // 2, ETH // 2)}
    bounded = replace(weighted(), balances=(1_000 * ETH, 1_000 * ETH), **some)
    steep = replace(stable(), tokens=(A, B), balances=(held * ETH, held * ETH), rates=(ETH, ETH), amp=1_000)
    found = route([bounded, steep], A, B, amount * ETH)
    assert found.amount_in == amount * ETH and replayed([bounded, steep], found) == found.amount_out
    most = bounded.quote(A, 300 * ETH, B) + steep.quote(A, (amount - 300) * ETH, B)
    assert found.amount_out >= most * (1 - 1e-4)
    back = route([bounded, steep], A, B, found.amount_out, exact_out=True)
    assert back.amount_in <= found.amount_in * (1 + 1e-5)


def test_a_path_over_a_token_of_few_units_is_not_taken_for_a_price_that_rounding_eats() -> None:
    coarse = token(9, decimals=0)
    pools = [
        *parallel(1_000),
        pair((1_000 * ETH, 100_000), number=8, tokens=(WETH, coarse)),
        pair((100_000, 2_040_000 * 10**6), number=9, tokens=(coarse, USDC)),
    ]
    amount = 19 * ETH // 1_000
    found = route(pools, WETH, USDC, amount)
    assert replayed(pools, found) == found.amount_out >= pools[0].quote(WETH, amount)
    wanted = pools[0].quote(WETH, amount)
    assert route(pools, WETH, USDC, wanted, exact_out=True).amount_in <= amount


def behind_a_narrow_pool(*exits: tuple[int, int]):
    """WETH buys DAI in one small pool, and DAI buys USDC in one of each of these reserves, in whole units."""
    narrow = pair((5 * 10**17, 1_000 * ETH), number=7, tokens=(WETH, DAI))
    return narrow, [
        pair((dai * ETH, usdc * 10**6), number=n, tokens=(DAI, USDC)) for n, (dai, usdc) in enumerate(exits, 20)
    ]


def by_trying(narrow, exits, amount: int, slices: int = 3_000) -> int:
    """What an order brings whose every small slice takes the exit that pays most for it, as exact integers."""
    received, left, state = 0, narrow.quote(WETH, amount), list(exits)
    for slice_ in range(slices, 0, -1):
        part = left // slice_
        at = max(range(len(state)), key=lambda each: state[each].quote(DAI, part))
        received += state[at].quote(DAI, part)
        state[at] = state[at].swapped(DAI, part)
        left -= part
    return received


@pytest.mark.parametrize("whole", [2, 50, 1_000])
def test_what_one_pool_pays_is_split_over_those_behind_it_by_what_comes_out_not_by_what_went_in(whole) -> None:
    narrow, exits = behind_a_narrow_pool((900, 900), (1_400, 1_400), (30, 30), (5, 5), (1, 1))
    found = route([narrow, *exits], WETH, USDC, whole * ETH)
    assert replayed([narrow, *exits], found) == found.amount_out
    assert found.amount_out > 0.999 * by_trying(narrow, exits, whole * ETH)
    assert found.amount_out > 1.1 * found.single.amount_out


def test_a_pool_that_is_needed_further_on_is_not_spent_on_the_way_there() -> None:
    """The pool of three tokens has the best price for dollars too, and one swap of it takes a third of its DAI."""
    three = replace(weighted((625 * 10**7, 10**12, 10**24)), tokens=(WBTC, USDC, DAI))
    into = pair((10_000 * ETH, 20_000_000 * ETH), number=31, tokens=(WETH, DAI))
    beside = pair((2 * 10**12, 2_000_000 * ETH), number=32, tokens=(USDC, DAI), fee_ppm=10_000)
    found = route([three, into, beside], WETH, WBTC, 200 * ETH)
    assert replayed([three, into, beside], found) == found.amount_out
    assert found.single is None and len(found.paths) == 2
    asked = route([three, into, beside], WETH, WBTC, found.amount_out, exact_out=True)
    assert asked.amount_out >= found.amount_out and asked.amount_in <= 201 * ETH


def test_ways_of_one_pool_that_are_in_each_others_way_are_sized_as_the_pool_quotes_them() -> None:
    three = replace(weighted((625 * 10**7, 10**12, 10**24)), tokens=(WBTC, USDC, DAI))
    beside = pair((10**13, 13_000_000 * ETH), number=32, tokens=(USDC, DAI), fee_ppm=500)
    amount, best = 10 * 10**8, 0
    for direct in range(0, amount, amount // 100):
        left, paid = (three.swapped(WBTC, direct, DAI), three.quote(WBTC, direct, DAI)) if direct else (three, 0)
        best = max(best, paid + beside.quote(USDC, left.quote(WBTC, amount - direct, USDC)))
    found = route([three, beside], WBTC, DAI, amount)
    assert replayed([three, beside], found) == found.amount_out > 0.9999 * best
    asked = route([three, beside], WBTC, DAI, found.amount_out, exact_out=True)
    assert asked.amount_out >= found.amount_out and asked.amount_in <= 1.0001 * amount


@pytest.mark.parametrize("wanted", [300, 600, 640])
def test_an_exact_output_near_all_that_pools_hold_is_received_for_the_least(wanted) -> None:
    narrow, exits = behind_a_narrow_pool((900, 900), (1_400, 1_400), (30, 30))
    found = route([narrow, *exits], WETH, USDC, wanted * 10**6, exact_out=True)
    assert replayed([narrow, *exits], found) == found.amount_out >= wanted * 10**6
    assert by_trying(narrow, exits, found.amount_in * 99 // 100) < wanted * 10**6


def test_an_exact_output_is_received_for_the_least() -> None:
    pools = parallel(100, 50, 80)
    wanted = 40_000 * 10**6
    found = route(pools, WETH, USDC, wanted, exact_out=True)
    assert replayed(pools, found) == found.amount_out >= wanted
    assert found.amount_out <= wanted + 1
    assert found.amount_in < found.single.amount_in
    forwards = route(pools, WETH, USDC, found.amount_in)
    assert forwards.amount_out == pytest.approx(found.amount_out, rel=1e-6)


def test_an_exact_output_that_no_pool_holds_alone_is_received_from_all_together() -> None:
    pools = parallel(100, 50, 80)
    wanted = 350_000 * 10**6
    found = route(pools, WETH, USDC, wanted, exact_out=True)
    assert replayed(pools, found) == found.amount_out >= wanted > 200_000 * 10**6
    assert route(pools, WETH, USDC, found.amount_in).amount_out == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("amount", [10**18 + 7, 3 * 10**18 + 1, 10**19 + 9])
def test_an_exact_output_arrives_where_swaps_pay_less_than_their_quotes(amount) -> None:
    """Unwrapping wstETH pays up to two units less than it says, and 3pool often one."""
    dai, usdc, _ = tripool().tokens
    pools = [LIDO, pair((10**21, 19 * 10**11), number=5, tokens=(STETH, usdc)), tripool()]
    for token_in, token_out, wanted in ((WSTETH, STETH, amount), (dai, usdc, amount // 10**12), (WSTETH, dai, amount)):
        found = route(pools, token_in, token_out, wanted, exact_out=True)
        assert found.amount_out >= wanted
        assert found.single is not None and found.single.amount_out >= wanted


@pytest.mark.parametrize("exact_out", [False, True])
def test_a_pool_that_cannot_tell_what_is_left_of_it_is_traded_once(exact_out) -> None:
    pool = tricrypto()
    _, wbtc, weth = pool.tokens
    assert pool.oracle is None
    found = route([pool], wbtc, weth, 10**6, exact_out=exact_out)
    assert found.amount_out == pool.paid(wbtc, found.amount_in, weth)


@given(markets(least=10**9), st.integers(1, 10**21), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_route_is_exact_and_no_worse_than_one_path(pools, amount, exact_out) -> None:
    try:
        found = route(pools, WETH, TOKENS[2], amount, exact_out=exact_out)
    except NoRoute:
        return
    assert replayed(pools, found) == found.amount_out
    if exact_out:
        assert found.amount_out >= amount
        assert found.single is None or found.amount_in <= found.single.amount_in
    else:
        assert found.amount_in == amount
        assert found.single is None or found.amount_out >= found.single.amount_out


def test_orders_that_cannot_be_executed_are_refused() -> None:
    pools = parallel(100)
    with pytest.raises(NoRoute):
        route(pools, WETH, WBTC, ETH)
    with pytest.raises(NoRoute):
        route(pools, WETH, USDC, 10**9 * 10**6, exact_out=True)
    with pytest.raises(NoRoute):
        route([], WETH, USDC, ETH)
    for wrong in ((WETH, WETH, ETH), (WETH, USDC, 0), (WETH, USDC, -1)):
        with pytest.raises(ValueError, match="trades nothing"):
            route(pools, *wrong)


def test_gas_is_counted_for_every_path() -> None:
    found = route(parallel(100, 100), WETH, USDC, 40 * ETH)
    assert found.gas == 2 * 100_000


@given(markets(), st.integers(1, 10**12), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_no_route_nets_less_than_one_that_does_not_weigh_its_gas(pools, amount, exact_out, gas_price) -> None:
    order = WETH, TOKENS[1], amount
    try:
        free = route(pools, *order, exact_out=exact_out)
    except NoRoute:
        return
    found = route(pools, *order, exact_out=exact_out, gas_price=gas_price)
    assert replayed(pools, found) == found.amount_out

    def net(paths) -> int:
        gas = sum(path.gas for path in paths) * gas_price
        return -gas - sum(it.amount_in for it in paths) if exact_out else sum(it.amount_out for it in paths) - gas

    assert net(found.paths) >= net(free.paths)
    assert found.single is None or net(found.paths) >= net([found.single])


def test_the_dearer_gas_is_the_fewer_parts_an_order_has() -> None:
    pools = parallel(100, 50, 25, 12)
    parts = [len(route(pools, WETH, USDC, 10 * ETH, gas_price=price).paths) for price in (0, 200, 1_000, 10_000)]
    assert parts == sorted(parts, reverse=True) and (parts[0], parts[-1]) == (4, 1) and len(set(parts)) > 2
