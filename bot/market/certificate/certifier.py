"""The engine's side of the certificate: tells the certifying process what each block changed, and hears what it found.

Nothing here waits for anything: what the process has not taken yet stays in line, and what cannot be certified in time
is not.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress

from bot.market.certificate.messages import PREFIX, Certified, Proposed, Update, framed
from bot.market.combined import Walk
from bot.market.dual.capture import Terms
from bot.market.graph import VenueId
from bot.market.market import Market
from chains.anvil import die_with_parent
from chains.assets import Token
from chains.pools.pool import Pool
from chains.tools import ROOT

MOST_WAITING = 64
"""Blocks in line at most. Beyond that they are told together, and only the last of them is certified."""

PATIENCE_S = 2.0
"""How long the process may take to end by itself."""


class Certifier:
    """Certifies blocks of a market, in base units of `numeraire`.

    `on_certified` hears each certificate, and `on_ended` once that there will be none any more: the process has died.
    """

    def __init__(
        self,
        market: Market,
        numeraire: Token,
        on_certified: Callable[[Certified], None],
        on_ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._market, self._numeraire, self._heard, self._ended = market, numeraire, on_certified, on_ended
        self._pools: dict[VenueId, Pool] = {}
        self._changes = market.watched()
        self._changes.update((*market.pools, *market.books))
        self._line: asyncio.Queue[Update] = asyncio.Queue(MOST_WAITING)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._proposed = asyncio.Condition()
        self._proposal: Proposed | None = None
        self._gone = False
        self.told = 0
        """How many blocks the process was told of."""

    async def start(self) -> None:
        """Start the process. Raises `OSError`."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.market.certificate.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            preexec_fn=die_with_parent,
        )
        self._tasks = [asyncio.create_task(task) for task in (self._tell(), self._hear())]

    def on_block(self, number: int, terms: Terms, *, propose: bool = False) -> None:
        """Put the block's changes in line; if the line is full, they go with those of a later block.

        With `propose` the walks of its optimum can be waited for.
        """
        if self._process is None or self._gone or self._line.full():
            return
        changed, market = sorted(self._changes), self._market
        self._changes.clear()
        moved = market.moved_from(changed, self._pools)
        alike = frozenset(moved.venues)
        pools = [market.pools[name] for name in changed if name in market.pools and name not in alike]
        books = [tied for name in changed if name in market.books and (tied := market.tied(name)) is not None]
        known = alike.union((pool.venue for pool in pools), (book.venue for book in books))
        gone = tuple(name for name in changed if name not in known)
        self._pools.update((pool.venue, pool) for pool in pools)
        for name in gone:
            self._pools.pop(name, None)
        self._line.put_nowait(Update(number, self._numeraire, tuple(pools), moved, tuple(books), gone, terms, propose))

    async def proposed(self, number: int, within_s: float) -> tuple[Walk, ...]:
        """The walks of that block's optimum, if they are found in time; none if not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._proposed:
                await self._proposed.wait_for(lambda: self._gone or self._newest_proposed >= number)
        found = self._proposal
        return found.walks if found is not None and found.number == number else ()

    @property
    def _newest_proposed(self) -> int:
        return -1 if self._proposal is None else self._proposal.number

    async def finished(self, within_s: float) -> None:
        """Wait until all that was told is answered, if that does not take too long."""
        if self._gone:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._line.join()

    async def close(self) -> None:
        """End the process. What is still in line is not certified."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _tell(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        with suppress(ConnectionError):
            while True:
                update = await self._line.get()
                self._process.stdin.write(framed(update))
                self.told += 1
                await self._process.stdin.drain()

    async def _hear(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        stream = self._process.stdout
        with suppress(asyncio.IncompleteReadError):
            while True:
                (size,) = PREFIX.unpack(await stream.readexactly(PREFIX.size))
                said: Proposed | Certified = pickle.loads(await stream.readexactly(size))  # noqa: S301 - our own process
                if isinstance(said, Proposed):
                    async with self._proposed:
                        self._proposal = said
                        self._proposed.notify_all()
                    continue
                self._line.task_done()
                self._heard(said)
        # Nobody is to wait for it any more.
        self._gone = True
        async with self._proposed:
            self._proposed.notify_all()
        self._ended()
