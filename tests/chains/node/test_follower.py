"""The follower alone, over random forks: what it yields is always one unbroken chain, and ends on the node's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.blocks import Block, ChainEvent, Head, Log, Undone
from chains.node.errors import ReorgTooDeep, Unreachable
from chains.node.follower import Follower, Vanished
from chains.node.wire import Header
from tests.chains.node.support import TOPIC, Follow


@dataclass
class ForkingChain:
    """A chain in memory; orphaned blocks are forgotten at once, as Anvil does, but for `orphans`."""

    canonical: list[Header] = field(default_factory=list)
    orphans: list[Header] = field(default_factory=list)
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
        return next((header for header in (*self.canonical, *self.orphans) if header.head.hash == block_hash), None)

    async def header_by_number(self, number: int) -> Header | None:
        return self.canonical[number] if number < len(self.canonical) else None

    async def logs_of(self, head: Head, topics: Sequence[bytes], bloom: int | None) -> Sequence[Log]:
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
    undone, block = await events_of(follower, chain.canonical[4])
    assert undone == Undone(late.head, (began.hash,))
    assert isinstance(block, Block) and block.head == chain.canonical[4].head


async def test_the_block_it_began_from_may_be_undone_with_those_below_it_that_a_node_still_has():
    """Ethereum's nodes keep orphaned blocks for a while: a run that has just begun need not end."""
    chain = ForkingChain()
    chain.mine(8)
    old = list(chain.canonical)
    follower = Follower(chain, [], depth=4)
    follower.begin_after(old[7].head)
    chain.fork(depth=3, count=5)
    chain.orphans = old[5:]
    undone, *blocks = await events_of(follower, chain.canonical[-1])
    assert undone == Undone(old[4].head, (old[7].head.hash, old[6].head.hash, old[5].head.hash))
    assert [block.head for block in blocks] == [header.head for header in chain.canonical[5:]]


@pytest.mark.parametrize("kept", [3, 6])
async def test_what_no_node_has_any_more_or_is_deeper_than_is_remembered_is_too_deep(kept: int):
    chain = ForkingChain()
    chain.mine(10)
    old = list(chain.canonical)
    follower = Follower(chain, [], depth=4)
    follower.begin_after(old[9].head)
    chain.fork(depth=6, count=7)
    chain.orphans = old[10 - kept :]
    with pytest.raises(ReorgTooDeep, match="start again"):
        await events_of(follower, chain.canonical[-1])


@dataclass
class FarChain(ForkingChain):
    """One whose answers take a while; `most` questions were open at a time, and `logs` are asked for in this order."""

    open: int = 0
    most: int = 0
    logs: list[int] = field(default_factory=list)

    async def header_by_number(self, number: int) -> Header | None:
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        return await super().header_by_number(number)

    async def logs_of(self, head: Head, topics: Sequence[bytes], bloom: int | None) -> Sequence[Log]:
        self.logs.append(head.number)
        await asyncio.sleep(0)
        return await super().logs_of(head, topics, bloom)


@pytest.mark.parametrize("missing", [30, 200])
async def test_missing_blocks_are_asked_for_several_at_once_and_the_newests_logs_last(missing: int):
    """A road that waits for its node three times at each missing block never catches up with quick ones."""
    chain = FarChain()
    chain.mine(1)
    follower = Follower(chain, [TOPIC])
    follower.begin_after(chain.canonical[0].head)
    chain.mine(missing)
    taken = list[int]()
    async for event in follower.lead_to(chain.canonical[-1]):
        assert isinstance(event, Block)
        taken.append(event.head.number)
        if len(taken) == 1:
            assert len(chain.logs) > 1
        assert missing not in chain.logs or taken[-1] >= missing - 1
    assert taken == list(range(1, missing + 1)) and chain.most > 1


async def test_no_more_blocks_are_asked_for_at_once_than_it_is_told():
    chain = FarChain()
    chain.mine(1)
    follower = Follower(chain, [TOPIC], at_once=1)
    follower.begin_after(chain.canonical[0].head)
    chain.mine(20)
    assert len(await events_of(follower, chain.canonical[-1])) == 20
    assert chain.most == 1 and chain.logs == list(range(1, 21))


class LosesHeaders(FarChain):
    async def header_by_number(self, number: int) -> Header | None:
        if number % 5 == 0 and self.open:
            raise Unreachable(f"block {number}")
        return await super().header_by_number(number)


class LosesLogs(FarChain):
    """What is asked among others is lost now and then; of a hundred blocks, never what is asked by itself."""

    async def logs_of(self, head: Head, topics: Sequence[bytes], bloom: int | None) -> Sequence[Log]:
        lost = head.number % 8 == 2 and head.number not in self.logs
        found = await super().logs_of(head, topics, bloom)
        if lost:
            raise Unreachable(f"block {head.number}")
        return found


@pytest.mark.parametrize("losing", [LosesHeaders, LosesLogs])
async def test_a_question_that_fails_among_several_is_asked_again_by_itself(losing: type[FarChain]):
    chain = losing()
    chain.mine(1)
    follower = Follower(chain, [TOPIC])
    follower.begin_after(chain.canonical[0].head)
    chain.mine(100)
    events = await events_of(follower, chain.canonical[-1])
    assert [event.head for event in events if isinstance(event, Block)] == [it.head for it in chain.canonical[1:]]
