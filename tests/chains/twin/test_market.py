"""The market that moves: enough to find, by an oracle that knows nothing of the bot, and nothing absurd."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from statistics import median

import pytest

from chains.twin.anchors import ANCHORS
from chains.twin.data import snapshot, swap_sizes_usd
from chains.twin.layout import WETH9
from chains.twin.parameters import TraderParameters
from chains.twin.prices import USDT, WBTC, PricePath
from chains.twin.traded import TradedMarket
from chains.twin.traders import Traders
from tests.chains.twin.oracle import PaperMarket

_GAS_COST_WEI = 200_000 * 15 * 10**9
_LEAST_NET_WEI = 10**15
_GAS_COST_USD = 6.0
_TAKER_FEE = 0.00023
_MOST_PER_BLOCK = 2
_LARGEST_HEDGE_USD = 50_000.0


@dataclass
class Season:
    """What a number of blocks brought."""

    displacements_fees: list[float] = field(default_factory=list)
    net_gains_wei: list[int] = field(default_factory=list)
    gap_blocks: int = 0
    deviations: list[float] = field(default_factory=list)
    swaps: list[int] = field(default_factory=list)


def _price_gap(market: TradedMarket, pool_tokens: tuple[str, str], price: float, usd: dict[str, float]) -> float:
    first, second = (market.tokens[token] for token in pool_tokens)
    return log(price / (usd[first.address] / usd[second.address] * 10.0 ** (second.decimals - first.decimals)))


def _season(seed: int, blocks: int, *, arbitrage: bool) -> Season:
    market = TradedMarket(snapshot(), snapshot().pools, TraderParameters(), PricePath())
    traders = Traders(seed, market, swap_sizes_usd(), TraderParameters())
    paper = PaperMarket(market.view, list(snapshot().pools))
    season = Season()
    for number in range(1, blocks + 1):
        swaps = traders.swaps(number, float(number), 1.0)
        season.swaps.append(len(swaps))
        for swap in sorted(swaps, key=lambda each: -each.tip_wei):
            before = swap.pool.price
            paper.pools[swap.pool.address].apply(swap.sell_first, swap.amount_in)
            season.displacements_fees.append(abs(log(swap.pool.price / before)) / swap.pool.fee)
        usd = market.fair.usd(float(number))
        season.gap_blocks += any(_hedge_gain_usd(market, pool.address, usd) > 1.0 for pool in market.traded)
        for _ in range(_MOST_PER_BLOCK if arbitrage else 0):
            gain, amount_in, cycle = paper.best()
            if gain - _GAS_COST_WEI < _LEAST_NET_WEI:
                break
            paper.take(cycle, amount_in)
            season.net_gains_wei.append(gain - _GAS_COST_WEI)
    usd = market.fair.usd(float(blocks))
    for pool in market.traded:
        if market.depth_usd[pool.address] > 2e6:
            gap = _price_gap(market, pool.tokens, pool.price, usd)
            season.deviations.append(max(abs(gap) - pool.fee, 0.0))
    return season


def _hedge_gain_usd(market: TradedMarket, address: str, usd: dict[str, float]) -> float:
    """What selling in the pool and buying at the exchange, or the reverse, gains after both fees and gas."""
    pool = market.view.pools[address]
    if USDT not in pool.tokens or not {WETH9, WBTC}.intersection(pool.tokens):
        return 0.0
    margin = abs(_price_gap(market, pool.tokens, pool.price, usd)) - pool.fee - _TAKER_FEE
    depth_usd = market.depth_usd[address]
    size_usd = min(max(margin, 0.0) * depth_usd / 2, _LARGEST_HEDGE_USD)
    return size_usd * (margin - size_usd / depth_usd) - _GAS_COST_USD


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_minute_holds_enough_to_find_and_nothing_absurd(seed: int) -> None:
    season = _season(seed, 60, arbitrage=True)
    print(f"seed {seed}: {len(season.net_gains_wei)} cycles gain {sum(season.net_gains_wei) / 1e18:.2f} ETH,")
    print(f"{season.gap_blocks} gaps, median displacement {median(season.displacements_fees):.2f} fees")
    assert 8 <= sum(season.swaps) / len(season.swaps) <= 16
    assert len(season.net_gains_wei) >= 30
    assert season.gap_blocks >= 10
    assert median(season.displacements_fees) < 2
    assert median(season.net_gains_wei) < 10**17


def test_ten_minutes_without_any_arbitrageur_leave_deep_pools_within_a_per_cent_of_the_exchange() -> None:
    season = _season(4, 600, arbitrage=False)
    assert len(season.deviations) > 90
    assert max(season.deviations) < 0.015
    assert sorted(season.deviations)[int(len(season.deviations) * 0.95)] < 0.01


def test_the_same_seed_block_and_pools_give_the_same_swaps() -> None:
    def swaps(seed: int, number: int) -> list[tuple[str, str, int, int]]:
        market = TradedMarket(snapshot(), snapshot().pools, TraderParameters(), PricePath())
        drawn = Traders(seed, market, swap_sizes_usd(), TraderParameters()).swaps(number, float(number), 1.0)
        return [(swap.trader, swap.pool.address, swap.amount_in, swap.tip_wei) for swap in drawn]

    assert swaps(1, 5) == swaps(1, 5)
    assert swaps(1, 5) != swaps(2, 5)
    assert swaps(1, 5) != swaps(1, 6)


def test_no_trader_sends_twice_in_a_block_and_each_asks_for_a_least_amount_out() -> None:
    market = TradedMarket(snapshot(), snapshot().pools, TraderParameters(), PricePath())
    traders = Traders(9, market, swap_sizes_usd(), TraderParameters())
    for number in range(20):
        swaps = traders.swaps(number, float(number), 1.0)
        assert len({swap.trader for swap in swaps}) == len(swaps)
        assert len({swap.tip_wei for swap in swaps}) == len(swaps)
        assert all(0 < swap.min_out < swap.pool.amount_out(swap.sell_first, swap.amount_in) for swap in swaps)
        assert all(5 * 10**7 <= swap.tip_wei <= 5 * 10**9 for swap in swaps)


def test_there_is_one_anchor_for_each_recorded_symbol() -> None:
    assert set(ANCHORS) == {"ETHUSDT", "BTCUSDT"}
