"""What moves without an event is read again: of all pools that need it in one call, and of no others."""

import json
from dataclasses import replace
from pathlib import Path

from eth_abi.abi import encode

import chains.twin
from bot.exactness.contracts import ANVIL_ARGUMENTS, Chain
from bot.exactness.erc4626 import vault_code
from bot.market.loader import MULTICALL3, refresh
from chains.anvil import Anvil
from chains.assets import Token
from chains.pools.balancer_math import ONE
from chains.pools.balancer_v2_stable import Rate
from chains.pools.pool import PoolFacts, Refreshed, StaleState
from chains.pools.words import word
from tests.bot.market.test_loader import Reader
from tests.chains.pools import test_balancer_v2 as v2
from tests.chains.pools import test_balancer_v3 as v3
from tests.chains.pools.samples import at, pair

RUNTIME = Path(chains.twin.__file__).parent / "data" / "multicall3.json"


def answered(steps, *rounds):
    """What a refreshing returns when its rounds are answered so."""
    asked = [next(steps)]
    try:
        for answers in rounds:
            asked.append(steps.send(tuple(answers)))
    except StopIteration as end:
        return asked, end.value
    raise AssertionError(f"it asks for more: {asked[-1]}")


async def test_vaults_that_have_earned_are_read_again_in_one_call():
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        chain = await Chain.open(anvil)
        await anvil.rpc("anvil_setCode", MULTICALL3, json.loads(RUNTIME.read_text())["code"])
        code, facts = vault_code(), []
        for offset in (0, 3):
            asset = await chain.token("A")
            vault = await chain.create(code, ["address", "uint8"], [asset.address, offset])
            await chain.send(asset.address, "approve(address,uint256)", vault, 2**256 - 1)
            await chain.send(vault, "deposit(uint256,address)", 10**20, chain.account)
            facts.append(PoolFacts("erc4626", vault, (asset, Token(asset.place, vault, "V", 18 + offset)), 0))
        fresh, *rest = [await chain.load(fact) for fact in facts]
        stale = [pool.at(1) for pool in rest]
        await chain.send(facts[1].tokens[0].address, "transfer(address,uint256)", facts[1].address, 10**18 + 1)
        latest = (await anvil.rpc("eth_getBlockByNumber", "latest", False))["hash"]
        reader = Reader(anvil)
        read = await refresh([fresh, *stale, pair((1, 1))], reader, latest)
        assert not read.refused and read.pools == (await chain.load(facts[1]),)
        assert read.pools[0].assets == 101 * 10**18 + 1
        assert reader.calls == 1

        await anvil.rpc("anvil_setCode", facts[1].address, json.loads(RUNTIME.read_text())["code"])
        read = await refresh(stale, Reader(anvil), latest)
        assert not read.pools and list(read.refused) == [facts[1].address]


def test_a_balancer_v3_pool_is_read_again_after_its_rates_moved():
    pool = v3.stable(floating=True)
    later = pool.at(5)
    assert isinstance(later, Refreshed) and later.needs_reading and not pool.needs_reading
    rates = (ONE, 12 * 10**17, ONE)
    earned = replace(pool, rates=rates)
    live = encode(["uint256[]"], [earned.live()])
    asked, read = answered(later.refreshing(), [live, encode(["uint256[]", "uint256[]"], [[1, 1, 10**12], rates])])
    assert read == earned and [call.to for call in asked[0]] == [v3.VAULT, v3.VAULT]


def test_a_balancer_v2_pool_uses_the_rate_that_its_next_swap_fetches():
    pool = v2.stable(rates=(Rate(), Rate(11 * 10**17, 600, 2_000), Rate()), timestamp_s=1_500)
    assert not pool.needs_reading and not pool.at(2_000).needs_reading
    late = pool.at(2_001)
    try:
        late.quote(v2.A, 10**18, v2.B)
        raise AssertionError("a lapsed rate was used")
    except StaleState:
        assert late.needs_reading
    providers = encode(["address[]"], [[at(0), at(8), at(7), at(0)]])
    asked, read = answered(late.refreshing(), [providers], [word(12 * 10**17)])
    assert [call.to for call in asked[1]] == [at(7)]
    assert read.rates[1].value == 12 * 10**17 and not read.needs_reading and read.at(2_002).needs_reading
    assert read.quote(v2.A, 10**18, v2.B) < pool.quote(v2.A, 10**18, v2.B)
