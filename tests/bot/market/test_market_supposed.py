"""A market supposed after some logs more answers as the market does once it has taken them in, and changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.market import UnknownVenue
from bot.market.supposed import OutOfDate
from chains.pools.constant_product import SYNC
from tests.bot.market.samples import BTC, DAI, ETH, USD, USDC, WBTC, WETH, block, book, market, sync, v2
from tests.bot.market.test_market_undo import clockwork
from tests.chains.pools.samples import log

WEI = 10**18
POOLS = [
    v2(1, USDC, WETH, (1_900_000 * 10**6, 1_000 * WEI)),
    v2(2, USDC, WETH, (1_900_000 * 10**6, 1_000 * WEI)),
    v2(3, WBTC, WETH, (100 * 10**8, 1_700 * WEI)),
    v2(4, USDC, WBTC, (3_230_000 * 10**6, 100 * 10**8)),
    v2(5, DAI, WETH, (1_900_000 * WEI, 1_000 * WEI)),
]
RESERVES = some.tuples(some.integers(1, 10**15), some.integers(1, 10**24))


@given(some.lists(some.tuples(some.sampled_from(POOLS), RESERVES), min_size=1, max_size=6))
def test_what_is_supposed_is_what_comes_to_be(changes) -> None:
    made = market(*POOLS, book([("1900", "5")], [("1901", "5")]))
    made.price(ETH, USD)
    assert not list(made.cycles())
    rates = made.graph.rates.copy()
    logs = [sync(pool, reserves) for pool, reserves in changes]
    supposed = made.supposing(logs)
    found = list(supposed.cycles(overlapping=True)), list(supposed.cycles(books=1, through=supposed.changed))
    prices = [supposed.price(asset, in_=USD) for asset in (ETH, BTC)]
    assert supposed.changed <= {pool.address for pool, _ in changes}
    assert (made.graph.rates == rates).all() and dict(made.pools) == {pool.address: pool for pool in POOLS}

    other = market(*POOLS, book([("1900", "5")], [("1901", "5")]))
    other.take_changed()
    assert not list(other.cycles())
    other.apply(block(1, *logs))
    assert found == (list(other.cycles(overlapping=True)), list(other.cycles(books=1, through=other.changed)))
    assert prices == [other.price(asset, in_=USD) for asset in (ETH, BTC)]


def test_a_pool_that_would_not_understand_is_not_in_what_is_supposed() -> None:
    made = market(*POOLS)
    supposed = made.supposing([log(POOLS[0].address, [SYNC], 1), sync(POOLS[1], (3_000_000 * 10**6, 1_000 * WEI))])
    with pytest.raises(UnknownVenue, match="would not be in the market: a supposed log was not understood"):
        supposed.pool(POOLS[0].address)
    found = list(supposed.cycles(overlapping=True))
    assert found and all(POOLS[0].address not in opportunity.venues for opportunity in found)
    assert made.pool(POOLS[0].address) == POOLS[0]


def test_a_pool_whose_prices_could_not_be_told_is_not_in_what_is_supposed() -> None:
    broken = clockwork(POOLS[0])
    made = market(broken, *POOLS[1:])
    supposed = made.supposing([sync(broken, (13, 5)), sync(POOLS[1], (3_000_000 * 10**6, 1_000 * WEI))])
    with pytest.raises(UnknownVenue, match="would not be in the market: its prices could not be told: no price at"):
        supposed.pool(broken.address)
    found = list(supposed.cycles(overlapping=True))
    assert found and all(broken.address not in opportunity.venues for opportunity in found)
    assert made.pool(broken.address) == broken and made.graph.rate[made.graph.edges_of(broken.address)[0].id]


def test_nothing_is_answered_of_a_market_that_has_moved_on() -> None:
    made = market(*POOLS)
    supposed = made.supposing([sync(POOLS[1], (1, 1))])
    made.apply(block(1, sync(POOLS[4], (5, 5))))
    for ask in (supposed.cycles, lambda: supposed.pool(POOLS[0].address), lambda: supposed.price(ETH)):
        with pytest.raises(OutOfDate, match="suppose it again"):
            ask()
