"""A snapshot taken from a node is what the contracts say, as of the block that was asked for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import bot.snapshot.taking as taking
import chains.twin
from bot.cli import main
from bot.discovery.store import PoolStore, Step
from bot.exactness.contracts import local_chain
from bot.exactness.erc4626 import vault_code
from bot.market.loader import MULTICALL3
from bot.opening import KnownPools
from chains.assets import Address, Token
from chains.discovery.found import Found
from chains.networks import load_network
from chains.node import WrongChain
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PoolFacts
from chains.snapshot import read
from tests.chains.pools.samples import at, token
from tests.chains.pools.test_constant_product_bytecode import new_pair

RUNTIME = Path(chains.twin.__file__).parent / "data" / "multicall3.json"


@pytest.fixture
async def chain(monkeypatch):
    """A pair with reserves (1000, 2000) in one block and (1000, 5000) in the next; its facts are all that is known."""
    async with local_chain() as chain:
        await chain.anvil.rpc("anvil_setCode", MULTICALL3, json.loads(RUNTIME.read_text())["code"])
        factory = await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", ["address"], [chain.account])
        facts = await new_pair(chain, factory)
        for asset, amount in zip(facts.tokens, (1000, 2000), strict=True):
            await chain.send(asset.address, "transfer(address,uint256)", facts.address, amount)
        await chain.send(facts.address, "sync()")
        chain.first = int(await chain.anvil.rpc("eth_blockNumber"), 16)
        await chain.send(facts.tokens[1].address, "transfer(address,uint256)", facts.address, 3000)
        await chain.send(facts.address, "sync()")
        chain.facts = facts
        nothing = PoolFacts("constant_product", at(77), (token(1), token(2)), 3000)
        monkeypatch.setattr(taking, "known_pools", lambda network: KnownPools((facts, nothing), {}))
        yield chain


async def reserves_of(source, block, address):
    head = await source.head(block)
    snapshot = await taking.take(source, head, lambda done, total: None)
    recorded = snapshot.by_venue[address]
    assert recorded.block == head.number and isinstance(recorded.pool, ConstantProductPool)
    assert [left.venue for left in snapshot.left_out] == [at(77)]
    return recorded.pool.reserves


@pytest.mark.parametrize("scheme", ["http_url", "ws_url"])
async def test_pools_are_taken_as_of_the_block(chain, scheme):
    async with taking.source_at(load_network("twin"), getattr(chain.anvil, scheme)) as source:
        assert await reserves_of(source, chain.first, chain.facts.address) == (1000, 2000)
        assert await reserves_of(source, None, chain.facts.address) == (1000, 5000)
        with pytest.raises(taking.NoSuchBlock, match="no block 10000000"):
            await source.head(10_000_000)
        with pytest.raises(taking.UnknownPool, match="not among the 2 known ones"):
            await taking.take(source, await source.head(None), lambda done, total: None, [at(5)])


async def test_a_node_of_another_network_is_refused(chain):
    with pytest.raises(WrongChain, match="is on chain 31337, but network ethereum is chain 1"):
        async with taking.source_at(load_network("ethereum"), chain.anvil.http_url):
            pass


async def test_the_verb_writes_the_file_and_the_pools_verbs_read_the_node(chain, tmp_path):
    import asyncio

    node = ["--node", chain.anvil.http_url, "--network", "twin", "--json"]

    def run(*arguments):
        return CliRunner().invoke(main, [*arguments, *node])

    file = tmp_path / "taken.json.gz"
    result = await asyncio.to_thread(run, "snapshot", "take", "--block", str(chain.first), "-o", str(file))
    assert result.exit_code == 0 and json.loads(result.stdout)["pools"] == 1
    assert read(file).by_venue[chain.facts.address].pool.reserves == (1000, 2000)
    shown = await asyncio.to_thread(run, "pools", "show", chain.facts.address)
    assert json.loads(shown.stdout)["state"]["reserves"] == ["1000", "5000"]
    why = await asyncio.to_thread(run, "pools", "why", at(77))
    assert why.exit_code == 1 and "is this such a pool" in json.loads(why.stdout)["reasons"][0]


async def test_pools_that_discovery_keeps_are_taken_whatever_their_family(chain, tmp_path):
    """A vault, which no packaged list holds."""
    import asyncio

    asset = chain.facts.tokens[0]
    vault = await chain.create(vault_code(), ["address", "uint8"], [asset.address, 0])
    share = Token(asset.place, vault, "V", 18)
    async with taking.source_at(load_network("twin"), chain.anvil.http_url) as source:
        genesis = (await source.reads.block_by_number(0)).hash
    url = str(tmp_path / "pools.sqlite3")
    store = PoolStore.open(url, "twin", 31337, genesis)
    found = Found("vaults", "erc4626", vault, (Address(asset.address), vault), 0, 1)
    step = Step([found], [replace(token, place="twin") for token in (asset, share)])
    store.record(step)
    store.close()
    file = tmp_path / "taken.json"
    options = ["--node", chain.anvil.http_url, "--network", "twin", "--store", url]

    def run(*arguments):
        return CliRunner().invoke(main, [*arguments, *options])

    result = await asyncio.to_thread(run, "snapshot", "take", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert [recorded.pool.family for recorded in read(file).pools] == ["erc4626"]
    why = await asyncio.to_thread(run, "pools", "why", vault)
    assert "erc4626 is proven exact" in why.stdout or "it is empty" in why.stdout
    both = await asyncio.to_thread(run, "pools", "list", "--state", str(file))
    assert both.exit_code == 2 and "--state excludes" in both.stderr
