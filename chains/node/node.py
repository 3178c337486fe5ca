"""A network's node, made of several endpoints: blocks in order, reads, and a place to send transactions to.

Any endpoints will do; the twin is just one. Nothing here knows what the blocks are wanted for.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, Self

from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Block, ChainEvent, Head, Log
from chains.networks import Network
from chains.node.answers import Answer, Request
from chains.node.broadcast import Broadcast
from chains.node.court import Agreement, Court, Opinion
from chains.node.endpoint import Endpoint
from chains.node.endpoints import EndpointSettings
from chains.node.errors import NodeError, Unreachable, WrongChain
from chains.node.events import Events, NodeEvent
from chains.node.follower import AT_ONCE, Follower, Vanished
from chains.node.heads import Allowance
from chains.node.leading import Leading, Lookout
from chains.node.logs import logs_of_block
from chains.node.pool import Pool
from chains.node.quota import UsageFile
from chains.node.reads import JsonRpcReads
from chains.node.seen import Ahead, Seen, Sought, questions
from chains.node.seen import read as read_seen
from chains.node.sending import SendOutcome
from chains.node.transport import NodeClock
from chains.node.wire import Header

__all__ = ["Agreement", "Node", "Opinion"]

_BLOCK = "eth_getBlockByNumber"
_FIRST_PAUSE_S = 0.05
_LASTING = 8
"""So many failures in a row are no hiccup: what they say by then is told too."""
_LONGEST_PAUSE_S = 5.0
_LONGEST_PAUSE_BLOCKS = 0.5
_BLOCKS_OF_SILENCE = 4
_FAR_BLOCKS = 64
"""A head so far above what was followed may be made up."""
_LEAST_HEAD_TIMEOUT_S = 5.0
_REQUEST_TIMEOUT_BLOCKS = 0.8
_LATE_S = 1.0
_LATE_HEADS = 3
"""So many heads in a row told that late are no chance."""
_LEAST_REQUEST_TIMEOUT_S, _MOST_REQUEST_TIMEOUT_S = 3.0, 10.0


class Node(JsonRpcReads):
    """The node of `network` at `endpoints`. An async context manager; what drops out comes back by itself.

    `usage` is the file in which used units are counted, shared by all processes with the same keys. `in_flight` may be
    set to tell whether a transaction waits to be settled, which is done beyond the day's units too. `on_coming` may be
    set to hear of each new head of `blocks` as soon as its logs are asked for. `calls_made` counts JSON-RPC requests,
    `reconnects` lost connections.
    """

    def __init__(
        self,
        network: Network,
        endpoints: Sequence[EndpointSettings],
        clock: NodeClock,
        *,
        usage: Path | None = None,
        request_timeout_s: float | None = None,
        head_timeout_s: float | None = None,
        seed: int | None = None,
    ) -> None:
        """Time-outs follow the network's block time where they are left out.

        Raises `InvalidEndpoint`, and `NodeError` for a usage file that is none.
        """
        self.network = network
        self.in_flight: Callable[[], bool] = lambda: False
        self.on_coming: Callable[[Head], None] = lambda head: None
        self._clock = clock
        self._head_timeout_s = head_timeout_s or max(_BLOCKS_OF_SILENCE * network.block_time_s, _LEAST_HEAD_TIMEOUT_S)
        self._events = Events()
        self._pool = Pool(
            network,
            endpoints,
            clock,
            timeout_s=request_timeout_s or _request_timeout_s(network),
            usage=UsageFile(usage) if usage else None,
            events=self._events,
            in_flight=lambda: self.in_flight(),
            rng=random.Random(seed),  # noqa: S311
        )
        self._court = Court(self._pool)
        self._allowance = Allowance()
        self._leading = Leading(self._pool, self._court, self._allowance)
        self._lookout = Lookout(self._pool, self._court, self._leading, self._allowance)
        self._broadcast = Broadcast(self._pool)
        self._ahead = Ahead(self.batch)
        self._closed = False
        self._aim = self._height = self._late = 0

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def calls_made(self) -> int:
        return self._pool.calls_made

    @property
    def reconnects(self) -> int:
        return sum(endpoint.reconnects for endpoint in self._pool.endpoints)

    @property
    def connected(self) -> bool:
        """Whether at least one endpoint is connected and believed."""
        return any(endpoint.connected for endpoint in self._pool.usable)

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """In the order they were given, for those who look at their health and their quota."""
        return self._pool.endpoints

    @property
    def newest_number(self) -> int:
        """The highest block number the node has told of to whoever reads `blocks`, who may not have got there yet; or
        that a receipt of `seen` is of, before the node tells of the block.
        """
        return max(self._aim, self._leading.newest, self._height)

    def listen(self, listener: Callable[[NodeEvent], None]) -> None:
        """Tell `listener` what happens to the endpoints, what happened before it came first."""
        self._events.listen(listener)

    async def connect(self) -> None:
        """Connect unless connected, and check chain ids. Raises `Unreachable` if no endpoint answers, `WrongChain`."""
        if self._closed:
            raise Unreachable(f"{self._pool.endpoints[0].name}: this node was closed")
        await self._pool.connect()

    async def close(self) -> None:
        """Disconnect for good. Iterators of `blocks` end with `Unreachable`."""
        self._closed = True
        self._ahead.forget()
        await asyncio.gather(self._broadcast.close(), self._lookout.close(), self._court.close())
        await self._pool.close()

    async def blocks(
        self,
        topics: Sequence[bytes],
        start: Head | int | None = None,
        on_trouble: Callable[[str], None] = lambda detail: None,
    ) -> AsyncGenerator[ChainEvent]:
        """The chain from `start` on, without end, without holes: blocks with their logs, and what was undone.

        Logs are those whose first topic is one of `topics`. `start` is the first block's number, or a head already
        known, whose child comes first; by default the present head comes first. `on_trouble` is told why each time no
        endpoint can be followed, and once more if that lasts; it heals by itself, without a block lost. Raises
        `WrongChain` when every endpoint changes chains, `ReorgTooDeep`, and `ValueError` for a start in the future.
        """
        rates = [int(it.settings.requests_per_s) for it in self._pool.endpoints if it.settings.requests_per_s]
        at_once = max(1, min([AT_ONCE, *rates]))
        follower = Follower(self, topics, trust_bloom=self.network.logs_bloom, at_once=at_once)
        async for event in self._begin(follower, start):
            yield event
        pause_s, failed, said = _FIRST_PAUSE_S, 0, ""
        while True:
            try:
                async with contextlib.aclosing(self._follow(follower)) as events:
                    async for event in events:
                        pause_s, failed, said = _FIRST_PAUSE_S, 0, ""
                        self._note(event)
                        yield event
            except (Unreachable, WrongChain, RpcError, Vanished) as error:
                failed += 1
                if self._closed or (isinstance(error, WrongChain) and not self._pool.usable):
                    raise
                if self._leading.others and failed < len(self._pool.endpoints):
                    continue
                if not said or (failed == _LASTING and said != str(error)):
                    said = str(error)
                    on_trouble(said)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S, _LONGEST_PAUSE_BLOCKS * self.network.block_time_s)

    async def latest_header(self) -> Header:
        """Before anything is followed, one of several endpoints that made its head up is left out: another is asked."""
        while True:
            endpoint, header = await self._pool.ask(_BLOCK, ("latest", False), _told_head)
            if len(self._pool.endpoints) == 1 or self._court.height or not header.head.number:
                return header
            with contextlib.suppress(Unreachable, WrongChain, RpcError):
                await endpoint.require_founded(header.head, self._court.lag_blocks)
            if endpoint.health.dropped is None:
                return header

    async def agreed(self, head: Head) -> Opinion:
        """Whether at least two endpoints tell the same block at the height of `head`. Never raises."""
        return await self._court.agreed(head)

    async def logs_of(self, head: Head, topics: Sequence[bytes], bloom: int | None = None) -> Sequence[Log]:
        """The block's logs whose first topic is one of `topics`, in order. Raises `Vanished`, `Unreachable`.

        That there are none is doubted where `bloom` is given: the header's, which says that there may be some.
        """
        self._ahead.forget()
        # The logs are asked for first, and what comes later hears of it only while they are waited for.
        coming = asyncio.get_running_loop().call_soon(self.on_coming, head) if head.number == self._aim else None
        try:
            found = await logs_of_block(self._pool, head, topics, bloom)
        except RpcError as error:
            raise Vanished(f"block {head.hash}: {error}") from None
        finally:
            if coming is not None:
                coming.cancel()
        if not found:
            self._allowance.use(1 if bloom is None else 2)
        return found

    async def finalized_head(self) -> Head:
        """The newest block that will not be undone, by the node's word or by depth, as the network says."""
        if self.network.finality_tag:
            final = await self.finalized_header()
        else:
            tip = await self.head()
            final = await self.header_by_number(max(0, tip.number - self.network.finality_blocks))
        if final is None:
            raise Unreachable(f"{self.network.name}: the node has no finalized block; let it synchronise first")
        return final.head

    async def request(self, method: str, *params: Any) -> Any:
        """One read, of whichever endpoint answers. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        return await self._pool.ask(method, params, lambda endpoint, result: result)

    async def request_once(self, method: str, *params: Any) -> Any:
        """One call, never repeated by itself. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        return await (await self._leading.endpoint()).ask(method, *params)

    async def batch(self, requests: Sequence[Request]) -> list[Answer]:
        """Several reads in one message, answers in order as one endpoint gives them. Raises `NodeError`."""
        failures: list[Exception] = []
        for endpoint in self._pool.ranked_for(requests):
            try:
                return await endpoint.batch(requests)
            except NodeError as error:
                failures.append(error)
        raise self._pool.summed_up(failures, "batch", ())

    async def request_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Several reads, answers in order, each as `request` gives it; a refusal is an answer. Raises `NodeError`.

        They are one message where an endpoint takes that.
        """
        return await self._pool.ask_all(requests)

    async def seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        """As `JsonRpcReads.seen`, in one message where an endpoint takes that, or as it was expected."""
        seen = await self._ahead.answer((tx_hashes, counted, paying))
        if seen is None:
            asked = questions(tx_hashes, counted, paying)
            seen = read_seen(tx_hashes, counted, paying, await self.request_all(asked) if asked else [])
        self._note_height(seen)
        return seen

    def expect(self, head: Head, sought: Sought) -> None:
        """`seen` will be called with `sought` on `head`: it is asked already now."""
        self._ahead.ask(head, sought)

    async def send_raw(self, raw: bytes) -> SendOutcome:
        """Hand a signed transaction to every endpoint. Never raises: no answer is `SendStatus.UNKNOWN`."""
        return await self._broadcast.send(raw)

    def hash_at(self, number: int) -> str | None:
        """The hash of the block of that height in the chain that is followed, while it is remembered."""
        return self._court.hash_at(number)

    def now_ns(self) -> int:
        return self._clock.monotonic_ns()

    async def _header(self, method: str, which: str) -> Header | None:
        return await self._pool.ask(method, (which, False), _read_header)

    async def _begin(self, follower: Follower, start: Head | int | None) -> AsyncGenerator[ChainEvent]:
        """Let `follower` begin at `start`; yields the genesis if that is the start."""
        if isinstance(start, Head):
            follower.begin_after(start)
        elif start:
            before = await self.header_by_number(start - 1)
            if before is None:
                raise ValueError(f"cannot start at block {start}: the node has no block {start - 1} yet")
            follower.begin_after(before.head)
        elif start == 0:
            genesis = await self.header_by_number(0)
            assert genesis is not None, "every chain has a block 0"
            async for event in follower.lead_to(genesis):
                yield event

    async def _follow(self, follower: Follower) -> AsyncGenerator[ChainEvent]:
        """One leader's reign: first its head, then each new one."""
        endpoint = await self._leading.endpoint()
        async with self._leading.heads_of(endpoint) as heads:
            target: Header | None = await heads.now()
            while target is not None:
                self._aim, self._height = target.head.number, 0
                if follower.tip is not None and target.head.number - follower.tip.number > _FAR_BLOCKS:
                    await endpoint.require_founded(target.head, self._court.lag_blocks)
                async for event in follower.lead_to(target):
                    yield event
                self._look()
                target = await self._leading.next_target(
                    endpoint, heads, follower.tip, self._head_timeout_s, self._look
                )
        raise Unreachable(f"{endpoint.name}: the subscription ended or fell silent")

    def _note_height(self, seen: Seen) -> None:
        """What is decided on a head that is told late lands too late, and its receipt is of a block not told of yet;
        where that goes on, heads are asked for.
        """
        heights = [receipt.block_number for receipt in seen.receipts.values() if receipt is not None]
        if not heights:
            return
        told, self._height = max(self._aim, self._leading.newest), max(heights)
        late = (self._height - told) * self.network.block_time_s >= _LATE_S
        self._late = self._late + 1 if late else 0
        if self._late == _LATE_HEADS:
            self._leading.told_late(told, self._height)

    def _look(self) -> None:
        """A block's time is over: there are calls again to look at those that are not followed."""
        self._allowance.block()
        self._lookout.look()

    def _note(self, event: ChainEvent) -> None:
        if isinstance(event, Block):
            self._court.followed(event.head)
        else:
            self._court.undone(event.ancestor.number)


def _request_timeout_s(network: Network) -> float:
    """So that a question that is never answered is given up before the next block but one."""
    timeout_s = _REQUEST_TIMEOUT_BLOCKS * network.block_time_s
    return min(max(timeout_s, _LEAST_REQUEST_TIMEOUT_S), _MOST_REQUEST_TIMEOUT_S)


def _told_head(endpoint: Endpoint, document: Any) -> tuple[Endpoint, Header]:
    return endpoint, endpoint.read_header(document)


def _read_header(endpoint: Endpoint, document: Any) -> Header | None:
    return endpoint.read_header(document) if document else None
