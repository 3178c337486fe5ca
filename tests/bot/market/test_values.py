"""What tokens count for is what most of their liquidity says, so that walks are looked at for one size at all hops."""

import pytest

from bot.market.values import middle
from tests.bot.market.samples import DAI, USDC, WETH, block, market, sync, token, v2

WEI = 10**18


def value(made, token):
    list(made.cycles())
    packing = made._packing
    (node,) = packing.starts(made.graph.assets.of(token))
    return packing.value(node)


def around(price, *depths, first=1):
    """Pools of WETH and DAI that hold so much WETH each."""
    return [v2(first + k, WETH, DAI, (depth * WEI, int(depth * price) * WEI)) for k, depth in enumerate(depths)]


def moved(pool, times):
    """Reserves of WETH and DAI at which DAI is worth so many times as much."""
    ether, dai = pool.reserves
    return int(ether * times**0.5), int(dai / times**0.5)


@pytest.mark.parametrize("off", [1 / 300, 300])
def test_a_displaced_pool_moves_no_value_while_others_hold_more(off):
    made = market(*around(2_000, 60, 100, 80), *around(2_000 * off, 150, first=9))
    assert value(made, DAI) == pytest.approx(1 / 2_000, rel=0.01)


@pytest.mark.parametrize("times", [1 / 100, 100])
def test_a_token_that_has_become_dear_or_cheap_is_valued_anew_as_blocks_come(times):
    pools = around(2_000, 60, 100, 80)
    made = market(*pools, *around(2_000, 10, first=9))
    list(made.cycles())
    for number in range(1, 5):
        made.apply(block(number, *(sync(pool, moved(pool, times)) for pool in pools)))
    assert value(made, DAI) == pytest.approx(times / 2_000, rel=0.01)


def test_one_pool_that_is_displaced_by_a_block_moves_no_value():
    pools = around(2_000, 60, 100, 80)
    made = market(*pools)
    list(made.cycles())
    for number in range(1, 5):
        made.apply(block(number, sync(pools[1], moved(pools[1], 1 / 100))))
    assert value(made, DAI) == pytest.approx(1 / 2_000, rel=0.01)


@pytest.mark.parametrize("off", [1 / 300, 300])
def test_a_walk_through_a_token_of_which_one_pool_is_displaced_is_found(off):
    true = around(2_000, 60, 100, 80)
    small = v2(20, WETH, USDC, (WEI, 2_000 * 10**6)), v2(21, USDC, DAI, (2_000 * 10**6, 2_000 * WEI))
    dear = v2(22, DAI, WETH, (2_000 * WEI, 11 * WEI // 10))
    made = market(*true, *small, dear, *around(2_000 * off, 150, first=9))
    found = {
        frozenset(each.venues) for each in made.cycles([dear.venue], gas_price_wei=10**9, limit=99, overlapping=True)
    }
    assert frozenset(venue.venue for venue in (*small, dear)) in found


def test_whoever_pairs_dust_with_all_there_is_of_a_token_of_his_own_moves_no_value():
    own, others = token(50), [token(60 + k) for k in range(4)]
    beside = [v2(60 + k, own, other, (WEI, WEI)) for k, other in enumerate(others)]
    made = market(*around(2_000, 60, 100), *(v2(70 + k, WETH, other, (WEI, WEI)) for k, other in enumerate(others)))
    list(made.cycles())
    for pool in (v2(51, WETH, own, (WEI, 100 * WEI)), *beside, dust := v2(52, own, DAI, (2**112 - 1, 2_000))):
        made.add_pool(pool)
    list(made.cycles())
    for number in range(1, 4):
        made.apply(block(number, sync(dust, (2**112 - 1 - number, 2_000 + number))))
        assert value(made, DAI) == pytest.approx(1 / 2_000, rel=0.01)


def test_a_new_token_is_worth_what_its_deepest_pool_says_and_not_what_dust_does():
    made = market(*around(2_000, 60), *(v2(30 + k, WETH, token(40 + k), (WEI, WEI)) for k in range(4)))
    list(made.cycles())
    new = token(50)
    for pool in (v2(51, DAI, new, (10**12, 10**6)), v2(52, new, DAI, (10_000 * WEI, 20_000 * WEI))):
        made.add_pool(pool)
    assert value(made, new) == pytest.approx(1 / 1_000, rel=0.01)


def test_the_middle_is_where_half_of_the_width_is_reached():
    assert middle([(1.0, 5.0), (1.0, 3.0), (1.0, 4.0)]) == 4.0
    assert middle([(5.0, 7.0), (1.0, 3.0), (1.0, 4.0)]) == 7.0
    assert middle([(1.0, 2.0), (1.0, 1.0)]) == 1.0
    assert middle([]) == 1.0
