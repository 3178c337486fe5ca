"""The picture of the price graph, painted from real markets."""

from __future__ import annotations

import pytest

from benchmarks.bench_market import recorded_market
from bot.dashboard.picture import BOOK, MOST_EDGES, MOST_NODES, Changes, Painter
from bot.dashboard.source import Picture
from bot.market import Market
from chains.assets import Token
from tests.bot.market.samples import DAI, USDC, WBTC, WETH, book, market, v2

ETHER = 10**18
WETH_USDC = v2(1, WETH, USDC, (100 * ETHER, 200_000 * 10**6))
WETH_DAI = v2(2, WETH, DAI, (50 * ETHER, 100_000 * ETHER))
USDC_DAI = v2(3, USDC, DAI, (300_000 * 10**6, 300_000 * ETHER), fee_ppm=500)
ETH_BOOK = book([("1999", "5")], [("2001", "5")])


@pytest.fixture
def small() -> Market:
    return market(WETH_USDC, WETH_DAI, USDC_DAI, ETH_BOOK)


def painter(of: Market, changes: Changes | None = None) -> Painter:
    return Painter(of, changes or Changes(of), {WETH_USDC.address: "uniswap_v2"})


def names(picture: Picture) -> set[str]:
    return {node.symbol for node in picture.nodes}


def test_every_asset_and_venue_of_a_small_market_is_shown(small: Market) -> None:
    picture = painter(small).paint(())
    assert names(picture) == {"WETH", "USDC", "DAI"}
    assert {(edge.id, edge.kind, edge.fee_ppm) for edge in picture.edges} == {
        (WETH_USDC.address, "uniswap_v2", 3000),
        (WETH_DAI.address, "constant_product", 3000),
        (USDC_DAI.address, "constant_product", 500),
        ("binance:ETH/USDT", BOOK, ETH_BOOK.taker_fee_ppm),
    }
    assert (picture.total_nodes, picture.total_venues) == (3, 4)


def test_depth_is_what_moves_the_price_two_per_cent_in_wei_of_eth(small: Market) -> None:
    depths = {edge.id: edge.liquidity_wei for edge in painter(small).paint(()).edges}
    # x · y = k with a fee of 0.3 %: the price falls by 2 % when x grows by 1/√0.98 − 1, and the fee comes on top.
    expected = 100 * (0.98**-0.5 - 1) / 0.997
    weth_usdc = depths[WETH_USDC.address]
    assert weth_usdc is not None
    assert weth_usdc / 1e18 == pytest.approx(expected, rel=0.01)
    assert depths["binance:ETH/USDT"] == pytest.approx(5e18, rel=0.01)


def test_what_changed_says_in_which_block(small: Market) -> None:
    changes = Changes(small)
    paint = painter(small, changes).paint
    assert {edge.changed_block for edge in paint(()).edges} == {None}
    changes.look(7)
    small.add_pool(v2(1, WETH, USDC, (101 * ETHER, 198_100 * 10**6)))
    changes.look(8)
    changes.look(9)
    changed = {edge.id: edge.changed_block for edge in paint(()).edges}
    assert changed.pop(WETH_USDC.address) == 8
    assert set(changed.values()) == {None}
    assert changes.times == {WETH_USDC.address: 1}


def test_the_cycle_is_the_venues_in_the_order_they_were_traded(small: Market) -> None:
    cycle = ((WETH_DAI.address, WETH, DAI), (USDC_DAI.address, DAI, USDC), (WETH_USDC.address, USDC, WETH))
    assert painter(small).paint(cycle).cycle == (WETH_DAI.address, USDC_DAI.address, WETH_USDC.address)
    gone = (*cycle, ("0xgone", WETH, DAI))
    assert painter(small).paint(gone).cycle == ()


def test_a_new_venue_is_painted_and_a_refused_one_leaves(small: Market) -> None:
    paint = painter(small).paint
    paint(())
    small.add_pool(v2(4, WETH, WBTC, (100 * ETHER, 7 * 10**8)))
    small.remove(USDC_DAI.address, "a test")
    picture = paint(())
    assert "WBTC" in names(picture)
    assert USDC_DAI.address not in {edge.id for edge in picture.edges}


def test_the_recorded_market_fits_the_picture_and_is_chosen_once() -> None:
    recorded, pools = recorded_market()
    changes = Changes(recorded)
    paint = Painter(recorded, changes, {}).paint
    lonely = next(pool for pool in reversed(pools) if not any(edge.id == pool.address for edge in paint(()).edges))
    first, second = lonely.tokens
    assert isinstance(first, Token)
    picture = paint([(lonely.address, first, second), (lonely.address, second, first)])
    changes.look(1)
    again = paint([(lonely.address, first, second), (lonely.address, second, first)])
    assert len(picture.nodes) == MOST_NODES
    assert len(picture.edges) <= MOST_EDGES
    assert picture.cycle == (lonely.address, lonely.address)
    assert again.nodes is picture.nodes
    assert max(picture.nodes, key=lambda node: node.degree).symbol == "WETH"
    assert sum(edge.liquidity_wei is not None for edge in picture.edges) > 0.9 * len(picture.edges)
