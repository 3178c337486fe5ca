"""What keeping a market true asks of a chain: pools as of a block, logs of a range, blocks by number."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable, Mapping
from typing import Any, Protocol

from bot.market import VenueId
from bot.market.loader import Loaded, LoadFailed, load_pools, refresh
from bot.turns import Turns
from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Head, Log
from chains.node import NodeError, wire
from chains.node.errors import BadAnswer
from chains.pools.pool import Pool, PoolFacts, Source
from chains.pools.registry import FAMILIES, Family

UNANSWERED = (NodeError, RpcError, LoadFailed)
"""What a question raises that got no usable answer."""


class Reads(Protocol):
    """The part of a node that this needs."""

    async def call(self, to: Address, data: bytes, block: str, /) -> bytes: ...

    async def request(self, method: str, *params: Any) -> Any: ...

    async def block_by_number(self, number: int) -> Head | None: ...


class PoolReader:
    """A node, asked for the state of pools. All methods raise one of `UNANSWERED`.

    `facts` may grow while it is used. `calls_made` counts the questions.
    """

    def __init__(
        self,
        node: Reads,
        facts: Mapping[VenueId, PoolFacts],
        families: Mapping[str, Family] = FAMILIES,
        turns: Turns | None = None,
    ) -> None:
        self._node = node
        self._turns = turns or Turns()
        self._facts = facts
        self._families = families
        self.calls_made = 0

    def knows(self, venue: VenueId) -> bool:
        """Whether it can be loaded: its facts are known."""
        return venue in self._facts

    async def pools(self, venues: Collection[VenueId], block_hash: str) -> Loaded:
        """The pools as of one block, and why those that could not be loaded were not."""
        facts = [self._facts[venue] for venue in venues]
        return await self._in_turn(load_pools(self, facts, block_hash, families=self._families), block_hash)

    async def reload(self, venues: Collection[VenueId], head: Head) -> tuple[Pool, ...]:
        """Those of the pools that can be loaded as of `head`."""
        return (await self.pools([venue for venue in sorted(venues) if self.knows(venue)], head.hash)).pools

    async def refresh(self, pools: Iterable[Pool], head: Head) -> Loaded:
        """What lapsed of pools, read as of `head`."""
        return await self._in_turn(refresh(pools, self, head.hash), head.hash)

    async def _in_turn(self, reading: Coroutine[Any, Any, Loaded], block_hash: str) -> Loaded:
        try:
            loaded = await reading
        except UNANSWERED:
            await self._turns.take("pools", block_hash)
            raise
        await self._turns.take("pools", block_hash)
        return loaded

    async def call(self, to: Address, data: bytes, block_hash: str, /) -> bytes:
        self.calls_made += 1
        return await self._node.call(to, data, block_hash)

    async def block(self, number: int) -> Head | None:
        """The canonical block at that height."""
        self.calls_made += 1
        return await self._node.block_by_number(number)

    async def logs(self, sources: Collection[Source], first: int, last: int) -> tuple[Log, ...]:
        """Every log of `sources` in the canonical blocks `first` to `last`, in order.

        A range that the node refuses is asked for in halves.
        """
        if first > last:
            return ()
        criteria = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": sorted({source.emitter for source in sources}),
        }
        self.calls_made += 1
        try:
            documents = await self._node.request("eth_getLogs", criteria)
        except RpcError:
            if first == last:
                raise
            middle = (first + last) // 2
            return (*await self.logs(sources, first, middle), *await self.logs(sources, middle + 1, last))
        try:
            found = wire.logs(documents)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadAnswer(f"the logs of blocks {first} to {last} cannot be read") from None
        return tuple(log for log in found if _from_one_of(sources, log))


def _from_one_of(sources: Collection[Source], log: Log) -> bool:
    named = (Source(log.address), Source(log.address, log.topics[1] if len(log.topics) > 1 else b""))
    return any(source in sources for source in named)
