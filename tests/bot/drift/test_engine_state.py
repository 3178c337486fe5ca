"""What the engine does not decide on: silence, old heads, pools that differ; and how it gets over missing blocks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bot.drift.freshness import Freshness
from bot.drift.policy import AuditPolicy
from bot.engine import Engine
from bot.ledger.reading import decisions, events
from bot.market.loader import MULTICALL3
from bot.plan import Plan
from bot.reasons import Reason
from bot.road import Road
from bot.strategy import MarketView, Strategy
from chains.blocks import Block
from tests.bot.drift.world import MULTICALL_CODE
from tests.road import scenario as scenarios
from tests.road.small import SmallRoad, open_road

TWO_POOLS = scenarios.read("two_pools")
EVERYTHING = AuditPolicy(every_blocks=1, pools=100, calls_per_minute=10**6)
RESERVES_SLOT = hex(8)


@dataclass
class Hand:
    """A clock that is set by hand."""

    now_ns: int = 0

    def wall_s(self) -> float:
        return 0.0

    def monotonic_ns(self) -> int:
        return self.now_ns


class Asking(Strategy):
    """Plans every cycle it is shown, after something has happened."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__("dex_arbitrage")
        self._happens = happens

    def on_market(self, market: MarketView) -> Iterable[Plan]:
        for candidate in market.cycles():
            self._happens()
            yield candidate.plan(min_profit_wei=10**15)


async def audited(stack: AsyncExitStack, folder: Path, **changes: object) -> SmallRoad:
    """The small road, with all of its pools compared at each head."""
    road = await open_road(TWO_POOLS, folder, stack)
    code = json.loads(MULTICALL_CODE.read_text())["code"]
    await road.anvil.rpc("anvil_setCode", MULTICALL3, code)
    upkeep = replace(road.road.upkeep, policy=EVERYTHING)
    return on(replace(road.road, **{"upkeep": upkeep, **changes}), road, stack)


def with_strategy(road: SmallRoad, strategy: Strategy, stack: AsyncExitStack) -> SmallRoad:
    return on(replace(road.road, strategies=[strategy]), road, stack)


def on(own: Road, road: SmallRoad, stack: AsyncExitStack) -> SmallRoad:
    """The small road with an engine of its own."""
    engine = Engine(own, road.output)
    stack.push_async_callback(engine.close)
    return replace(road, road=own, engine=engine)


def names(road: SmallRoad) -> list[str]:
    return [event.name for event in reversed(events(road.ledger))]


async def test_a_pool_that_differs_is_traded_by_nobody_until_it_was_read_again(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await audited(stack, tmp_path, strategies=[])
        venue = road.pools["uniswap"].address
        await road.mine(())
        await road.engine.decided(road.engine.head.number)
        await road.anvil.rpc("anvil_setStorageAt", venue, RESERVES_SLOT, f"0x{10**21 | 10**21 << 112:064x}")
        await road.mine(())
        await road.engine.decided(road.engine.head.number)
        assert venue not in road.road.market.pools
        await road.mine(())
        assert road.road.market.pool(venue).reserves == (10**21, 10**21)
        assert names(road) == ["pool_differs", "divergence_unknown_behaviour", "pool_resynced"]
        assert road.engine.counts["differed"] == road.engine.counts["resynced"] == 1
        assert any(line.startswith("pool differs: ") for line in road.output)


async def test_a_plan_decided_before_its_pool_was_found_to_differ_is_refused(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await audited(stack, tmp_path)

        def found_out() -> None:
            hops = [pool.hop(*pool.tokens).pool for pool in road.road.market.pools.values()]
            road.engine._upkeep._audit._suspected = frozenset(hops)

        road = with_strategy(road, Asking(found_out), stack)
        await road.mine(())
        (made,) = decisions(road.ledger)
        assert made.reason == Reason.STALE_DATA and "was found to differ from the chain" in str(made.detail)


async def test_nothing_is_decided_on_an_old_head_and_it_is_said_once(tmp_path: Path) -> None:
    clock = Hand()
    async with AsyncExitStack() as stack:
        road = await audited(stack, tmp_path, freshness=Freshness(clock, 30.0, by_timestamp=False))
        clock.now_ns = 10**18
        await road.mine(())
        await road.mine(())
        assert decisions(road.ledger) == () and names(road) == ["state_too_old"]
        assert len([line for line in road.output if "old" in line]) == 1
        clock.now_ns = 0
        await road.mine(())
        assert len(decisions(road.ledger)) == 1 and names(road) == ["state_too_old", "state_fresh"]


async def test_a_head_that_grows_old_while_it_is_decided_on_is_not_traded_on(tmp_path: Path) -> None:
    clock = Hand()

    def grows_old() -> None:
        clock.now_ns = 10**18

    async with AsyncExitStack() as stack:
        freshness = Freshness(clock, 30.0, by_timestamp=False)
        road = await audited(stack, tmp_path, freshness=freshness, strategies=[Asking(grows_old)])
        await road.mine(())
        (made,) = decisions(road.ledger)
        assert made.reason == Reason.STALE_DATA and "nothing is decided on state older than" in str(made.detail)


async def test_a_node_that_falls_silent_while_it_is_decided_stops_the_plan(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await audited(stack, tmp_path)

        def falls_silent() -> None:
            road.engine.on_silence("every endpoint is down")

        road = with_strategy(road, Asking(falls_silent), stack)
        await road.mine(())
        (made,) = decisions(road.ledger)
        assert made.reason == Reason.STALE_DATA and "every endpoint is down" in str(made.detail)
        assert names(road) == ["node_silent"]


async def test_missing_blocks_cost_every_pool_its_state_and_all_are_read_again(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await audited(stack, tmp_path, strategies=[])
        await road.mine(())
        for _ in range(3):
            await road.anvil.rpc("evm_mine")
        await road.engine.take(Block(await road.node.head(), ()))
        assert names(road)[0] == "gap" and names(road).count("pool_resynced") == len(road.pools)
        assert road.road.market.pools.keys() == {fact.address for fact in road.pools.values()}
