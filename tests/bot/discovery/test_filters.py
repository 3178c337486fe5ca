"""Which pools are kept, and why each of the others is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.config.pools import PoolSettings
from bot.discovery.filters import Filters
from bot.discovery.liquidity import depth_wei, liquidity_wei
from bot.discovery.store import KnownPool
from bot.exactness.sequences import first_state
from bot.ledger.types import DIGITS
from chains.assets import Token
from chains.networks import load_network
from chains.pools.curve_stable import CurveStablePool
from chains.pools.erc4626 import Erc4626Pool
from chains.pools.pool import PoolFacts
from tests.bot.market.samples import DAI, USDC, WETH, market, v2, v3
from tests.chains.pools.samples import at, token

ETHER = 10**18
NETWORK = replace(load_network("twin"), tokens={"WETH": WETH, "USDC": USDC, "DAI": DAI})


def curve_plain() -> CurveStablePool:
    pool = first_state("curve_plain2")
    assert isinstance(pool, CurveStablePool)
    return pool


def known(number: int, *tokens, liquidity: int | None = 5 * ETHER, family="constant_product", protocol="uniswap_v2"):
    return KnownPool(PoolFacts(family, at(number), tokens or (WETH, USDC), 3000), protocol, 1, liquidity)


def filters(**settings) -> Filters:
    return Filters(PoolSettings.model_validate(settings), NETWORK)


@pytest.mark.parametrize(
    ("settings", "pool", "told"),
    [
        ({}, known(1, family="erc4626", protocol="erc4626"), "it is not in pools.vaults"),
        ({"vaults": [at(2)]}, known(1, family="aave_v3", protocol="aave_v3"), "it is not in pools.vaults"),
        ({}, known(1, family="unheard_of"), "nothing proves the mathematics of family unheard_of"),
        ({"families": ["concentrated"]}, known(1), "family constant_product is not in pools.families"),
        ({"protocols": ["sushi_v2"]}, known(1), "protocol uniswap_v2 is not in pools.protocols"),
        ({"deny_tokens": ["USDC"]}, known(1), "is in pools.deny_tokens"),
        ({"deny_tokens": [DAI.address]}, known(1, WETH, DAI), "is in pools.deny_tokens"),
        ({"tokens": ["WETH", "USDC"]}, known(1, WETH, DAI), "is not in pools.tokens"),
        ({}, known(1, liquidity=ETHER - 1), "is below pools.min_liquidity, 1 ETH"),
        ({}, known(1, liquidity=None), "is below pools.min_liquidity, 1 ETH"),
    ],
)
def test_each_filter_has_its_reason(settings, pool, told) -> None:
    chosen = filters(**settings).choose([pool])
    assert chosen.kept == () and told in chosen.left_out[pool.facts.venue]


def test_what_passes_is_kept() -> None:
    pool = known(1, liquidity=ETHER)
    settings = {"tokens": ["WETH", "USDC"], "families": ["constant_product"], "protocols": ["uniswap_v2"]}
    assert filters(**settings).choose([pool]).kept == (pool,)


def test_a_vault_that_is_named_is_kept() -> None:
    pool = known(1, family="erc4626", protocol="erc4626")
    assert filters(vaults=[at(1)]).choose([pool]).kept == (pool,)


def test_beyond_the_most_the_deepest_are_kept_in_order() -> None:
    pools = [known(number, liquidity=depth * ETHER) for number, depth in ((1, 5), (2, 9), (3, 7), (4, 9))]
    chosen = filters(max_pools=3).choose(pools)
    assert chosen.kept == (pools[1], pools[2], pools[3])
    assert "3 deeper pools" in chosen.left_out[at(1)]


def test_a_pool_of_an_unproven_kind_is_left_out_once_it_is_loaded() -> None:
    pool = curve_plain()
    assert pool.variant == "factory" and filters().by_kind(pool) is None
    unproven = replace(pool, rates_at_s=1)
    assert unproven.variant == "factory with rates"
    assert "nothing proves the mathematics of curve_stable/factory with rates" in str(filters().by_kind(unproven))
    assert filters().by_facts(known(1, family="curve_stable")) is None


class TestLiquidity:
    def test_of_a_constant_product_pool_it_is_the_reserve_in_ether(self) -> None:
        on = market(v2(1, WETH, USDC, (100 * ETHER, 200_000 * 10**6)))
        assert liquidity_wei(on)[at(1)] == pytest.approx(100 * ETHER, rel=0.01)

    def test_a_concentrated_pool_counts_for_its_depth(self) -> None:
        narrow = v3(2, WETH, USDC, 0, [(-600, 600, 10**18)])
        wide = v3(3, WETH, USDC, 0, [(-60_000, 60_000, 10**18)])
        depths = liquidity_wei(market(narrow, wide))
        assert depths[at(2)] == pytest.approx(depths[at(3)], rel=0.01)

    def test_a_price_made_in_a_puddle_makes_no_ocean(self) -> None:
        """A token worth a fortune by a pool of a finney cannot make its other pool deep."""
        scam = token(0x5CA)
        puddle = v2(4, WETH, scam, (10**15, 1))
        ocean = v2(5, scam, DAI, (10**30, 10**30))
        assert liquidity_wei(market(puddle, ocean))[at(5)] <= 2 * 10**15

    def test_tokens_without_a_price_have_none(self) -> None:
        lone = v2(6, token(0x71), token(0x72), (10**20, 10**20))
        assert liquidity_wei(market(v2(1, WETH, USDC, (ETHER, 10**9)), lone))[at(6)] == 0

    def test_a_market_without_ether_has_none(self) -> None:
        assert liquidity_wei(market(v2(6, token(0x71), token(0x72), (10**20, 10**20)))) == {at(6): 0}

    @pytest.mark.parametrize("takes", [2**256 - 1, 100 * ETHER])
    def test_a_vault_is_as_deep_as_what_it_takes_but_no_deeper_than_the_store_can_hold(self, takes: int) -> None:
        share = Token(WETH.place, at(0x4626), "vWETH", 18)
        vault = Erc4626Pool(at(0x4626), (WETH, share), 21 * ETHER, 20 * ETHER, (1, 1), takes)
        depth = liquidity_wei(market(vault))[vault.address]
        assert 100 * ETHER < depth < 10**DIGITS

    def test_one_more_pool_is_measured_at_the_prices_without_it(self) -> None:
        on = market(v2(1, WETH, USDC, (1_000 * ETHER, 2_000_000 * 10**6)))
        assert depth_wei(on, v2(2, WETH, DAI, (7 * ETHER, 1))) == pytest.approx(7 * ETHER, rel=0.01)
        assert depth_wei(on, v2(3, DAI, token(0x99), (10**30, 10**30))) == 0
