"""Judges what endpoints tell of the chain against each other: who lags, who lies, and whether two agree on a head."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from chains.anvil import RpcError
from chains.blocks import Head
from chains.node.endpoint import Endpoint
from chains.node.errors import NodeError
from chains.node.health import Fault
from chains.node.pool import Pool
from chains.node.wire import Header

_LAG_S = 10.0
_LEAST_LAG_BLOCKS = 3
_FOLLOWED_KEPT = 256
_JURY_AT_MOST_EVERY_S = 2.0
_JURY_OF = 3
_TWO = 2
_REORGANISED = 64
"""No more blocks are remembered by who follows: a reorganisation that is deeper ends the following anyway."""


class Agreement(StrEnum):
    """Whether at least two endpoints tell the same block of a height."""

    AGREED = "agreed"
    ALONE = "alone"
    DISAGREE = "disagree"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Opinion:
    """`ALONE` where only one endpoint is configured; `UNCONFIRMED` where nobody else answers, or is as far."""

    agreement: Agreement
    detail: str = ""


class Court:
    """Over the endpoints of `pool`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.lag_blocks = max(_LEAST_LAG_BLOCKS, round(_LAG_S / pool.network.block_time_s))
        self._followed: OrderedDict[int, str] = OrderedDict()
        self._sitting: asyncio.Task[None] | None = None
        self._sat_s = float("-inf")

    @property
    def height(self) -> int:
        """The number of the newest block that was followed; 0 before the first."""
        return next(reversed(self._followed), 0)

    def followed(self, head: Head) -> None:
        """`head` is the tip of the chain that is followed."""
        self.undone(head.number - 1)
        self._followed[head.number] = head.hash
        while len(self._followed) > _FOLLOWED_KEPT:
            self._followed.popitem(last=False)

    def undone(self, ancestor: int) -> None:
        """Nothing above `ancestor` is followed any more."""
        while self._followed and self.height > ancestor:
            self._followed.popitem()

    def hash_at(self, number: int) -> str | None:
        """The hash of the block that was followed at that height, while it is remembered."""
        return self._followed.get(number)

    def told(self, endpoint: Endpoint, header: Header) -> None:
        """`endpoint` told of a head: who is far behind is dropped, a different past is looked into."""
        if len(self._pool.endpoints) == 1:
            return
        for other in self._pool.usable:
            if other.streams and other.subscriptions and self.lags(other):
                self.drop_laggard(other)
        if self.lags(endpoint):
            self.drop_laggard(endpoint)
        followed = self._followed.get(header.head.number - 1)
        if followed is not None and followed != header.head.parent_hash:
            self._look_into(header.head.number - 1, endpoint)

    def lags(self, endpoint: Endpoint) -> bool:
        """Whether it is too far behind what the others tell, or what was followed already."""
        told = sorted((other.health.newest for other in self._pool.usable if other is not endpoint), reverse=True)
        # One alone could name any height; of three and more, the second highest counts.
        reference = told[1] if len(told) > 1 else told[0] if told else 0
        return endpoint.health.newest + self.lag_blocks < max(reference, self.height)

    def drop_laggard(self, endpoint: Endpoint) -> None:
        if endpoint.health.dropped is None:
            endpoint.drop(Fault.LAGGING, f"its head is block {endpoint.health.newest} while others are far ahead")

    async def prove(self, endpoint: Endpoint, *, following: bool = True) -> bool:
        """Ask a dropped endpoint whether its fault is over: the right chain, not behind, and the same blocks.

        While nobody can be followed, the newest blocks that were may have been reorganised away: older ones count.
        """
        dropped = endpoint.health.dropped
        if dropped is None:
            return True
        endpoint.suspect()
        try:
            await endpoint.ready()
            header = await endpoint.latest()
            number = min(header.head.number, self.height)
            if not following:
                number = min(number, max(number - _REORGANISED, next(iter(self._followed), 0)))
            known = self._followed.get(number) if self._followed else None
            at = header if number == header.head.number else await endpoint.header_by_number(number)
            if header.head.number > self.height + self.lag_blocks:
                await endpoint.require_founded(header.head, self.lag_blocks)
        except (NodeError, RpcError) as error:
            endpoint.health.drop(dropped.fault, str(error))
            return False
        if header.head.number + self.lag_blocks < self.height:
            endpoint.health.drop(Fault.LAGGING, f"its head is block {header.head.number} still")
        elif known is not None and (at is None or at.head.hash != known):
            endpoint.health.drop(Fault.LYING, f"it still tells another block {number}")
        else:
            endpoint.health.proven()
            self._pool.events.tell("endpoint_back", f"{endpoint.name}: no longer {dropped.fault}", grave=False)
            return True
        return False

    async def agreed(self, head: Head) -> Opinion:
        """Whether two endpoints tell `head` at its height; who has not told it is asked."""
        if len(self._pool.endpoints) == 1:
            return Opinion(Agreement.ALONE)
        said = {endpoint: endpoint.health.said_of(head.number) for endpoint in self._pool.usable}
        if sum(block_hash == head.hash for block_hash in said.values()) < _TWO:
            silent = [endpoint for endpoint, block_hash in said.items() if block_hash != head.hash]
            said |= await self._testimonies(silent, head.number)
        votes = Counter(block_hash for block_hash in said.values() if block_hash is not None)
        if votes[head.hash] > 1:
            return Opinion(Agreement.AGREED)
        others = sum(votes.values()) - votes[head.hash]
        if others:
            detail = f"block {head.number} is another one for {others} of {len(said)} endpoints"
            self._pool.events.tell("providers_disagree", detail)
            return Opinion(Agreement.DISAGREE, detail)
        return Opinion(Agreement.UNCONFIRMED, f"no second endpoint tells of block {head.number} yet")

    async def close(self) -> None:
        if self._sitting is not None:
            self._sitting.cancel()
            await asyncio.gather(self._sitting, return_exceptions=True)

    def _look_into(self, number: int, endpoint: Endpoint) -> None:
        idle = self._sitting is None or self._sitting.done()
        if idle and len(self._pool.usable) >= _JURY_OF and endpoint.now_s() - self._sat_s >= _JURY_AT_MOST_EVERY_S:
            self._sat_s = endpoint.now_s()
            self._sitting = asyncio.create_task(self._sit(number))

    async def _sit(self, number: int) -> None:
        """Ask everybody for the same block; who stands against a majority is not believed."""
        said = await self._testimonies(self._pool.usable, number)
        votes = Counter(block_hash for block_hash in said.values() if block_hash is not None)
        if not votes:
            return
        [(true_hash, count), *_] = votes.most_common()
        if 2 * count <= sum(votes.values()):
            return
        for endpoint, block_hash in said.items():
            if block_hash not in (None, true_hash):
                endpoint.drop(Fault.LYING, f"for block {number} it tells {block_hash}, {count} others {true_hash}")

    async def _testimonies(self, endpoints: list[Endpoint], number: int) -> dict[Endpoint, str | None]:
        answers = await asyncio.gather(*(self._testimony(endpoint, number) for endpoint in endpoints))
        return dict(zip(endpoints, answers, strict=True))

    async def _testimony(self, endpoint: Endpoint, number: int) -> str | None:
        if not endpoint.may_be_asked("eth_getBlockByNumber") or endpoint.health.broken:
            return None
        try:
            header = await endpoint.header_by_number(number)
        except (NodeError, RpcError):
            return None
        return header.head.hash if header else None
