"""One Ethereum JSON-RPC node over WebSocket: blocks in order, reads, and a place to send transactions to.

Any node will do; the twin is just one. Nothing here knows what the blocks are wanted for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol, Self

from chains.anvil import RpcError
from chains.blocks import ChainEvent, Head, Log, Undone
from chains.networks import Network
from chains.node import wire
from chains.node.errors import Unreachable, WrongChain, shown
from chains.node.follower import Follower, Vanished
from chains.node.reads import JsonRpcReads
from chains.node.socket import NodeSocket, Subscription
from chains.node.wire import Header

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_BLOCKS_OF_SILENCE = 4
_LEAST_HEAD_TIMEOUT_S = 5.0
_GRACE_S = 1.0


class MonotonicClock(Protocol):
    """The part of a clock that a node needs."""

    def monotonic_ns(self) -> int: ...


class Node(JsonRpcReads):
    """A node of `network` at `ws_url`. An async context manager; connects again by itself when the socket drops.

    `calls_made` counts JSON-RPC requests, `reconnects` lost connections, `reorgs` the `Undone` events yielded.
    """

    def __init__(
        self,
        network: Network,
        ws_url: str,
        clock: MonotonicClock,
        *,
        request_timeout_s: float = 10.0,
        head_timeout_s: float | None = None,
    ) -> None:
        self.network = network
        self.calls_made = 0
        self.reconnects = 0
        self.reorgs = 0
        self._url = ws_url
        self._clock = clock
        self._request_timeout_s = request_timeout_s
        self._head_timeout_s = head_timeout_s or max(_BLOCKS_OF_SILENCE * network.block_time_s, _LEAST_HEAD_TIMEOUT_S)
        self._socket: NodeSocket | None = None
        self._connecting = asyncio.Lock()
        self._closed = False
        self._aim = 0
        self._heads: Subscription | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._socket is not None and self._socket.open

    @property
    def newest_number(self) -> int:
        """The highest block number the node has told of to whoever reads `blocks`, who may not have got there yet."""
        return max(self._aim, self._heads.newest if self._heads else 0)

    async def connect(self) -> None:
        """Connect unless connected, and check the chain id. Raises `Unreachable`, `WrongChain`."""
        await self._open_socket()

    async def close(self) -> None:
        """Disconnect for good. Iterators of `blocks` end with `Unreachable`."""
        self._closed = True
        if self._socket is not None:
            await self._socket.shut()

    async def blocks(
        self,
        topics: Sequence[bytes],
        start: Head | int | None = None,
        on_trouble: Callable[[str], None] = lambda detail: None,
    ) -> AsyncGenerator[ChainEvent]:
        """The chain from `start` on, without end, without holes: blocks with their logs, and what was undone.

        Logs are those whose first topic is one of `topics`. `start` is the first block's number, or a head already
        known, whose child comes first; by default the present head comes first. `on_trouble` is told why, once, each
        time the node stops answering; that heals by itself, without a block lost. Raises `WrongChain` when the node
        changes chains, `ReorgTooDeep`, and `ValueError` for a start in the future.
        """
        follower = Follower(self, topics, trust_bloom=self.network.logs_bloom)
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
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with contextlib.aclosing(self._follow(follower)) as events:
                    async for event in events:
                        pause_s = _FIRST_PAUSE_S
                        self.reorgs += isinstance(event, Undone)
                        yield event
            except (Unreachable, RpcError, Vanished) as error:
                if self._closed:
                    raise
                if pause_s == _FIRST_PAUSE_S:
                    on_trouble(str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _follow(self, follower: Follower) -> AsyncGenerator[ChainEvent]:
        """One subscription's life: first the node's head, then each new one."""
        socket = await self._open_socket()
        self.calls_made += 1
        subscription = self._heads = await socket.subscribe("newHeads")
        try:
            target: Header | None = await self.latest_header()
            while target is not None:
                self._aim = target.head.number
                async for event in follower.lead_to(target):
                    yield event
                target = await self._next_target(subscription, follower)
            raise Unreachable(f"{shown(self._url)}: the subscription ended or fell silent")
        except Unreachable:
            await socket.shut()
            raise
        finally:
            await socket.unsubscribe(subscription)

    async def _next_target(self, subscription: Subscription, follower: Follower) -> Header | None:
        """Where to go next; `None` when the subscription is of no more use.

        A head that does not continue the tip may be stale, so the node is asked for its present one.
        """
        tip = follower.tip
        try:
            frame = await subscription.next(self._head_timeout_s)
        except TimeoutError:
            latest = await self.latest_header()
            if tip is not None and latest.head.hash == tip.hash:
                return latest
            try:
                frame = await subscription.next(_GRACE_S)
            except TimeoutError:
                return None
        if frame is None:
            return None
        target = wire.header(*frame)
        if tip is None or tip.hash in (target.head.parent_hash, target.head.hash):
            return target
        latest = await self.latest_header()
        return target if target.head.number > latest.head.number else latest

    async def logs_of(self, head: Head, topics: Sequence[bytes]) -> tuple[Log, ...]:
        """The block's logs whose first topic is one of `topics`, in order. Raises `Vanished`."""
        criteria = {"blockHash": head.hash, "topics": [["0x" + topic.hex() for topic in topics]]}
        try:
            return wire.logs(await self.request("eth_getLogs", criteria))
        except RpcError as error:
            raise Vanished(f"block {head.hash}: {error}") from None

    async def finalized_head(self) -> Head:
        """The newest block that will not be undone, by the node's word or by depth, as the network says."""
        if self.network.finality_tag:
            final = await self.finalized_header()
        else:
            tip = await self.head()
            final = await self.header_by_number(max(0, tip.number - self.network.finality_blocks))
        if final is None:
            raise Unreachable(f"{shown(self._url)}: the node has no finalized block; let it synchronise first")
        return final.head

    async def suggested_tip_wei(self) -> int:
        """The tip per gas the node suggests. Raises `Unreachable`, `RpcError` where the node has no opinion."""
        return int(await self.request("eth_maxPriorityFeePerGas"), 16)

    async def request(self, method: str, *params: Any) -> Any:
        """One read, asked again if the connection drops under it. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        socket = await self._open_socket()
        self.calls_made += 1
        try:
            return await socket.request(method, *params)
        except Unreachable:
            if socket.open:
                raise
        return await self.request_once(method, *params)

    async def request_once(self, method: str, *params: Any) -> Any:
        """One call, never repeated by itself. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        socket = await self._open_socket()
        self.calls_made += 1
        return await socket.request(method, *params)

    def now_ns(self) -> int:
        return self._clock.monotonic_ns()

    async def _open_socket(self) -> NodeSocket:
        async with self._connecting:
            if self._socket is not None and self._socket.open:
                return self._socket
            if self._closed:
                raise Unreachable(f"{shown(self._url)}: this node was closed")
            if self._socket is not None:
                self.reconnects += 1
                await self._socket.shut()
            socket = NodeSocket(self._url, self._clock.monotonic_ns, self._request_timeout_s)
            await socket.open_up()
            try:
                await self._check_chain(socket)
            except BaseException:
                await socket.shut()
                raise
            self._socket = socket
            return socket

    async def _check_chain(self, socket: NodeSocket) -> None:
        self.calls_made += 1
        try:
            chain_id = int(await socket.request("eth_chainId"), 16)
        except (RpcError, TypeError, ValueError) as error:
            raise Unreachable(f"{shown(self._url)}: what answers is not an Ethereum node ({error})") from None
        if chain_id != self.network.chain_id:
            raise WrongChain(
                f"{shown(self._url)}: the node is on chain {chain_id}, but network {self.network.name} is chain "
                f"{self.network.chain_id}; correct the address or the network"
            )
