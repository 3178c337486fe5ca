"""The built chain holds the real bytecode and the recorded state."""

from __future__ import annotations

import random
import time

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chains.anvil import Anvil
from chains.assets import address
from chains.networks import load_network
from chains.twin.artefacts import MULTICALL3_CODE_HASH, WETH9_CODE_HASH
from chains.twin.build import TwinState
from chains.twin.data import SNAPSHOT_BLOCK, SNAPSHOT_TIME_S, Family, RecordedPair, RecordedV3Pool, snapshot
from chains.twin.deploy import (
    QUOTER_V2,
    SUSHI_V2_FACTORY,
    UNISWAP_V2_FACTORY,
    UNISWAP_V2_ROUTER,
    UNISWAP_V3_FACTORY,
    call_data,
)
from chains.twin.layout import MULTICALL3, WETH9
from chains.twin.manifest import pool_addresses
from chains.twin.market import on_cycles
from chains.twin.memory import HISTORY_S, OBSERVATIONS
from chains.twin.prices import USDC, USDT
from tests.chains.twin.conftest import opened
from tests.chains.twin.support import call

ON_ONE_CHAIN = pytest.mark.asyncio(loop_scope="module")

_INIT_HASH = {
    Family.UNISWAP_V2: "96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f",
    Family.SUSHI_V2: "e18a34eb0e04b04f7a0ac29a6e80748dca96319b42c54d679cb821dca90c6303",
    Family.UNISWAP_V3: "e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54",
}
_FACTORY = {
    Family.UNISWAP_V2: UNISWAP_V2_FACTORY,
    Family.SUSHI_V2: SUSHI_V2_FACTORY,
    Family.UNISWAP_V3: UNISWAP_V3_FACTORY,
}
_WETH_USDT_V3 = address("0x11b815efB8f581194ae79006d24E0d814B7697F6")


def _create2(pool: RecordedPair | RecordedV3Pool) -> str:
    tokens = b"".join(bytes.fromhex(token[2:]) for token in pool.tokens)
    salt = keccak(tokens)
    if isinstance(pool, RecordedV3Pool):
        salt = keccak(encode(["address", "address", "uint24"], [*pool.tokens, pool.fee_ppm]))
    factory = bytes.fromhex(_FACTORY[pool.family][2:])
    raw = keccak(b"\xff" + factory + salt + bytes.fromhex(_INIT_HASH[pool.family]))[-20:]
    return address("0x" + raw.hex())


def test_every_pool_of_the_snapshot_lies_at_the_address_its_factory_derives() -> None:
    assert all(_create2(pool) == pool.address for pool in snapshot().pools)


@ON_ONE_CHAIN
async def test_fifty_pools_hold_exactly_the_recorded_state(standing: Anvil, state: TwinState) -> None:
    there = pool_addresses(state.manifest)
    for pool in random.Random(7).sample([pool for pool in snapshot().pools if pool.address in there], 50):
        if isinstance(pool, RecordedPair):
            reserve0, reserve1, _ = await call(standing, pool.address, call_data("getReserves()"))
            assert (reserve0, reserve1) == pool.reserves
            held = [await call(standing, token, call_data("balanceOf(address)", pool.address)) for token in pool.tokens]
            assert held == [[reserve0], [reserve1]]
        else:
            sqrt_price_x96, tick, *_ = await call(standing, pool.address, call_data("slot0()"))
            signed_tick = tick - (1 << 256) if tick >> 255 else tick
            assert (sqrt_price_x96, signed_tick) == (pool.sqrt_price_x96, pool.tick)
            assert await call(standing, pool.address, call_data("liquidity()")) == [pool.liquidity]
            assert await call(standing, pool.address, call_data("tickSpacing()")) == [pool.tick_spacing]


@ON_ONE_CHAIN
async def test_weth9_and_multicall3_are_mainnets_byte_for_byte(standing: Anvil) -> None:
    for contract, code_hash in ((WETH9, WETH9_CODE_HASH), (MULTICALL3, MULTICALL3_CODE_HASH)):
        code = await standing.rpc("eth_getCode", contract, "latest")
        assert keccak(bytes.fromhex(code[2:])).hex() == code_hash


@ON_ONE_CHAIN
async def test_tokens_carry_their_symbol_decimals_and_a_supply_that_covers_every_pool(standing: Anvil) -> None:
    assert await call(standing, USDC, call_data("decimals()")) == [6]
    raw = await standing.rpc("eth_call", {"to": USDC, "data": call_data("symbol()")}, "latest")
    assert bytes.fromhex(raw[2:])[64:68] == b"USDC"
    (supply,) = await call(standing, USDC, call_data("totalSupply()"))
    pools = [pool.address for pool in snapshot().pools if USDC in pool.tokens]
    held = [(await call(standing, USDC, call_data("balanceOf(address)", pool)))[0] for pool in pools]
    assert 0 < sum(held) <= supply


@ON_ONE_CHAIN
async def test_all_weth_is_backed_by_ether(standing: Anvil) -> None:
    (supply,) = await call(standing, WETH9, call_data("totalSupply()"))
    assert supply == int(await standing.rpc("eth_getBalance", WETH9, "latest"), 16) > 10**23


@ON_ONE_CHAIN
async def test_the_quoter_answers_within_and_beyond_the_recorded_tick(standing: Anvil) -> None:
    signature = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
    out, _, ticks, _ = await call(standing, QUOTER_V2, call_data(signature, (WETH9, USDT, 10**18, 500, 0)))
    assert 1888 * 10**6 < out < 1891 * 10**6
    assert ticks == 0
    far, *_ = await call(standing, QUOTER_V2, call_data(signature, (WETH9, USDT, 2_000 * 10**18, 500, 0)))
    assert 0.97 * 2_000 * out < far < 2_000 * out


@ON_ONE_CHAIN
async def test_pools_of_well_known_tokens_remember_the_hour_before_and_keep_as_much(
    standing: Anvil, state: TwinState
) -> None:
    known = {token.address for token in load_network("ethereum").tokens.values()}
    pools = [it for it in state.manifest["pools"] if it["family"] == "uniswap_v3" and known.issuperset(it["tokens"])]
    assert len(pools) == 17
    for pool in pools:
        observed = await call(standing, pool["address"], call_data("observe(uint32[])", [HISTORY_S, 0]))
        tick, kept = [(await call(standing, pool["address"], call_data("slot0()")))[place] for place in (1, 4)]
        earlier, now = observed[3:5]
        assert (now - earlier) % 2**256 == tick * HISTORY_S % 2**256 and kept == OBSERVATIONS


@ON_ONE_CHAIN
async def test_router02_finds_its_pairs(standing: Anvil) -> None:
    _, _, _, out = await call(
        standing, UNISWAP_V2_ROUTER, call_data("getAmountsOut(uint256,address[])", 10**18, [WETH9, USDC])
    )
    assert 1870 * 10**6 < out < 1900 * 10**6


@ON_ONE_CHAIN
async def test_a_fork_of_it_answers_as_it_does(standing: Anvil) -> None:
    async with Anvil(["--fork-url", standing.http_url, "--no-mining"]) as fork:
        for data in (call_data("slot0()"), call_data("liquidity()")):
            assert await call(fork, _WETH_USDT_V3, data) == await call(standing, _WETH_USDT_V3, data)


async def test_it_opens_in_under_five_seconds_at_the_snapshots_block_and_time_with_the_usual_base_fee_next(
    state: TwinState,
) -> None:
    begun = time.monotonic()
    async with opened(state) as node:
        head = await node.rpc("eth_getBlockByNumber", "latest", False)
        assert time.monotonic() - begun < 5
        assert (int(head["number"], 16), int(head["timestamp"], 16)) == (SNAPSHOT_BLOCK, SNAPSHOT_TIME_S)
        await node.rpc("evm_mine", {"timestamp": SNAPSHOT_TIME_S + 1})
        following = await node.rpc("eth_getBlockByNumber", "latest", False)
        assert following["parentHash"] == head["hash"]
        assert int(following["baseFeePerGas"], 16) == pytest.approx(15 * 10**9, rel=1e-6)


def test_the_manifest_lists_every_pool_with_how_it_came_to_its_state(state: TwinState) -> None:
    counts = state.manifest["counts"]
    assert counts["pools"] + counts["dropped"] == len(snapshot().pools) == 1780
    assert counts["pools"] >= 1000
    assert all(dropped["reason"] for dropped in state.manifest["dropped"])
    by_family = {family: [pool for pool in state.manifest["pools"] if pool["family"] == family] for family in Family}
    assert all(pool["state"] == "recorded" for pools in by_family.values() for pool in pools)
    assert all(pool["range"] == "filled ±256 spacings" for pool in by_family[Family.UNISWAP_V3])
    assert all("range" not in pool for pool in by_family[Family.UNISWAP_V2])


def test_every_pool_on_a_pair_with_another_or_on_a_triangle_is_there(state: TwinState) -> None:
    needed = {pool.address for pool in on_cycles(snapshot().pools)}
    assert len(needed) == 691
    assert needed <= pool_addresses(state.manifest)


def test_every_token_of_every_pool_is_in_the_token_table(state: TwinState) -> None:
    listed = {token["address"]: token for token in state.manifest["tokens"]}
    assert {token for pool in state.manifest["pools"] for token in pool["tokens"]} <= listed.keys()
    assert all(token["symbol"].isprintable() and len(token["symbol"]) <= 31 for token in listed.values())
    assert (listed[WETH9]["symbol"], listed[WETH9]["decimals"]) == ("WETH", 18)
