"""Turns what a node tells about its heads, in whatever order, into one unbroken chain of blocks.

No socket here: the follower asks a `BlockSource` and yields events. Every block it yields has the previous one as its
parent; where that does not hold, an `Undone` says so first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from chains.blocks import Block, ChainEvent, Head, Log, Undone
from chains.node.errors import ReorgTooDeep
from chains.node.wire import Header, bloom_mask, may_contain

AT_ONCE = 8
"""So many missing blocks are asked for at once: one by one, quick blocks of a far node are never caught up with."""


class Vanished(LookupError):
    """A block disappeared while it was being followed: the node has moved to another branch. Ask for its head anew."""


class BlockSource(Protocol):
    """What the follower asks of a node."""

    async def header_by_hash(self, block_hash: str) -> Header | None: ...

    async def header_by_number(self, number: int) -> Header | None: ...

    async def logs_of(self, head: Head, topics: Sequence[bytes], bloom: int | None) -> Sequence[Log]:
        """The block's logs whose first topic is one of `topics`, in order. Raises `Vanished`.

        `bloom` is the header's, None where that says nothing.
        """
        ...


class Follower:
    """Remembers the last `depth` blocks it yielded, and leads from there to any new head."""

    def __init__(
        self,
        source: BlockSource,
        topics: Sequence[bytes],
        *,
        depth: int = 64,
        trust_bloom: bool = True,
        at_once: int = AT_ONCE,
    ) -> None:
        self._source = source
        self._topics = tuple(topics)
        self._masks = tuple(bloom_mask(topic) for topic in self._topics)
        self._trust_bloom = trust_bloom
        self._depth = depth
        self._at_once = at_once
        self._known: OrderedDict[str, Head] = OrderedDict()

    @property
    def tip(self) -> Head | None:
        """The last block that was yielded or begun from."""
        return next(reversed(self._known.values()), None)

    def begin_after(self, head: Head) -> None:
        """Take `head` as already known: the next block yielded is its child."""
        self._known.clear()
        self._known[head.hash] = head

    async def lead_to(self, target: Header) -> AsyncIterator[ChainEvent]:
        """Everything that leads from the tip to `target`. Nothing when `target` is already known.

        Raises `ReorgTooDeep`, `Vanished`. What was yielded before an error stays yielded: call again to go on.
        """
        while (tip := self.tip) is not None and target.head.number - tip.number > 1:
            between = await self._between(tip, target)
            if between:
                async for block in self._forward(between):
                    yield block
                continue
            if target.head.number - tip.number <= self._depth:
                break
            step = await self._source.header_by_number(tip.number + 1)
            if step is None:
                raise Vanished(f"block {tip.number + 1}")
            async for event in self._join(step):
                yield event
        async for event in self._join(target):
            yield event

    async def _join(self, target: Header) -> AsyncIterator[ChainEvent]:
        """Walk back from `target` by parent hash to a known block, undo what stood above it, and come forward."""
        if target.head.hash in self._known:
            return
        branch = [target]
        while self._known and (head := branch[-1].head).parent_hash not in self._known:
            oldest = next(iter(self._known.values()))
            if head.number <= oldest.number + 1:
                await self._look_below(oldest, head)
            else:
                branch.append(await self._parent_of(head))
        if self._known:
            undone = self._undo_above(self._known[branch[-1].head.parent_hash])
            if undone is not None:
                yield undone
        async for block in self._forward(branch[::-1]):
            yield block

    async def _between(self, tip: Head, target: Header) -> Sequence[Header]:
        """The next few blocks from `tip` to below `target`, asked for at once; none where they do not lead there."""
        end = min(tip.number + 1 + self._at_once, target.head.number)
        asked = (self._source.header_by_number(number) for number in range(tip.number + 1, end))
        found = list[Header]()
        for header in await asyncio.gather(*asked, return_exceptions=True):
            before = found[-1].head if found else tip
            if not isinstance(header, Header) or header.head.parent_hash != before.hash:
                break
            found.append(header)
        if found and found[-1].head.number + 1 == target.head.number and found[-1].head.hash != target.head.parent_hash:
            return ()
        return found

    async def _forward(self, branch: Sequence[Header]) -> AsyncIterator[Block]:
        """The blocks of `branch`. Their logs are asked for while those before them are taken in, but for the last's:
        what else is asked on the newest head is asked with its logs.
        """
        for first in range(0, len(branch), self._at_once):
            *early, last = branch[first : first + self._at_once]
            asked = [asyncio.create_task(self._logs(header)) for header in early]
            try:
                for header, logs in zip(early, asked, strict=True):
                    await asyncio.wait([logs])
                    # Who is asked too much at once may answer what is asked by itself.
                    found = await self._logs(header) if logs.exception() else logs.result()
                    yield self._taken(header.head, found)
                yield self._taken(last.head, await self._logs(last))
            finally:
                for logs in asked:
                    logs.cancel()
                await asyncio.gather(*asked, return_exceptions=True)

    async def _look_below(self, oldest: Head, head: Head) -> None:
        """Remember the parent of `oldest` as well: `head`, which is no higher than its child, is not built on it.

        Who began a short while ago remembers little, and the very block it began from may be undone.
        """
        there = await self._source.header_by_number(oldest.number)
        if there is None or there.head.hash == oldest.hash:
            raise Vanished(f"block {head.number} is told as the head, and block {oldest.number} was before it")
        older = await self._source.header_by_hash(oldest.parent_hash) if len(self._known) <= self._depth else None
        if older is None:
            raise ReorgTooDeep(
                f"block {oldest.number} ({oldest.hash}) is no longer canonical and nothing below it is remembered; "
                "start again: the state built on it is loaded anew"
            )
        self._known[older.head.hash] = older.head
        self._known.move_to_end(older.head.hash, last=False)

    async def _parent_of(self, head: Head) -> Header:
        parent = await self._source.header_by_hash(head.parent_hash)
        if parent is None:
            raise Vanished(f"block {head.parent_hash}")
        return parent

    def _undo_above(self, ancestor: Head) -> Undone | None:
        dropped = []
        while (tip := self.tip) is not None and tip.hash != ancestor.hash:
            del self._known[tip.hash]
            dropped.append(tip.hash)
        return Undone(ancestor, tuple(dropped)) if dropped else None

    async def _logs(self, header: Header) -> Sequence[Log]:
        if not self._topics or (self._trust_bloom and not may_contain(header.logs_bloom, self._masks)):
            return ()
        bloom = header.logs_bloom if self._trust_bloom else None
        return await self._source.logs_of(header.head, self._topics, bloom)

    def _taken(self, head: Head, logs: Sequence[Log]) -> Block:
        self._known[head.hash] = head
        while len(self._known) > self._depth + 1:
            self._known.popitem(last=False)
        return Block(head, logs)
