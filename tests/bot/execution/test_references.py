"""What an inventory goes by, on a chain with Uniswap's own V3 pools: found, checked, and asked by every exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from eth_account import Account
from eth_utils.crypto import keccak

from bot.execution.deployment import deploy, settings_of
from bot.execution.references import NoReference, References
from bot.execution.settings import UNBOUNDED, Bound, InventoryCap
from bot.execution.standing import standing
from bot.simulator import RevertReasons
from bot.simulator.verdict import Outcome
from bot.transaction import UnsignedTransaction
from chains.anvil import Anvil
from chains.assets import Address
from chains.executor import ExchangeCall, encode
from chains.networks import load_network
from chains.node import wire
from chains.pools.pool import PoolFacts
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import GWEI, simulator_at
from tests.chains.pools.contracts import ANVIL_ARGUMENTS
from tests.contracts.market import CAP, CHAIN_ID, ETH, OPERATOR, OWNER, STOCK, TREASURY, Market, hops

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUND = Bound(60, 20_000)
REMEMBERS = 100
GROW = "increaseObservationCardinalityNext(uint16)"

Pools = dict[str, PoolFacts]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[tuple[Market, Pools]]:
    """Two tokens, three DAI for one WETH in a pool that is older than the window; another pair sells 6 % dearer."""
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        market = await Market.open(anvil)
        weth, mid, dai = market.weth, market.mid, market.dai
        pools = {
            "old": await market.pool(weth, 1000 * ETH, dai, 3000 * ETH),
            "dear": await market.pair(market.uniswap, weth, 1000 * ETH, dai, 2820 * ETH),
            "fair": await market.pair(market.sushi, weth, 1000 * ETH, dai, 3000 * ETH),
            "forgetful": await market.pool(weth, 1000 * ETH, mid, 1000 * ETH),
        }
        await market.chain.send(pools["old"].address, GROW, REMEMBERS)
        await later(market, BOUND.window_s)
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


async def later(market: Market, seconds: int) -> None:
    await market.chain.anvil.rpc("evm_increaseTime", seconds)
    await market.chain.anvil.rpc("evm_mine")


def references(market: Market, bound: Bound = BOUND) -> References:
    network = load_network("twin")
    factory = replace(network.factory("uniswap_v3"), address=market.v3)
    return References(market.chain.anvil, replace(network, factories={"uniswap_v3": factory}), bound)


def tokens(market: Market) -> tuple[Address, Address, Address]:
    return Address(market.weth.address), Address(market.mid.address), Address(market.dai.address)


async def bounded(market: Market) -> Market:
    """The same market around an executor whose inventory goes by the old pool."""
    weth, _, dai = tokens(market)
    found = await references(market).inventory([(weth, CAP), (dai, CAP)])
    await market.chain.anvil.rpc("anvil_setBalance", OWNER.address, hex(ETH))
    made = await deploy(
        market.chain.anvil,
        Account.from_key(OWNER.key),
        operator=OPERATOR,
        treasury=TREASURY,
        profit_tokens=[weth],
        inventory=found,
        bound=BOUND,
        chain_id=CHAIN_ID,
    )
    for token in (weth, dai):
        await market.chain.send(token, "transfer(address,uint256)", made.inventory, STOCK)
    return replace(market, made=made)


def selling(market: Market, through: PoolFacts, least: int = 0) -> ExchangeCall:
    weth, _, dai = tokens(market)
    return ExchangeCall(weth, ETH, dai, least, 2**40, 2**40, bytes(32), hops([through], market.weth))


async def test_the_pool_that_remembers_is_found_and_is_what_the_inventory_goes_by(market: Market, pools: Pools) -> None:
    weth, _, dai = tokens(market)
    trading = await bounded(market)
    read = await settings_of(market.chain.anvil, trading.executor)
    assert read.inventory == (InventoryCap(weth, CAP), InventoryCap(dai, CAP, pools["old"].address))
    assert read.bound == BOUND and read.references == [pools["old"].address]
    assert (await standing(market.chain.anvil, trading.executor, least_wei=0)).silent == ()


async def test_an_exchange_below_the_mean_less_the_slippage_is_refused_in_words(market: Market, pools: Pools) -> None:
    trading = await bounded(market)
    out = await market.quoted([pools["dear"]], market.weth, ETH)
    refused = await trading.refusal(selling(market, pools["dear"], out))
    assert refused[:4] == keccak(text="OutputBelowReference(uint256,uint256)")[:4]
    received, least = int.from_bytes(refused[4:36], "big"), int.from_bytes(refused[36:], "big")
    assert received == out < least and abs(least / ETH - 3 * 0.98) < 0.001
    said = RevertReasons.from_artefacts().read(refused)
    assert said.startswith(f"OutputBelowReference(received={out}, least={least}): less than the inventory's mean price")
    fair = await market.quoted([pools["fair"]], market.weth, ETH)
    assert await trading.simulate(selling(market, pools["fair"], fair)) == fair >= least


@needs_evm
async def test_the_simulator_refuses_it_in_the_same_words_before_anything_is_signed(
    market: Market, pools: Pools
) -> None:
    trading, anvil = await bounded(market), market.chain.anvil
    await anvil.rpc("anvil_setBalance", OPERATOR, hex(ETH))
    head = wire.header(await anvil.rpc("eth_getBlockByNumber", "latest", False)).head
    data = encode(selling(market, pools["dear"]))
    tx = UnsignedTransaction(CHAIN_ID, 0, OPERATOR, trading.executor, 0, data, 1_500_000, 50 * GWEI, GWEI)
    async with simulator_at(anvil.http_url) as simulator:
        verdicts = await simulator.screened(tx, head, ()), await simulator.verdict(tx, head, ())
    for verdict in verdicts:
        assert verdict is not None and verdict.outcome is Outcome.REVERTED
        assert "OutputBelowReference(" in str(verdict.reason) and "the inventory's mean price" in str(verdict.reason)


async def test_a_reference_that_forgot_is_named_by_the_contract_and_by_the_status(market: Market, pools: Pools) -> None:
    """Its memory cannot shrink; here the chain is given one that never had any."""
    trading = await bounded(market)
    _, _, dai = tokens(market)
    await market.chain.anvil.rpc("anvil_setStorageAt", pools["old"].address, hex(0), "0x" + "00" * 32)
    refused = await trading.refusal(selling(market, pools["fair"]))
    assert RevertReasons.from_artefacts().read(refused).startswith("NoReference(token=")
    assert (await standing(market.chain.anvil, trading.executor, least_wei=0)).silent == (dai,)


async def test_what_is_no_reference_is_told_what_it_is(market: Market, pools: Pools) -> None:
    weth, mid, dai = tokens(market)
    asked = references(market)
    assert await asked.problem(weth, dai, pools["old"].address) is None
    assert await asked.problem(dai, weth, pools["old"].address) is None
    for first, token, at, words in (
        (weth, dai, TREASURY, "is no pool on this chain"),
        (weth, dai, pools["fair"].address, "was made by no Uniswap V3 factory that twin names"),
        (weth, mid, pools["old"].address, f"not of {weth} and {mid}"),
        (weth, mid, pools["forgetful"].address, "remembers fewer prices than 60 s may bring"),
    ):
        assert words in (await asked.problem(first, token, at) or "")


async def test_a_pool_that_forgets_is_told_with_the_call_that_mends_it(market: Market, pools: Pools) -> None:
    weth, mid, _ = tokens(market)
    at = pools["forgetful"].address
    with pytest.raises(NoReference, match=r"cast send 0x\w+ 'increaseObservationCardinalityNext\(uint16\)' 61"):
        await references(market).inventory([(weth, CAP), (mid, CAP)])
    await market.chain.send(at, GROW, 61)
    await later(market, BOUND.window_s)
    made = await references(market).inventory([(weth, CAP), (mid, CAP)])
    assert made == (InventoryCap(weth, CAP), InventoryCap(mid, CAP, at))
    aged = references(market, Bound(61, 20_000))
    assert "remembers fewer prices than 61 s may bring" in (await aged.problem(weth, mid, at) or "")


async def test_tokens_without_a_pool_and_names_too_many_are_refused(market: Market, pools: Pools) -> None:
    weth, mid, dai = tokens(market)
    with pytest.raises(NoReference, match=r"has no Uniswap V3 pool of .*leave it out of executor.inventory_caps"):
        await references(market).inventory([(dai, CAP), (mid, CAP)])
    named = [pools["old"].address] * 2
    with pytest.raises(NoReference, match="2 reference_pools for 1 inventory tokens"):
        await references(market).inventory([(weth, CAP), (dai, CAP)], named)
    with pytest.raises(NoReference, match="leave them out"):
        await references(market).inventory([(weth, CAP)], named)
    assert await references(market, UNBOUNDED).inventory([(dai, 1), (mid, 2)]) == (
        InventoryCap(dai, 1),
        InventoryCap(mid, 2),
    )
