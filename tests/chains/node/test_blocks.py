"""`Node.blocks` over real Anvils: no block is skipped, whatever the chain or the socket does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from eth_utils.crypto import keccak

from chains.anvil import Anvil
from chains.blocks import Block
from chains.node import ReorgTooDeep, Unreachable, WrongChain
from tests.chains.node.scripted import PASS, Scripted
from tests.chains.node.support import (
    LOGGER,
    OTHER_TOPIC,
    TOPIC,
    Follow,
    TcpProxy,
    canonical,
    chain,
    emit,
    mine,
    node_on,
    twin_network,
)


async def test_blocks_carry_only_the_logs_asked_for_with_arrival_times():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        await emit(anvil, OTHER_TOPIC, mine=False)
        tx_hash = await emit(anvil, TOPIC)
        await follow.until_height(1)
        block = follow.chain[1]
        [log] = block.logs
        assert (log.address, log.topics, log.data, log.tx_hash) == (LOGGER, (TOPIC,), b"", tx_hash)
        assert (log.block_number, log.block_hash) == (1, block.head.hash)
        assert 0 < follow.chain[0].head.arrived_ns < block.head.arrived_ns


async def test_at_rest_a_block_costs_one_call_and_a_block_without_our_logs_none():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        before = node.calls_made
        await emit(anvil)
        await follow.until_height(1)
        assert node.calls_made - before == 1
        await mine(anvil)
        await emit(anvil, OTHER_TOPIC)
        await follow.until_height(3)
        assert node.calls_made - before == 1


async def test_the_next_base_fee_of_each_head_is_the_next_heads_base_fee():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        follow = Follow(node.blocks([TOPIC], 1))
        for _ in range(4):
            await emit(anvil)
        await follow.until_height(4)
        heads = [block.head for block in follow.chain]
        assert all(head.next_base_fee_wei() == after.base_fee_wei for head, after in itertools.pairwise(heads))


async def test_start_leads_through_everything_since_that_block():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        await emit(anvil)
        await mine(anvil, 3)
        for start, first in ((0, 0), (1, 1), (3, 3), (5, 5)):
            follow = Follow(node.blocks([TOPIC], start))
            if start == 5:
                await mine(anvil)
            await follow.until_height(5 if start == 5 else 4)
            assert follow.hashes == await canonical(anvil, first, follow.chain[-1].head.number)


async def test_start_in_the_future_is_refused():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        with pytest.raises(ValueError, match="no block 8 yet"):
            await anext(node.blocks([TOPIC], 9))


async def test_a_gap_longer_than_the_memory_is_healed_in_order():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        known = await node.head()
        await anvil.rpc("anvil_mine", hex(150))
        await emit(anvil)
        follow = Follow(node.blocks([TOPIC], known))
        await follow.until_height(151)
        assert follow.hashes == await canonical(anvil, 1, 151)
        assert [len(block.logs) for block in follow.chain] == [0] * 150 + [1]


@pytest.mark.parametrize("depth", [1, 2, 7])
async def test_a_reorg_is_undone_to_the_common_ancestor_and_replaced(depth: int):
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        follow = Follow(node.blocks([TOPIC], 1))
        for _ in range(10):
            await emit(anvil)
        await follow.until_height(10)
        before = {block.head.number: block.head.hash for block in follow.chain}
        await anvil.rpc("anvil_reorg", depth, [])
        await mine(anvil)
        await follow.until_height(11)
        assert follow.undone[0].ancestor.number == 10 - depth
        assert follow.undone[0].dropped == tuple(before[number] for number in range(10, 10 - depth, -1))
        assert follow.hashes == await canonical(anvil, 1, 11)
        assert all(not block.logs for block in follow.chain if block.head.number > 10 - depth)


@pytest.mark.parametrize("wire", ["ws", "http"])
async def test_of_a_chain_that_was_set_back_the_newest_head_is_the_newest_again(wire: str):
    """What is not the newest is not decided on: nothing would be until the chain is as high as it was."""
    async with chain() as anvil, node_on(getattr(anvil, f"{wire}_url"), network=twin_network(block_time_s=0.5)) as node:
        await mine(anvil, 9)
        follow = Follow(node.blocks([TOPIC], 1))
        await follow.until_height(9)
        await anvil.rpc("anvil_rollback", 6)
        await emit(anvil)
        await follow.until(lambda: bool(follow.undone) and follow.chain[-1].head.number == 4)
        assert node.newest_number < 9


async def test_a_reorg_while_nobody_listened_is_noticed_when_reading_goes_on():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        await mine(anvil, 5)
        follow = Follow(node.blocks([TOPIC], 1))
        await follow.until_height(5)
        await mine(anvil, 2)
        await anvil.rpc("anvil_reorg", 4, [])
        await anvil.rpc("anvil_reorg", 3, [])
        await mine(anvil, 1)
        await follow.until_height(8)
        assert follow.hashes == await canonical(anvil, 1, 8)


async def test_a_reorg_below_everything_remembered_is_an_error_with_a_name():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        await mine(anvil, 5)
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(5)
        await anvil.rpc("anvil_reorg", 3, [])
        await mine(anvil)
        with pytest.raises(ReorgTooDeep, match=r"block 5 .* start again"):
            await follow.until_height(6)


async def test_a_dropped_socket_is_replaced_and_the_gap_filled():
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url) as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        for _ in range(3):
            height = follow.chain[-1].head.number
            proxy.drop()
            await emit(anvil)
            await emit(anvil)
            await follow.until_height(height + 2)
        assert follow.hashes == await canonical(anvil, 0, 6)
        assert [len(block.logs) for block in follow.chain] == [0, 1, 1, 1, 1, 1, 1]
        assert (node.reconnects, proxy.connections) == (3, 4)


async def test_a_reorg_behind_a_dropped_socket_is_undone_when_it_is_back():
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url) as node:
        await mine(anvil, 6)
        follow = Follow(node.blocks([TOPIC], 1))
        await follow.until_height(6)
        proxy.drop()
        await anvil.rpc("anvil_reorg", 3, [])
        await emit(anvil)
        await follow.until_height(7)
        assert [undone.ancestor.number for undone in follow.undone] == [3]
        assert follow.hashes == await canonical(anvil, 1, 7)


async def test_a_reader_that_leaves_ends_its_subscription():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        blocks = node.blocks([TOPIC])
        await anext(blocks)
        [endpoint] = node.endpoints
        assert endpoint.subscriptions == 1
        await blocks.aclose()
        assert endpoint.subscriptions == 0
        assert node.connected


async def test_a_node_that_is_away_for_a_while_is_waited_for():
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url) as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        proxy.refusing = True
        proxy.drop()
        reading = asyncio.create_task(follow.until_height(3))
        await mine(anvil, 3)
        await asyncio.sleep(0.3)
        proxy.refusing = False
        await reading
        assert follow.hashes == await canonical(anvil, 0, 3)


async def test_a_silent_socket_is_replaced():
    async with chain() as anvil, TcpProxy(anvil) as proxy:  # noqa: SIM117
        async with node_on(proxy.ws_url, request_timeout_s=0.3, head_timeout_s=0.3) as node:
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            proxy.stalled = True
            reading = asyncio.create_task(follow.until_height(2))
            await mine(anvil, 2)
            await asyncio.sleep(0.8)
            proxy.stalled = False
            await reading
            assert follow.hashes == await canonical(anvil, 0, 2)
            assert node.reconnects >= 1


async def test_each_interruption_is_told_once_however_long_it_lasts():
    told: list[str] = []
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url) as node:
        follow = Follow(node.blocks([TOPIC], on_trouble=told.append))
        await follow.until_height(0)
        for height in (1, 2):
            proxy.refusing = True
            proxy.drop()
            reading = asyncio.create_task(follow.until_height(height))
            await mine(anvil)
            await asyncio.sleep(0.4)
            proxy.refusing = False
            await reading
            assert len(told) == height
        assert all(proxy.ws_url in detail for detail in told)


async def test_a_quiet_chain_is_not_mistaken_for_a_broken_socket():
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url, head_timeout_s=0.1) as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        reading = asyncio.create_task(follow.until_height(1))
        await asyncio.sleep(0.5)
        await mine(anvil)
        await reading
        assert (node.reconnects, proxy.connections) == (0, 1)


async def test_a_node_that_comes_back_on_another_chain_stops_the_reading():
    async with chain() as anvil, Anvil(["--chain-id", "1337"]) as stranger, TcpProxy(anvil) as proxy:  # noqa: SIM117
        async with node_on(proxy.ws_url) as node:
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            proxy.point_to(stranger)
            proxy.drop()
            with pytest.raises(WrongChain, match="is on chain 1337, but network twin is chain 31337"):
                await follow.until_height(1)


async def test_a_closed_node_ends_its_readers():
    async with chain() as anvil:
        node = node_on(anvil.ws_url)
        await node.connect()
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        reading = asyncio.create_task(follow.until_height(1))
        await asyncio.sleep(0.05)
        await node.close()
        with pytest.raises(Unreachable, match=r"closed|ended"):
            await reading


async def test_two_readers_of_one_node_see_the_same_blocks():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        first, second = Follow(node.blocks([TOPIC])), Follow(node.blocks([keccak(b"x")]))
        await first.until_height(0)
        await second.until_height(0)
        await emit(anvil)
        await first.until_height(1)
        await second.until_height(1)
        assert first.hashes == second.hashes
        assert [len(it.chain[1].logs) for it in (first, second)] == [1, 0]
        assert isinstance(first.chain[1], Block)


@pytest.mark.parametrize("absent", [{}, {"baseFeePerGas": None}, {"baseFeePerGas": ""}])
async def test_a_head_without_its_base_fee_is_not_decided_on(absent: dict[str, Any]):
    """Read as zero, it would have gas cost nothing, and be offered nothing for."""
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        told, troubles = 0, list[str]()

        async def first_without(method: str, params: list[Any]) -> Any:
            nonlocal told
            if method != "eth_getBlockByNumber":
                return PASS
            told += 1
            block = await anvil.rpc(method, *params)
            return {name: block[name] for name in block if name != "baseFeePerGas"} | absent if told == 1 else block

        server.replace = first_without
        async with contextlib.aclosing(node.blocks([], on_trouble=troubles.append)) as blocks:
            block = await anext(blocks)
    assert isinstance(block, Block) and block.head.base_fee_wei > 0
    assert [said for said in troubles if "without its base fee" in said]
