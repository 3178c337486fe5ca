"""Loading through the real Multicall3: what comes back equals what each contract says by itself."""

import json
from pathlib import Path

import pytest

import chains.twin
from bot.exactness.contracts import ANVIL_ARGUMENTS, Chain
from bot.exactness.uniswap_v3 import Deployment
from bot.market import multicall
from bot.market.loader import MULTICALL3, LoadFailed, load_pools
from bot.market.multicall import aggregate3, decode_aggregate3
from chains.anvil import Anvil
from chains.pools.pool import Call, PoolFacts
from tests.chains.pools.samples import at, token
from tests.chains.pools.test_constant_product_bytecode import new_pair

RUNTIME = Path(chains.twin.__file__).parent / "data" / "multicall3.json"


class Reader:
    """The part of a node that loading needs."""

    def __init__(self, anvil):
        self.anvil = anvil
        self.calls = 0

    async def call(self, to, data, block_hash):
        self.calls += 1
        answer = await self.anvil.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, {"blockHash": block_hash})
        return bytes.fromhex(answer[2:])


async def test_pools_of_both_families_load_in_a_few_calls(monkeypatch):
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        chain = await Chain.open(anvil)
        await anvil.rpc("anvil_setCode", MULTICALL3, json.loads(RUNTIME.read_text())["code"])
        deployment = await Deployment.make(chain)
        facts = []
        for fee, price in ((500, 2**96), (3000, 2**95), (10000, 2**98)):
            facts.append(await deployment.pool(fee, price))
        for lower in (-600, 0, 1200):
            await deployment.mint(500, lower, 6000, 10**20)
        factory = await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", ["address"], [chain.account])
        for reserves in ((10**18, 10**9), (5, 7)):
            fact = await new_pair(chain, factory)
            for asset, reserve in zip(fact.tokens, reserves, strict=True):
                await chain.send(asset.address, "transfer(address,uint256)", fact.address, reserve)
            await chain.send(fact.address, "sync()")
            facts.append(fact)
        nothing = PoolFacts("concentrated", at(77), (token(1), token(2)), 500)
        unsaid = PoolFacts("uniswap_v4", at(78), (token(1), token(2)), 500)
        latest = (await anvil.rpc("eth_getBlockByNumber", "latest", False))["hash"]

        reader, answered = Reader(anvil), []
        loaded = await load_pools(reader, [*facts, nothing, unsaid], latest, answered.append)
        assert {pool.address: pool for pool in loaded.pools} == {fact.address: await chain.load(fact) for fact in facts}
        assert set(loaded.refused) == {nothing.venue, unsaid.venue}
        assert "is this such a pool" in loaded.refused[nothing.venue]
        assert reader.calls == 3 == len(answered)

        monkeypatch.setattr(multicall, "CALLS_PER_BATCH", 4)
        again = await load_pools(Reader(anvil), facts, latest)
        assert set(again.pools and [pool.address for pool in again.pools]) == {fact.address for fact in facts}


def test_an_answer_that_is_not_multicalls_is_refused():
    assert aggregate3([Call(at(1), b"\x01")])[:4].hex() == "82ad56cb"
    for answer, told in ((b"", "no Multicall3"), (b"\x01" * 40, "no answer")):
        with pytest.raises(LoadFailed, match=told):
            decode_aggregate3(answer, 1)
