"""A pool that is made while the bot runs is in the market a block later; what is known is saved beside the road."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import cast

import pytest

from bot.discovery.errors import StoreFailed
from bot.discovery.watch import PoolWatch, caught_up
from bot.drift.policy import AuditPolicy
from bot.exactness import PROOFS
from bot.known import KnownPools
from bot.market import Market
from bot.opening import upkeeping
from chains.assets import Address
from chains.blocks import Block, ChainEvent, Undone
from chains.kernels.cache import compiled
from chains.node import Node, wire
from chains.pools.constant_product import SYNC
from chains.pools.pool import PoolFacts
from chains.pools.registry import TOPICS
from chains.pools.words import word
from tests.bot.discovery.chain import head as head_of
from tests.bot.discovery.conftest import Place, silent
from tests.bot.discovery.pairs import create_pair, fill
from tests.bot.discovery.test_on_the_twin import STRANGER, WETH
from tests.bot.market.samples import block, sync
from tests.chains.codec.viewed import viewed
from tests.chains.pools.samples import pair

ON_ONE_CHAIN = pytest.mark.asyncio(loop_scope="module")


class Run:
    """An engine's part: it takes each event into the market, and then waits for what was begun."""

    def __init__(self, place: Place, market: Market, watch: PoolWatch) -> None:
        self.place, self.market, self.watch = place, market, watch
        self._events: list[ChainEvent] = []
        self._seen = watch.seen(self._one_after_another())

    async def _one_after_another(self) -> AsyncGenerator[ChainEvent]:
        while True:
            yield self._events.pop(0)

    async def take(self, event: ChainEvent) -> None:
        self._events.append(event)
        taken = await anext(self._seen)
        if isinstance(taken, Block):
            self.market.apply(taken)
        else:
            self.market.undo(taken.ancestor.number)

    async def take_newest(self) -> None:
        head = await self.place.head()
        topics = [["0x" + topic.hex() for topic in sorted(TOPICS | self.watch.topics)]]
        documents = await self.place.reads.request("eth_getLogs", {"blockHash": head.hash, "topics": topics})
        await self.take(Block(head, wire.logs(documents)))

    async def settled(self) -> None:
        """What was begun after the last block is done."""
        self._events.append(Undone(await self.place.head(), ()))
        await anext(self._seen)
        await self.quiet()

    async def quiet(self) -> None:
        for task in (self.watch._reading, self.watch._saving):
            if task is not None:
                await task


async def opened(place: Place, welcomed: list[tuple[PoolFacts, str]], **settings):
    discoverer = await place.discoverer(**settings)
    head = await place.head()
    await discoverer.discovery.advance(head, silent)
    market = (await discoverer.book.open(head, silent)).market
    watch = PoolWatch(
        market,
        place.reads,
        discoverer.store,
        discoverer.discovery,
        discoverer.filters,
        head,
        save_blocks=settings.get("save_blocks", 50),
        welcome=lambda facts, protocol: welcomed.append((facts, protocol)),
        told=lambda line: None,
    )
    return discoverer, watch, Run(place, market, watch)


@ON_ONE_CHAIN
async def test_a_pool_of_block_n_is_in_the_market_for_the_next_decision_and_survives_a_restart(place: Place) -> None:
    welcomed: list[tuple[PoolFacts, str]] = []
    discoverer, watch, run = await opened(place, welcomed)
    made = await create_pair(place.reads.anvil, Address(WETH), STRANGER)
    await run.take_newest()
    await run.settled()
    await fill(place.reads.anvil, made, {Address(WETH): 5 * 10**18, STRANGER: 7})
    await run.take_newest()
    assert made in run.market.pools and [(facts.address, protocol) for facts, protocol in welcomed] == [
        (made, "uniswap_v2")
    ]
    assert sorted(run.market.pool(made).reserves) == [7, 5 * 10**18]  # type: ignore[attr-defined]
    await run.settled()
    await watch.close()
    discoverer.store.close()
    with await place.discoverer() as again:
        head = await place.head()
        assert (await again.discovery.advance(head, silent)).found == 0
        reopened = await again.book.open(head, silent)
    assert reopened.loaded == 0 and reopened.market.pool(made) == run.market.pool(made)


@ON_ONE_CHAIN
async def test_a_pool_too_shallow_is_looked_at_again(place: Place) -> None:
    discoverer, watch, run = await opened(place, [], min_liquidity="1 ETH", save_blocks=1)
    made = await create_pair(place.reads.anvil, Address(WETH), STRANGER)
    await run.take_newest()
    await run.settled()
    await fill(place.reads.anvil, made, {Address(WETH): 5 * 10**18, STRANGER: 10**18})
    await run.take_newest()
    assert made not in run.market.pools
    await run.settled()
    await place.reads.anvil.rpc("evm_mine")
    await run.take_newest()
    assert made in run.market.pools
    await watch.close()
    discoverer.store.close()


@ON_ONE_CHAIN
async def test_a_pool_whose_reading_the_end_cut_short_is_found_by_the_next_start(place: Place, monkeypatch) -> None:
    discoverer, watch, run = await opened(place, [])
    begun = asyncio.Event()

    async def without_end(logs: object, head: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(discoverer.discovery, "understood", without_end)
    made = await create_pair(place.reads.anvil, Address(WETH), STRANGER)
    await run.take_newest()
    await place.reads.anvil.rpc("evm_mine")
    await run.take_newest()
    await begun.wait()
    await run.take(Undone(await place.head(), ()))
    await watch.close()
    discoverer.store.close()
    assert made in await _found_again(place)


@ON_ONE_CHAIN
async def test_an_undone_block_moves_no_scan_forward(place: Place) -> None:
    """What was announced before it may not be read yet, and it may be undone itself while nobody looks."""
    discoverer, watch, _ = await opened(place, [])
    made = await create_pair(place.reads.anvil, Address(WETH), STRANGER)
    watch._undo(Undone(await place.head(), ()))
    await watch._forget_undone()
    discoverer.store.close()
    assert made in await _found_again(place)


@ON_ONE_CHAIN
async def test_what_found_no_space_to_be_forgotten_is_forgotten_once_there_is(place: Place, monkeypatch) -> None:
    discoverer, watch, _ = await opened(place, [])
    rewound: list[int] = []

    def full(names: object, number: int, to: int) -> None:
        rewound.append(number)
        raise StoreFailed("the disk is full")

    gone = await place.head()
    watch._undo(Undone(gone, ()))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(discoverer.store, "rewind", full)
        for _ in range(2):
            with pytest.raises(StoreFailed):
                await watch._forget_undone()
    await watch._forget_undone()
    assert rewound == [gone.number] * 2 and watch._forget_above is None
    discoverer.store.close()


@ON_ONE_CHAIN
async def test_what_another_took_back_is_not_taken_for_read(place: Place) -> None:
    """`isthmus discover` beside the run, over a node that does not have the newest blocks yet."""
    discoverer, watch, run = await opened(place, [], save_blocks=1)
    before = await place.head()
    made = await create_pair(place.reads.anvil, Address(WETH), STRANGER)
    for _ in range(3):
        await run.take_newest()
        await run.quiet()
        await place.reads.anvil.rpc("evm_mine")
    assert {at.number for at in discoverer.store.progress().values()} == {before.number + 2}
    with await place.discoverer() as behind:
        await behind.discovery.advance(before, silent)
    await run.take_newest()
    await run.quiet()
    await watch.close()
    discoverer.store.close()
    assert made in await _found_again(place)


async def _found_again(place: Place) -> set[Address]:
    """The pools that a new start knows of."""
    with await place.discoverer() as again:
        await again.discovery.advance(await place.head(), silent)
        return {pool.facts.address for pool in again.store.pools(again.discovery.tokens)}


@ON_ONE_CHAIN
async def test_pools_of_an_unproven_kind_are_in_no_market_neither_at_the_start_nor_later(place: Place) -> None:
    others = tuple(replace(proof, variant="another kind") for proof in PROOFS if proof.family == "constant_product")
    discoverer, watch, run = await opened(place, [], proofs=others, families=["constant_product"])
    assert not run.market.pools
    made = await create_pair(place.reads.anvil, Address(WETH), STRANGER)
    await run.take_newest()
    await run.settled()
    await fill(place.reads.anvil, made, {Address(WETH): 5 * 10**18, STRANGER: 7})
    await run.take_newest()
    assert not run.market.pools
    reopened = await discoverer.book.open(await place.head(), silent)
    assert not reopened.kept and "nothing proves the mathematics" in reopened.left_out[made]
    await run.settled()
    await watch.close()
    discoverer.store.close()


class TestCatchingUp:
    POOL = pair((10, 20), number=1)

    def test_the_blocks_since_it_was_read_are_applied_to_it(self) -> None:
        recent = [Block(head_of(5), (sync(self.POOL, (1, 1)),)), Block(head_of(6), (sync(self.POOL, (30, 40)),))]
        assert caught_up(self.POOL, head_of(5), recent) == pair((30, 40), number=1)

    @pytest.mark.skipif(not compiled(), reason="needs Numba")
    def test_logs_that_came_as_numbers_are_applied_alike(self) -> None:
        other = replace(sync(pair((1, 1), number=2), (5, 5)), log_index=1)
        last = replace(sync(self.POOL, (30, 40)), log_index=2)
        logs = [replace(log, block_hash="0x" + "ab" * 32) for log in (sync(self.POOL, (1, 1)), other, last)]
        recent = [Block(head_of(5), ()), Block(head_of(6), viewed(logs))]
        assert caught_up(self.POOL, head_of(5), recent) == pair((30, 40), number=1)

    def test_a_block_that_is_not_remembered_cannot_be_caught_up_with(self) -> None:
        assert caught_up(self.POOL, head_of(5, "bb"), [Block(head_of(5), ())]) is None
        assert caught_up(self.POOL, head_of(5), []) is None

    def test_a_log_that_is_not_understood_is_no_state(self) -> None:
        broken = block(6, sync(self.POOL, (1, 1))).logs[0]
        wrong = type(broken)(self.POOL.address, (SYNC,), word(1), 6, "", "", 0, 0)
        assert caught_up(self.POOL, head_of(5), [Block(head_of(5), ()), Block(head_of(6), (wrong,))]) is None


def test_a_pool_that_is_welcomed_can_be_read_again_and_compared_from_then_on() -> None:
    known = KnownPools([], {})
    reader = upkeeping(cast(Node, None), known, AuditPolicy()).reader
    young = pair((1, 2), number=1)
    facts = PoolFacts(young.family, young.address, young.tokens, young.fee_ppm)
    assert not reader.knows(young.venue)
    known.add(facts, "uniswap_v2")
    assert reader.knows(young.venue) and known.protocols[young.venue] == "uniswap_v2"
