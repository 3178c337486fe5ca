"""Which endpoint's heads are followed, and the watch over those that are not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from chains.anvil import RpcError
from chains.blocks import Head
from chains.node.court import Court
from chains.node.endpoint import Endpoint
from chains.node.errors import NodeError, Unreachable, WrongChain
from chains.node.heads import Allowance, AskedHeads, Heads, ToldHeads
from chains.node.pool import Pool
from chains.node.wire import Header

_GRACE_S = 1.0
_LATE_BLOCKS = 2
_CALLS_TO_PROVE = 3
_SILENCES = 3


class Leading:
    """Chooses the leader and reads its heads."""

    def __init__(self, pool: Pool, court: Court, allowance: Allowance) -> None:
        self._pool = pool
        self._court = court
        self._allowance = allowance
        self._running: set[Heads] = set()
        self._failed: Endpoint | None = None
        self.late = False
        """Whether the leader's next head should have been there long ago."""

    @property
    def newest(self) -> int:
        """The highest number that a leader told, read or not."""
        return max((heads.newest for heads in self._running), default=0)

    @property
    def others(self) -> bool:
        """Whether somebody else than the one that failed could be followed."""
        return any(endpoint is not self._failed for endpoint in self._pool.usable)

    @property
    def asking(self) -> bool:
        """Whether the heads that are followed have to be asked for."""
        return any(heads.fresh for heads in self._running)

    async def endpoint(self) -> Endpoint:
        """The leader, connected: the present one while it is well. Raises `Unreachable`, `WrongChain`."""
        failures: list[Exception] = []
        for endpoint in sorted(self._pool.usable, key=self._rank):
            try:
                await endpoint.ready()
            except (Unreachable, WrongChain) as error:
                failures.append(error)
                endpoint.health.failed()
                continue
            if self._pool.leader is not endpoint:
                self._crown(endpoint)
            return endpoint
        for endpoint in self._pool.endpoints:
            dropped = endpoint.health.dropped
            if dropped is None or endpoint.now_s() < dropped.proof_due_s:
                continue
            if await self._court.prove(endpoint, following=False):
                self._crown(endpoint)
                return endpoint
        raise self._pool.summed_up(failures, "eth_subscribe", ()) if failures else self._pool.nobody("eth_subscribe")

    @contextlib.asynccontextmanager
    async def heads_of(self, endpoint: Endpoint) -> AsyncIterator[Heads]:
        """The heads of `endpoint`. If they fail, its connection is given up."""
        heads = await self._opened(endpoint)
        self._running.add(heads)
        endpoint.when_dropped.add(heads.end)
        try:
            yield heads
        except Unreachable:
            self._fail(endpoint)
            await endpoint.hang_up()
            raise
        finally:
            endpoint.when_dropped.discard(heads.end)
            self._running.discard(heads)
            await heads.close()

    async def next_target(
        self, endpoint: Endpoint, heads: Heads, tip: Head | None, silence_s: float, look: Callable[[], None]
    ) -> Header | None:
        """Where to go next; None when `heads` are of no more use.

        `look` is called for each head that is late. A head that does not continue the tip may be stale, or of another
        chain, so the endpoint is asked for its chain and its present head.
        """
        try:
            header = await self._next(heads, silence_s, look)
        except TimeoutError:
            latest = await heads.now()
            if tip is not None and latest.head.hash == tip.hash:
                return latest
            try:
                header = await heads.next(_GRACE_S)
            except TimeoutError:
                self.fell_silent()
                header = None
        if header is None:
            self._fail(endpoint)
            await endpoint.hang_up()
            return None
        if tip is None or tip.hash in (header.head.parent_hash, header.head.hash):
            return header
        endpoint.suspect()
        if heads.fresh:
            await endpoint.ready()
            return header
        latest = await heads.now()
        return header if header.head.number > latest.head.number else latest

    def told_late(self, told: int, height: int) -> None:
        """The leader told of block `told` while it knew block `height`, and not for the first time."""
        leader = self._pool.leader
        if leader is None:
            return
        late = f"{leader.name}: tells of heads late, of block {told} when its chain is at block {height}"
        if not self.asking:
            leader.not_asked.add("eth_subscribe")
            late += "; it is asked for them from now on"
            self.abdicate()
        self._pool.events.tell("heads_late", f"{late}; what is decided on such a head would land too late")

    def fell_silent(self) -> None:
        """The leader told of nothing though the chain went on. Some take a subscription, and never tell of a head."""
        leader = self._pool.leader
        if leader is None or self.asking:
            return
        leader.silences += 1
        if leader.silences >= _SILENCES:
            leader.not_asked.add("eth_subscribe")
            told = f"{leader.name}: its subscription told of no head, {leader.silences} times in a row"
            self._pool.events.tell("heads_silent", f"{told}; it is asked for them from now on")

    def abdicate(self) -> None:
        """Have the leader chosen anew."""
        for heads in self._running:
            heads.end()

    async def _next(self, heads: Heads, silence_s: float, look: Callable[[], None]) -> Header | None:
        """The next head, within `silence_s`. Raises `TimeoutError`."""
        alone = len(self._pool.endpoints) == 1
        step_s = silence_s if alone else min(_LATE_BLOCKS * self._pool.network.block_time_s, silence_s)
        waited_s = 0.0
        try:
            while True:
                try:
                    return await heads.next(step_s)
                except TimeoutError:
                    waited_s += step_s
                    if waited_s >= silence_s:
                        raise
                self.late = True
                look()
                step_s = min(self._pool.network.block_time_s, silence_s - waited_s)
        finally:
            self.late = False

    async def _opened(self, endpoint: Endpoint) -> Heads:
        heads: ToldHeads | AskedHeads
        if endpoint.tells:
            heads = ToldHeads(endpoint, self._court.told)
        else:
            heads = AskedHeads(endpoint, self._pool.network.block_time_s, self._allowance, self._court.told)
        try:
            await heads.open()
        except (Unreachable, RpcError) as error:
            self._fail(endpoint)
            if isinstance(error, Unreachable):
                await endpoint.hang_up()
            raise
        return heads

    def _crown(self, endpoint: Endpoint) -> None:
        before, self._pool.leader = self._pool.leader, endpoint
        if len(self._pool.endpoints) > 1 and before is not None:
            how = "its heads are followed" if endpoint.tells else "its heads are asked for"
            self._pool.events.tell(
                "node_leader", f"{endpoint.name}: {how} instead of those of {before.name}", grave=False
            )

    def _fail(self, endpoint: Endpoint) -> None:
        self._failed = endpoint
        endpoint.health.failed()

    def _rank(self, endpoint: Endpoint) -> tuple[bool, bool, bool, bool, float]:
        return (
            endpoint.health.broken,
            endpoint is self._failed and endpoint.health.failures_in_a_row > 0,
            endpoint.settings.backup,
            not endpoint.tells,
            0.0 if endpoint is self._pool.leader else 1.0 + endpoint.health.latency_s,
        )


class Lookout:
    """Keeps an eye on the endpoints that are not followed, with what calls are left over: one look a block."""

    def __init__(self, pool: Pool, court: Court, leading: Leading, allowance: Allowance) -> None:
        self._pool = pool
        self._court = court
        self._leading = leading
        self._allowance = allowance
        self._looking: asyncio.Task[None] | None = None
        self._turn = 0

    def look(self) -> None:
        """Begin one look, if there is somebody to look at and a call to spare. Does not wait for it."""
        if len(self._pool.endpoints) == 1 or not self._allowance.spare:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_at_next())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look_at_next(self) -> None:
        endpoints = self._pool.endpoints
        for _ in endpoints:
            self._turn = (self._turn + 1) % len(endpoints)
            endpoint = endpoints[self._turn]
            if endpoint is self._pool.leader or endpoint.health.broken or not endpoint.quota.to_spare():
                continue
            dropped = endpoint.health.dropped
            if dropped is not None and endpoint.now_s() < dropped.proof_due_s:
                continue
            with contextlib.suppress(NodeError, RpcError):
                await self._look_at(endpoint)
            return

    async def _look_at(self, endpoint: Endpoint) -> None:
        proving = endpoint.health.dropped is not None
        for _ in range(_CALLS_TO_PROVE if proving else 1):
            self._allowance.use()
        if proving:
            await self._court.prove(endpoint)
        else:
            self._court.told(endpoint, await endpoint.latest())
        if endpoint.health.dropped is not None:
            return
        tells_again = endpoint.tells and not endpoint.settings.backup and self._leading.asking
        further = self._leading.late and endpoint.health.newest > self._court.height
        if further:
            self._leading.fell_silent()
        if tells_again or further:
            self._leading.abdicate()
