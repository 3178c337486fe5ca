"""Measuring on a fork: which pool, what a change of code means, and what cannot be measured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.safety.code import difference, read_code
from bot.safety.lab import TokenLab
from bot.safety.pools import NotAPool
from bot.safety.probe import probe_address
from bot.safety.report import Oddity, Standing, Taxes, TokenReport
from chains.assets import Address, Token, address
from tests.bot.safety.corpus import BASE_THERE, UNIT, OddWorld, odd_world
from tests.contracts.market import Market

NOBODY = address("0x" + "99" * 20)


@pytest.fixture
async def world() -> AsyncIterator[OddWorld]:
    async with odd_world() as world:
        yield world


async def measured(world: OddWorld, token: Address, pool: Address | None = None) -> TokenReport:
    async with TokenLab(world.network, world.chain.anvil.http_url) as lab:
        return await lab.measure(token, await world.head(), pool)


async def test_what_is_no_token_is_refused_as_such(world: OddWorld) -> None:
    for nothing in (NOBODY, world.factory):
        report = await measured(world, nothing)
        assert (report.standing, report.oddities) == (Standing.REFUSED, (Oddity.NOT_A_TOKEN,))


async def test_a_token_without_a_pool_or_with_an_empty_one_stays_untested(world: OddWorld) -> None:
    token = await world.deploy("OddToken", "OddToken")
    report = await measured(world, token)
    assert report.standing is Standing.UNTESTED
    assert report.notes == ("no pool of it with a well-known token on twin",)
    await world.chain.send(world.factory, "createPair(address,address)", token, world.base.address)
    assert (await measured(world, token)).standing is Standing.UNTESTED


async def test_the_deepest_pool_is_taken_unless_another_is_named(world: OddWorld) -> None:
    token = await world.deploy("OddToken", "OddToken")
    deep = await world.pair(token)
    sushi = await world.chain.deploy(
        "@sushiswap/core", "deployments/mainnet/UniswapV2Factory.json", ["address"], [world.chain.account]
    )
    shallow = await world.pair_of(sushi, token, base_there=BASE_THERE // 100, tokens_there=UNIT)
    known = world.network.factory("uniswap_v2")
    factories = {"sushi_v2": replace(known, address=sushi), "uniswap_v2": known}
    both = replace(world, network=replace(world.network, factories=factories))
    assert (await measured(both, token)).pool == deep
    named = await measured(both, token, shallow)
    assert (named.pool, named.standing) == (shallow, Standing.SUPPORTED)
    with pytest.raises(NotAPool, match="is not a pool of"):
        await measured(world, token, NOBODY)
    with pytest.raises(NotAPool, match="is not a pool of"):
        await measured(world, token, await world.pair(await world.deploy("OddToken", "OddToken")))


async def test_a_paused_token_and_one_that_lists_its_holder_are_refused(world: OddWorld) -> None:
    paused = await world.listed("Restricted", "Pausable")
    await world.chain.send(paused, "pause()")
    assert {Oddity.PAUSED, Oddity.BUY_BLOCKED} <= set((await measured(world, paused)).oddities)
    listing = await world.listed("Restricted", "Blacklisting")
    await world.chain.send(listing, "blacklist(address)", probe_address(listing))
    assert {Oddity.BLACKLISTED, Oddity.BUY_BLOCKED} <= set((await measured(world, listing)).oddities)


async def test_a_proxy_is_supported_until_its_implementation_changes(world: OddWorld) -> None:
    plain, taxed = [await world.deploy(*which) for which in (("OddToken", "OddToken"), ("Taxed", "FeeAlways"))]
    proxy = await world.listed("Changing", "Upgradable", ["address"], [plain])
    before = await measured(world, proxy)
    assert (before.standing, before.code.implementation) == (Standing.SUPPORTED, plain)
    rpc, behind = world.chain.anvil.rpc, set(before.code.hashes) - {proxy}
    assert difference(before.code, await read_code(rpc, proxy, behind, await world.head())) is None
    await world.chain.send(proxy, "upgradeTo(address)", taxed)
    now = await read_code(rpc, proxy, behind, await world.head())
    assert difference(before.code, now) == f"its implementation was {plain} and is {taxed} now"
    after = await measured(world, proxy)
    assert (after.standing, after.taxes) == (Standing.REFUSED, Taxes(30_000, 30_000, 30_000))


async def test_changed_code_is_seen_without_any_proxy(world: OddWorld) -> None:
    token = await world.listed("OddToken", "OddToken")
    before = await measured(world, token)
    await world.chain.anvil.rpc("anvil_setCode", token, "0x00")
    assert difference(before.code, await read_code(world.chain.anvil.rpc, token, ())) == (
        f"the code at {token} is not what it was"
    )


async def test_a_token_is_measured_in_a_v3_pool_as_exactly(world: OddWorld) -> None:
    market = await Market.open(world.chain.anvil)
    plain, taxed = [await world.deploy(*which) for which in (("OddToken", "OddToken"), ("Taxed", "FeeOnSell"))]
    proxy = await world.deploy("Changing", "Upgradable", ["address"], [plain])
    await world.chain.send(proxy, "mint(address,uint256)", world.chain.account, 10**9 * UNIT)
    facts = await market.pool(Token("anvil", proxy, "ODD", 18), 10**6 * UNIT, world.base, BASE_THERE)
    good = await measured(world, proxy, facts.address)
    assert (good.standing, good.taxes, good.notes) == (Standing.SUPPORTED, Taxes(0, 0, 0), ())
    await world.chain.send(proxy, "upgradeTo(address)", taxed)
    bad = await measured(world, proxy, facts.address)
    assert bad.standing is Standing.REFUSED
    assert {Oddity.SELL_BLOCKED, Oddity.SELL_TAX} <= set(bad.oddities)
    assert bad.taxes.sell_ppm == 250_000


async def test_measuring_leaves_nothing_behind_and_says_the_same_again(world: OddWorld) -> None:
    token = await world.listed("Taxed", "Salmonella")
    head = await world.head()
    async with TokenLab(world.network, world.chain.anvil.http_url) as lab:
        first = await lab.measure(token, head)
        assert await lab.measure(token, head) == first
    assert (await world.head()).hash == head.hash
