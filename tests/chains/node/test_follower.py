"""The follower alone, over random forks: what it yields is always one unbroken chain, and ends on the node's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.blocks import ChainEvent, Head, Log, Undone
from chains.node.errors import ReorgTooDeep
from chains.node.follower import Follower, Vanished
from chains.node.wire import Header
from tests.chains.node.support import TOPIC, Follow


@dataclass
class ForkingChain:
    """A chain in memory; orphaned blocks are forgotten at once, as Anvil does."""

    canonical: list[Header] = field(default_factory=list)
    made: int = 0

    def mine(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            parent = self.canonical[-1].head.hash if self.canonical else "0x00"
            head = Head(len(self.canonical), f"0x{self.made:064x}", parent, self.made, 1, 0, 2)
            self.canonical.append(Header(head, (1 << 2048) - 1))

    def fork(self, depth: int, count: int) -> None:
        del self.canonical[max(1, len(self.canonical) - depth) :]
        self.mine(count)

    async def header_by_hash(self, block_hash: str) -> Header | None:
        return next((header for header in self.canonical if header.head.hash == block_hash), None)

    async def header_by_number(self, number: int) -> Header | None:
        return self.canonical[number] if number < len(self.canonical) else None

    async def logs_of(self, head: Head, topics: Sequence[bytes], bloom: int | None) -> tuple[Log, ...]:
        if await self.header_by_hash(head.hash) is None:
            raise Vanished(head.hash)
        return ()


moves = st.lists(
    st.tuples(st.sampled_from(["mine", "fork", "skip"]), st.integers(1, 12), st.integers(1, 14)), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(moves, st.integers(0, 2**32))
def test_whatever_the_chain_does_the_events_are_one_unbroken_chain(steps: list[tuple[str, int, int]], pick: int):
    async def run() -> None:
        chain = ForkingChain()
        chain.mine(2)
        follower = Follower(chain, [TOPIC], depth=200)
        reader = Follow(iter(()))  # type: ignore[arg-type]
        follower.begin_after(chain.canonical[0].head)
        heard: list[Header] = []
        for number, (move, depth, count) in enumerate(steps):
            if move == "fork":
                chain.fork(depth, count)
            else:
                chain.mine(count)
            heard += chain.canonical[-count:]
            if move != "skip":
                stale = heard[(pick + number) % len(heard)]
                await lead(follower, stale, reader)
            await lead(follower, chain.canonical[-1], reader)
            assert follower.tip == chain.canonical[-1].head
        await lead(follower, chain.canonical[-1], reader)
        assert reader.hashes == [header.head.hash for header in chain.canonical[1:]]

    asyncio.run(run())


async def lead(follower: Follower, target: Header, reader: Follow) -> None:
    try:
        async for event in follower.lead_to(target):
            reader.take(event)
    except Vanished:
        pass


async def events_of(follower: Follower, target: Header) -> list[ChainEvent]:
    return [event async for event in follower.lead_to(target)]


async def test_a_duplicate_head_yields_nothing():
    chain = ForkingChain()
    chain.mine(3)
    follower = Follower(chain, [TOPIC])
    assert len(await events_of(follower, chain.canonical[2])) == 1
    assert await events_of(follower, chain.canonical[2]) == []


async def test_dropped_blocks_are_named_newest_first_and_the_new_branch_follows_in_order():
    chain = ForkingChain()
    chain.mine(5)
    follower = Follower(chain, [])
    follower.begin_after(chain.canonical[0].head)
    await events_of(follower, chain.canonical[4])
    old = [header.head.hash for header in chain.canonical]
    chain.fork(depth=2, count=3)
    undone, *blocks = await events_of(follower, chain.canonical[-1])
    assert undone == Undone(chain.canonical[2].head, (old[4], old[3]))
    assert [block.head for block in blocks] == [header.head for header in chain.canonical[3:]]


async def test_a_head_below_the_beginning_is_late_and_no_reorganisation_until_another_block_stands_there():
    chain = ForkingChain()
    chain.mine(5)
    began, late = chain.canonical[4].head, chain.canonical[3]
    follower = Follower(chain, [])
    follower.begin_after(began)
    with pytest.raises(Vanished, match="block 3 is told as the head, and block 4 was before it"):
        await events_of(follower, late)
    del chain.canonical[4]
    with pytest.raises(Vanished):
        await events_of(follower, late)
    assert follower.tip == began
    chain.mine(1)
    with pytest.raises(ReorgTooDeep, match="start again"):
        await events_of(follower, chain.canonical[4])
