"""Where a run stands: the chain itself, or a fork with an executor that exists nowhere else."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from eth_utils.crypto import keccak

from bot.clock import SystemClock
from bot.execution.settings import NO_VENUES, Bound, InventoryCap
from bot.simulator import Overlay, PrivateFork, Simulator
from bot.simulator.overlay import balance_of_data
from bot.world.ground import INVENTORY_BLOCKS, OPERATOR_WEI, DryGround, ForkGround, LiveGround, place_executor
from chains.assets import Address
from chains.blocks import Head
from chains.node import Node
from chains.node.seen import Seen
from tests.bot.ledger.given import ETHER
from tests.bot.market.samples import USDC, WETH
from tests.chains.pools.samples import at
from tests.road import scenario as scenarios
from tests.road.small import open_road

OPERATOR = at(0xA)
WETH_AT, USDC_AT = Address(WETH.address), Address(USDC.address)
INVENTORY = (InventoryCap(WETH_AT, 3 * ETHER), InventoryCap(USDC_AT, 5_000 * 10**6, at(0xB)))
BOUND = Bound(600, 20_000)


async def test_an_executor_is_lifted_onto_any_fork_with_its_real_code_and_a_stocked_inventory() -> None:
    placed = await place_executor(OPERATOR, [WETH_AT], INVENTORY, BOUND, 31337, NO_VENUES)
    made, overlay = placed.deployment, placed.overlay
    assert "0x" + keccak(overlay.code[made.executor]).hex() == made.code_hash
    assert set(overlay.code) == {made.executor, made.inventory}
    assert made.settings.operators == (OPERATOR,) and made.settings.owner != OPERATOR
    assert (made.settings.inventory, made.settings.bound) == (INVENTORY, BOUND)
    assert overlay.native == {OPERATOR: OPERATOR_WEI} and overlay.nonces == {OPERATOR: 0}
    assert overlay.tokens == {
        (made.inventory, WETH_AT): INVENTORY_BLOCKS * 3 * ETHER,
        (made.inventory, USDC_AT): INVENTORY_BLOCKS * 5_000 * 10**6,
        (made.executor, WETH_AT): 0,
    }
    assert set(placed.carried) == set(overlay.tokens)


async def test_no_two_runs_share_an_owner() -> None:
    first, second = [await place_executor(OPERATOR, [WETH_AT], (), BOUND, 31337, NO_VENUES) for _ in range(2)]
    assert first.deployment.settings.owner != second.deployment.settings.owner


async def test_live_a_block_is_the_newest_until_the_node_tells_of_another(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("below_gas"), tmp_path, stack)
        await road.mine(())
        ground, head = road.road.ground, road.engine.head
        assert isinstance(ground, LiveGround) and ground.submitter is road.node and head is not None
        assert ground.is_newest(head)
        await road.mine(())
        assert not ground.is_newest(head)


class Moved:
    """A simulator that moves nowhere, and says which heads it was to stand on."""

    def __init__(self) -> None:
        self.heads = list[int]()

    async def prepare(self, head: Head) -> None:
        self.heads.append(head.number)


async def test_the_fork_is_not_moved_through_heads_that_nothing_is_decided_on() -> None:
    """A run that was behind by some hundred blocks waited at the newest until it had stood on each of them."""
    moved, node = Moved(), SimpleNamespace(newest_number=7)
    ground = LiveGround(cast(Node, node), cast(Simulator, moved))
    for number in range(4, 8):
        await ground.on_head(Head(number, f"0x{number:064x}", f"0x{number - 1:064x}", number, 1, 0, 2))
    assert moved.heads == [7]


async def test_dry_what_the_run_would_own_is_there_and_nothing_can_be_sent(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("below_gas"), tmp_path, stack)
        live = road.road.ground
        assert isinstance(live, LiveGround)
        placed = Overlay(native={OPERATOR: OPERATOR_WEI}, nonces={OPERATOR: 7}, tokens={(OPERATOR, WETH_AT): 5})
        chain = DryGround(live.node, live.simulator, placed).submitter
        stranger = at(0xB)
        assert (await chain.balance(OPERATOR), await chain.nonce(OPERATOR)) == (OPERATOR_WEI, 7)
        assert int.from_bytes(await chain.call(WETH_AT, balance_of_data(OPERATOR)), "big") == 5
        assert (await chain.balance(stranger), await chain.nonce(stranger)) == (0, 0)
        both = [OPERATOR, stranger]
        seen = await chain.seen([], both, both)
        assert seen == Seen({}, {OPERATOR: 7, stranger: 0}, {OPERATOR: OPERATOR_WEI, stranger: 0})
        assert await chain.seen([], [OPERATOR], []) == Seen({}, {OPERATOR: 7}, {})
        assert (await chain.head()).hash == (await live.node.head()).hash
        with pytest.raises(PermissionError, match="sends nothing"):
            await chain.send_raw(b"")


async def test_on_a_fork_every_block_is_the_newest(tmp_path: Path) -> None:
    """Its next block is made when the bot comes to the next head."""
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("below_gas"), tmp_path, stack)
        await road.mine(())
        live, head = road.road.ground, road.engine.head
        assert isinstance(live, LiveGround) and head is not None
        clock, url = SystemClock(), road.anvil.http_url
        fork = await stack.enter_async_context(PrivateFork(road.node.network, url, clock, accounts=[], carried=[]))
        simulator = await stack.enter_async_context(Simulator(road.node.network, url, clock))
        ground = ForkGround(fork, simulator)
        await ground.on_head(head)
        await road.mine(())
        assert ground.is_newest(head) and ground.submitter is fork
