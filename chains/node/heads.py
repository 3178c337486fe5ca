"""An endpoint's heads as they come: told by a subscription, or asked for when the next should be there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chains.node.conversation import Subscription
from chains.node.endpoint import Endpoint
from chains.node.errors import Unreachable
from chains.node.units import HEAD_TOLD
from chains.node.wire import Header

CALLS_PER_BLOCK = 2
_MOST_SAVED = 3 * CALLS_PER_BLOCK
_MOST_OWED = 2 * CALLS_PER_BLOCK
_AGAIN = (0.1, 0.2)
_AGAIN_LATER = 0.5
_LEAST_EARLIER = 0.05
_MOST_EARLIER = 0.5
_MOST_UNREAD = 64


class Allowance:
    """Calls that may still be made at rest: two for each block, a few saved up, or owed and made up for afterwards.

    Logs that a block did bring are not counted: it is then not at rest. A silence, in which no block earns anything,
    leaves no more owed than a few blocks make up for.
    """

    def __init__(self) -> None:
        self._left = 0

    @property
    def spare(self) -> bool:
        """Whether there is more than the next head may need."""
        return self._left > CALLS_PER_BLOCK

    @property
    def lends(self) -> bool:
        """Whether a call may be made before it is earned, because a head is waited for."""
        return self._left > -_MOST_OWED

    def block(self, count: int = 1) -> None:
        self._left = min(self._left + CALLS_PER_BLOCK * count, _MOST_SAVED)

    def use(self, calls: int = 1) -> None:
        self._left = max(self._left - calls, -_MOST_OWED)


class Heads(Protocol):
    """`fresh` says that what `next` gives is the head right now."""

    fresh: bool

    @property
    def newest(self) -> int:
        """The highest number told, read or not, that was not taken back; where heads are asked for, what it must have
        come to by now.
        """
        ...

    async def now(self) -> Header:
        """The present head, asked for. Raises as `Endpoint.ask`."""
        ...

    async def next(self, timeout_s: float) -> Header | None:
        """The next head; None once no more can come. Raises `TimeoutError`, and as `Endpoint.ask`."""
        ...

    def end(self) -> None:
        """No more heads: whoever waits is told."""
        ...

    async def close(self) -> None: ...


class ToldHeads:
    """Heads from `eth_subscribe`. `told` hears each as it arrives, before anyone reads it.

    Of unread heads the newest are kept: who reads the next finds the gap and fills it.
    """

    fresh = False

    def __init__(self, endpoint: Endpoint, told: Callable[[Endpoint, Header], None]) -> None:
        self._newest = 0
        self._endpoint = endpoint
        self._told = told
        self._queue: asyncio.Queue[Header | None] = asyncio.Queue()
        self._subscription = Subscription(self._take, self.end)

    @property
    def newest(self) -> int:
        return self._newest

    async def open(self) -> None:
        """Subscribe. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        await self._endpoint.listen(self._subscription)

    async def now(self) -> Header:
        header = await self._endpoint.latest()
        # What it told before of higher ones is no more: a node that starts again may begin from an earlier state.
        self._newest = header.head.number
        return header

    async def next(self, timeout_s: float) -> Header | None:
        async with asyncio.timeout(timeout_s):
            return await self._queue.get()

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def close(self) -> None:
        await self._endpoint.unlisten(self._subscription)

    def _take(self, frame: Mapping[str, Any], arrived_ns: int) -> None:
        self._endpoint.quota.spend(HEAD_TOLD)
        try:
            header = self._endpoint.read_head(frame, arrived_ns)
        except Unreachable:
            self.end()
            return
        self._newest = max(self._newest, header.head.number)
        if self._queue.qsize() >= _MOST_UNREAD:
            self._queue.get_nowait()
        self._queue.put_nowait(header)
        self._endpoint.silences = 0
        self._endpoint.health.told(header)
        self._told(self._endpoint, header)


class AskedHeads:
    """Heads by asking, about once a block, as soon after each as can be found out.

    A head that is there when asked for may have been there for long: the next is asked for ever earlier, by parts of a
    block's time that double. Once that is too early, it is asked for again soon after, and the next a little earlier.
    Where heads were missed, nothing is known of when the next comes: it is asked for as early as any.
    """

    fresh = True

    def __init__(
        self,
        endpoint: Endpoint,
        block_time_s: float,
        allowance: Allowance,
        told: Callable[[Endpoint, Header], None],
    ) -> None:
        self._newest = 0
        self._endpoint = endpoint
        self._block_time_s = block_time_s
        self._allowance = allowance
        self._told = told
        self._due_s = self._noted_s = endpoint.now_s()
        self._last = ""
        self._early = 0
        self._earlier = _MOST_EARLIER
        self._ended = asyncio.Event()

    @property
    def newest(self) -> int:
        """While what it told is being decided on, nobody asks: a block's time later there is another."""
        return self._newest + int((self._endpoint.now_s() - self._noted_s) / self._block_time_s)

    async def open(self) -> None:
        """Connect. Raises `Unreachable`, `WrongChain`."""
        await self._endpoint.ready()

    async def now(self) -> Header:
        header = await self._ask()
        self._note(header)
        return header

    async def next(self, timeout_s: float) -> Header | None:
        deadline_s = self._endpoint.now_s() + timeout_s
        while True:
            if await self._ended_within(min(self._due_s, deadline_s) - self._endpoint.now_s()):
                return None
            if self._due_s > deadline_s:
                raise TimeoutError
            header = await self._ask()
            if header.head.hash != self._last:
                self._note(header)
                return header
            again = _AGAIN[self._early] if self._early < len(_AGAIN) else _AGAIN_LATER
            self._early += 1
            self._due_s = self._endpoint.now_s() + self._block_time_s * again

    def end(self) -> None:
        self._ended.set()

    async def close(self) -> None:
        self.end()

    async def _ended_within(self, wait_s: float) -> bool:
        if wait_s > 0 and not self._ended.is_set():
            try:
                async with asyncio.timeout(wait_s):
                    await self._ended.wait()
            except TimeoutError:
                return False
        return self._ended.is_set()

    async def _ask(self) -> Header:
        self._allowance.use()
        return await self._endpoint.latest()

    def _note(self, header: Header) -> None:
        missed = header.head.number - self._newest - 1
        if missed > 0:
            self._earlier = _MOST_EARLIER
            self._allowance.block(missed)
        else:
            self._earlier = _LEAST_EARLIER if self._early else min(2 * self._earlier, _MOST_EARLIER)
        self._early = 0
        self._last = header.head.hash
        self._newest = header.head.number
        self._noted_s = self._endpoint.now_s()
        wait = 1.0 - self._earlier if self._allowance.lends else 1.0
        self._due_s = self._endpoint.now_s() + self._block_time_s * wait
        self._told(self._endpoint, header)
