"""A bot that the chain has left behind decides nothing: what it sent would come too late, and burn gas."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from bot.execution.transactions import Prepared
from bot.ledger.reading import decisions, events
from bot.reasons import Reason, Refusal
from bot.simulator.verdict import Verdict
from chains.blocks import Head
from tests.road import scenario as scenarios
from tests.road.scenario import SwapGiven
from tests.road.small import SmallRoad, open_road


async def _made(road: SmallRoad, count: int) -> int:
    """Blocks made while the bot is busy; the number of the last, of which its node has told."""
    for _ in range(count):
        await road.anvil.rpc("evm_mine")
    tip = int(await road.anvil.rpc("eth_blockNumber"), 16)
    async with asyncio.timeout(5):
        while road.node.newest_number < tip:  # noqa: ASYNC110  nobody is told of what a node has told
            await asyncio.sleep(0.01)
    return tip


async def test_only_the_newest_block_is_decided_on(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("below_gas"), tmp_path, stack)
        await road.mine(())
        tip = await _made(road, 3)
        await road.follow()
        skipped = [event.detail for event in events(road.ledger) if event.name == "skipped_block"]
        assert len(skipped) == 2 and not any(str(tip) in detail for detail in skipped)


async def test_what_changed_meanwhile_is_decided_on_with_the_newest(tmp_path: Path) -> None:
    """The gap opens in a block that is skipped."""
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("below_gas"), tmp_path, stack)
        await road.mine(())
        await road.swap(SwapGiven("uniswap", "WETH", "20", tip_gwei=100))
        tip = await _made(road, 2)
        await road.follow()
        (made,) = decisions(road.ledger)
        assert (made.block_number, made.status) == (tip, "pending")


async def test_a_plan_the_chain_overtakes_while_it_is_simulated_is_not_sent(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("two_pools"), tmp_path, stack)
        desk = road.road.transactions
        verdict = desk.verdict

        async def slow(prepared: Prepared, head: Head) -> Verdict | Refusal:
            answer = await verdict(prepared, head)
            await _made(road, 1)
            return answer

        desk.verdict = slow  # type: ignore[method-assign]
        await road.anvil.rpc("evm_mine")
        await road.engine.take(await anext(road.events))
        (made,) = decisions(road.ledger)
        assert (made.status, made.reason) == ("refused", Reason.STALE_DATA)
        assert road.ledger.open_intents() == ()
