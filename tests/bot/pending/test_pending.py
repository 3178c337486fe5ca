"""A whale that waits at a real node: the cycle supposed after it is the cycle found once it is mined, to the wei."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from bot.market import Market, Opportunity, Supposed
from bot.pending import watch
from bot.pending.transaction import PendingTransaction
from bot.pending.trial import UNTRIED, Trial
from bot.pending.watch import PendingWatch
from chains.assets import Asset
from chains.node import Node
from tests.bot.drift.world import World, open_world
from tests.chains.node.support import node_on, twin_network

WHALE = 10**21


@dataclass
class Seen:
    """What was supposed: the transaction, the cycles after it, and the state of the pools it moves."""

    cycles: dict[str, list[Opportunity]] = field(default_factory=dict)
    pools: dict[str, object] = field(default_factory=dict)
    start: Asset | None = None

    def __call__(self, tx: PendingTransaction, supposed: Supposed) -> None:
        assert self.start is not None
        self.cycles[tx.hash] = list(supposed.cycles(through=supposed.changed, start=self.start))
        self.pools |= {venue: supposed.pool(venue) for venue in supposed.changed}


@dataclass
class Watched:
    world: World
    market: Market
    watch: PendingWatch
    seen: Seen
    counts: Counter[str]

    async def until(self, name: str, count: int = 1) -> None:
        async with asyncio.timeout(20):
            while self.counts[name] < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def watched(**options: float) -> AsyncIterator[Watched]:
    async with open_world() as world, node_on(world.anvil.ws_url) as node:
        await world.mine()
        market, head = await world.market(), await world.head()
        seen, counts = Seen(), Counter[str]()
        seen.start = market.graph.assets.of(world.tokens[0])
        async with Trial(twin_network(), world.anvil.http_url) as trial:
            watch = PendingWatch(node, trial, market, lambda: head, seen, counts, poll_s=0.05, **options)  # type: ignore[arg-type]
            watch.start()
            await asyncio.sleep(0.3)
            yield Watched(world, market, watch, seen, counts)
            await watch.close()


async def test_the_cycle_supposed_after_a_waiting_whale_is_the_one_found_when_it_is_mined() -> None:
    async with watched() as on:
        pools = dict(on.market.pools)
        tx_hash = await on.world.swap_pair(on.world.pairs[0], WHALE)
        await on.until("pending_moving")
        assert dict(on.market.pools) == pools, "what is supposed changes nothing"
        await on.world.mine()
        on.market.take_changed()
        on.market.apply(await on.world.block())
        found = list(on.market.cycles(through=on.market.changed, start=on.seen.start))
        assert found and on.seen.cycles[tx_hash] == found
        assert on.seen.pools == {venue: on.market.pool(venue) for venue in on.market.changed}


async def test_a_transaction_that_moves_no_pool_or_reverts_is_tried_and_passed_over() -> None:
    async with watched() as on:
        anvil, account = on.world.anvil, on.world.chain.account
        plain = {"from": account, "to": account, "value": "0x1", "gas": hex(21_000), "gasPrice": "0x0"}
        reverting = {
            "from": account,
            "to": on.world.router,
            "data": "0x12345678",
            "gas": hex(90_000),
            "gasPrice": "0x0",
        }
        for fields in (plain, reverting):
            await anvil.rpc("eth_sendTransaction", fields)
        await on.until("pending_tried", 2)
        assert on.seen.cycles == {} and on.counts["pending_moving"] == 0


async def test_of_too_many_the_newest_are_kept() -> None:
    async with watched(queue=4) as on:
        for number in range(50):
            on.watch.seen(f"0x{number:064x}")
        assert (on.counts["pending_seen"], on.counts["pending_dropped"]) == (50, 46)


async def test_what_a_node_tells_in_its_own_way_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Node.request_once
    odd: list[object] = [None, {}, 5, [None, 5, [], {"hash": 5}]]

    async def oddly(self: Node, method: str, *params: object) -> object:
        return odd.pop() if odd and method == "eth_getFilterChanges" else await ask(self, method, *params)

    monkeypatch.setattr(watch, "_PAUSE_S", 0.01)
    monkeypatch.setattr(Node, "request_once", oddly)
    async with watched() as on:
        await on.until("pending_untried", 3)
        async with asyncio.timeout(20):
            while odd:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await on.world.swap_pair(on.world.pairs[0], WHALE)
        await on.until("pending_moving")


async def test_a_fork_that_is_gone_is_made_anew() -> None:
    async with open_world() as world:
        await world.mine()
        head, tx_hash = await world.head(), await world.swap_pair(world.pairs[0], WHALE)
        tx = PendingTransaction.read(await world.request("eth_getTransactionByHash", tx_hash))
        async with Trial(twin_network(), world.anvil.http_url) as trial:
            assert await trial.logs(tx, head)
            await trial._fork.discard()
            assert await trial.logs(tx, head)
            await world.anvil.close()
            await trial._fork.discard()
            with pytest.raises(UNTRIED):
                await trial.logs(tx, head)


@pytest.mark.parametrize("document", [{}, {"hash": "0x1", "from": None}, {"hash": "0x1", "from": "0x12"}])
def test_what_is_no_transaction_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a transaction|not a 20-byte hex address"):
        PendingTransaction.read(document)
