"""Watches the transactions that wait at the node, tries each, and shows the market as it would be after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol

from bot.market import Market, Supposed
from bot.pending.transaction import PendingTransaction
from bot.pending.trial import UNTRIED, Trial
from chains.anvil import RpcError
from chains.blocks import Head
from chains.node import NodeError

_PAUSE_S = 1.0

OnSupposed = Callable[[PendingTransaction, Supposed], None]
"""Told of each transaction that would move the market, with the market after it, which is good until it moves on."""


class Requests(Protocol):
    """The part of a node that this needs; a filter lives at one endpoint, so calls that name it go to that one."""

    async def request(self, method: str, *params: Any) -> Any: ...

    async def request_once(self, method: str, *params: Any) -> Any: ...


class PendingWatch:
    """Asks the node every `poll_s` which transactions are new; of those not yet tried, the newest `queue` are kept.

    Counted in `counts`: `pending_seen`, `pending_dropped` (too many), `pending_tried`, `pending_untried` (no answer)
    and `pending_moving` (a pool would change).
    """

    def __init__(
        self,
        node: Requests,
        trial: Trial,
        market: Market,
        head: Callable[[], Head | None],
        on_supposed: OnSupposed,
        counts: Counter[str],
        *,
        queue: int = 64,
        poll_s: float = 0.5,
    ) -> None:
        """`head` is the newest head the market has taken in."""
        self._node = node
        self._trial = trial
        self._market = market
        self._head = head
        self._on_supposed = on_supposed
        self._counts = counts
        self._queue: deque[str | dict[str, Any]] = deque(maxlen=queue)
        self._poll_s = poll_s
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch, beside everything else."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._work())]

    async def close(self) -> None:
        """Watch no more. Raises what a mistake in here raised."""
        failed = [task.exception() for task in self._tasks if task.done() and not task.cancelled()]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for error in failed:
            if error is not None:
                raise error

    def seen(self, told: str | dict[str, Any]) -> None:
        """A transaction that waits: its hash, or all of it."""
        self._counts["pending_seen"] += 1
        self._counts["pending_dropped"] += len(self._queue) == self._queue.maxlen
        self._queue.append(told)
        self._more.set()

    async def _listen(self) -> None:
        """A filter of the node's, made again when the node has forgotten it."""
        while True:
            with contextlib.suppress(NodeError, RpcError):
                name = await self._node.request_once("eth_newPendingTransactionFilter")
                while isinstance(new := await self._node.request_once("eth_getFilterChanges", name), list):
                    for told in new:
                        self.seen(told)
                    await asyncio.sleep(self._poll_s)
            await asyncio.sleep(_PAUSE_S)

    async def _work(self) -> None:
        while True:
            await self._more.wait()
            while self._queue:
                await self._try(self._queue.pop())
            self._more.clear()

    async def _try(self, told: str | dict[str, Any]) -> None:
        head = self._head()
        if head is None:
            return
        try:
            document = await self._node.request("eth_getTransactionByHash", told) if isinstance(told, str) else told
            if document is None:
                return
            tx = PendingTransaction.read(document)
            if document.get("blockNumber"):
                return
            logs = await self._trial.logs(tx, head)
        except (*UNTRIED, NodeError, ValueError):
            self._counts["pending_untried"] += 1
            return
        self._counts["pending_tried"] += 1
        if self._head() != head or self._market.number not in (None, head.number):
            return
        supposed = self._market.supposing(logs)
        if supposed.changed:
            self._counts["pending_moving"] += 1
            self._on_supposed(tx, supposed)
