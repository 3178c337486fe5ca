"""Several endpoints as one: who is asked first, who next, and when a second is asked beside the first."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from chains.anvil import RpcError
from chains.networks import Network
from chains.node.answers import Answer, Request
from chains.node.endpoint import Endpoint, Hashing
from chains.node.endpoints import EndpointSettings
from chains.node.errors import InvalidEndpoint, NoArchive, NodeError, QuotaSpent, Unreachable, WrongChain
from chains.node.events import Events
from chains.node.health import Fault
from chains.node.pinned import ask_all_pinned, ask_pinned
from chains.node.quota import Quota, UsageFile
from chains.node.refusals import Meaning, meaning
from chains.node.transport import NodeClock

_LEAST_HEDGE_S = 0.02
_ERROR_WEIGHT = 5.0

Read = TypeVar("Read")
Reader = Callable[[Endpoint, Any], Read]
"""Turns a result into what is wanted. May raise `Disproved` or `BadAnswer`: then another endpoint is asked."""
Asking = Callable[[Endpoint], Coroutine[Any, Any, Read]]


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why nobody answered."""

    error: BaseException


class Pool:
    """The endpoints of one network. `leader` is the one whose heads are followed: it is asked first."""

    def __init__(
        self,
        network: Network,
        settings: Sequence[EndpointSettings],
        clock: NodeClock,
        *,
        timeout_s: float,
        usage: UsageFile | None,
        events: Events,
        in_flight: Callable[[], bool],
        rng: random.Random,
    ) -> None:
        if not settings:
            raise InvalidEndpoint(f"no endpoint for {network.name}; name at least one under [node]")
        self.network = network
        self.events = events
        self.calls_made = 0
        self.leader: Endpoint | None = None
        hashing = Hashing()
        self.endpoints = tuple(
            Endpoint(
                terms,
                network,
                clock,
                timeout_s=timeout_s,
                quota=Quota(terms, clock.wall_s, usage, events.tell, in_flight),
                events=events,
                hashing=hashing,
                count=self._count,
                rng=rng,
            )
            for terms in settings
        )

    @property
    def usable(self) -> list[Endpoint]:
        """Those that are believed."""
        return [endpoint for endpoint in self.endpoints if endpoint.health.dropped is None]

    async def ask(self, method: str, params: Sequence[Any], read: Reader[Read], *, as_arrays: bool = False) -> Read:
        """One read, asked of one endpoint after another until one answers. `as_arrays` is as in `Request`.

        Raises `RpcError` for what every endpoint would refuse, `NoArchive`, `Unreachable`, `WrongChain`.
        """
        endpoints = self._ranked({method})
        if not endpoints:
            raise self.nobody(method)

        async def asking(endpoint: Endpoint) -> Read:
            return read(endpoint, await ask_pinned(endpoint, method, params, as_arrays))

        return await self._first(endpoints, asking, method, params)

    async def ask_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Several reads in one message, where an endpoint takes that; a refusal is an answer. Raises `NodeError`.

        What whoever answered cannot know is asked of the others, call by call.
        """

        async def asking(endpoint: Endpoint) -> list[Answer]:
            return await ask_all_pinned(endpoint, requests)

        found = await self._first(self.ranked_for(requests), asking, "batch", ())
        for at, (answer, request) in enumerate(zip(found, requests, strict=True)):
            if isinstance(answer, RpcError) and not is_final(answer, request.method, request.params):
                try:
                    found[at] = await self.ask(request.method, request.params, lambda endpoint, result: result)
                except RpcError as error:
                    # What it passed holds it, and would be held by it.
                    found[at] = error.with_traceback(None)
        return found

    async def _first(
        self, endpoints: Iterable[Endpoint], asking: Asking[Read], method: str, params: Sequence[Any]
    ) -> Read:
        """What the first of `endpoints` to answer says, each asked when those before it have failed or take long."""
        queue = deque(endpoints)
        if len(queue) == 1:
            return await self._ask_again_if_lost(queue[0], asking, method, params)
        found = await self._raced(queue, asking, method, params)
        if not isinstance(found, _Failed):
            return found
        try:
            raise found.error
        finally:
            # The error holds this frame, which would hold the error: neither would go before garbage is looked for.
            del found

    async def _raced(
        self, queue: deque[Endpoint], asking: Asking[Read], method: str, params: Sequence[Any]
    ) -> Read | _Failed:
        """As `_first`; what is to be raised is returned."""
        failures: list[Exception] = []
        pending: dict[asyncio.Task[Read], Endpoint] = {}

        def start() -> None:
            endpoint = queue.popleft()
            task = asyncio.create_task(asking(endpoint))
            task.add_done_callback(_heard)
            pending[task] = endpoint

        start()
        try:
            while pending:
                done, _ = await asyncio.wait(
                    pending, timeout=self._patience_s(pending, queue), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    del pending[task]
                answered = next((task for task in done if task.exception() is None), None)
                if answered is not None:
                    return answered.result()
                for error in (task.exception() for task in done):
                    if not isinstance(error, RpcError | NodeError) or is_final(error, method, params):
                        assert error is not None
                        return _Failed(error)
                    failures.append(error)
                    if isinstance(error, RpcError) and _meaning(error, method, params) is Meaning.NO_STATE:
                        queue = _archives_first(queue)
                if queue and not (done and pending):
                    start()
        finally:
            for task in pending:
                task.cancel()
        return _Failed(self.summed_up(failures, method, params))

    async def connect(self) -> None:
        """Connect to all but the backups; one that answers is enough. Raises `Unreachable`, `WrongChain`."""
        first = [endpoint for endpoint in self.endpoints if not endpoint.settings.backup] or list(self.endpoints)
        failures = await self._connect(first)
        if len(failures) == len(first):
            rest = [endpoint for endpoint in self.endpoints if endpoint not in first]
            more = await self._connect(rest)
            if len(more) == len(rest):
                raise self.summed_up([*failures, *more], "eth_chainId", ())

    def ranked_for(self, requests: Sequence[Request]) -> list[Endpoint]:
        """Those that may be asked all of `requests`, best first. Raises `NodeError` if there are none."""
        methods = {request.method for request in requests}
        ranked = self._ranked(methods)
        if not ranked:
            raise self.nobody(min(methods))
        return ranked

    async def close(self) -> None:
        await asyncio.gather(*(endpoint.close() for endpoint in self.endpoints))

    def summed_up(self, failures: Sequence[Exception], method: str, params: Sequence[Any]) -> Exception:
        """Why nobody answered, as one error."""
        refusals = [error for error in failures if isinstance(error, RpcError)]
        stateless = next((error for error in refusals if _meaning(error, method, params) is Meaning.NO_STATE), None)
        if stateless is not None:
            return NoArchive(
                method,
                stateless.code,
                f"no endpoint of {self.network.name} has so old a state ({stateless.message}); "
                "name an endpoint with an archive, or ask of a later block",
                stateless.data,
            )
        if refusals:
            return refusals[-1]
        if len(failures) == 1:
            return failures[0]
        kinds = {type(error) for error in failures}
        reasons = "; ".join(str(error).partition("; ")[0] for error in failures)
        kind = next(iter(kinds)) if kinds in ({WrongChain}, {QuotaSpent}) else Unreachable
        return kind(f"no endpoint of {self.network.name} answers: {reasons}; mend one or add another under [node]")

    async def _connect(self, endpoints: Sequence[Endpoint]) -> list[Exception]:
        """Why those that cannot be reached cannot. Raises `WrongChain`: a wrong address is refused at the start."""
        outcomes = await asyncio.gather(*(endpoint.ready() for endpoint in endpoints), return_exceptions=True)
        failures: list[Exception] = []
        for endpoint, outcome in zip(endpoints, outcomes, strict=True):
            if isinstance(outcome, WrongChain) or (
                isinstance(outcome, BaseException) and not isinstance(outcome, Unreachable)
            ):
                raise outcome
            if isinstance(outcome, Unreachable):
                failures.append(outcome)
                if len(self.endpoints) > 1:
                    endpoint.note_down(str(outcome))
                endpoint.health.failed()
        return failures

    async def _ask_again_if_lost(
        self, endpoint: Endpoint, asking: Asking[Read], method: str, params: Sequence[Any]
    ) -> Read:
        """There is nobody else: if the connection drops under the question, it is asked again over another."""
        try:
            return await asking(endpoint)
        except Unreachable:
            if endpoint.connected or not endpoint.streams or endpoint.health.dropped:
                raise
        except RpcError as error:
            if _meaning(error, method, params) is Meaning.NO_STATE:
                raise self.summed_up([error], method, params) from None
            raise
        return await asking(endpoint)

    def _ranked(self, methods: Collection[str]) -> list[Endpoint]:
        """Those that may be asked all of `methods`, best first. Of those that were given a rest only the one that rests
        least.
        """
        able = [endpoint for endpoint in self.usable if all(map(endpoint.may_be_asked, methods))]
        if not able:
            # Who stands before several nodes says so too while none of them answers.
            able = [endpoint for endpoint in self.usable if all(map(endpoint.may_be_tried, methods))]
        well = [endpoint for endpoint in able if not endpoint.health.broken]
        if not well:
            return sorted(able, key=lambda endpoint: endpoint.health.broken_until_s)[:1]
        return sorted(well, key=self._rank)

    def _rank(self, endpoint: Endpoint) -> tuple[bool, bool, bool, float]:
        health = endpoint.health
        return (
            endpoint.limiter.wait_s() > 0,
            endpoint.settings.backup,
            endpoint is not self.leader,
            health.latency_s * (1.0 + _ERROR_WEIGHT * health.errors),
        )

    def _patience_s(self, pending: dict[asyncio.Task[Read], Endpoint], queue: deque[Endpoint]) -> float | None:
        """How long the first is waited for alone; None where a second would cost too much, or is there already."""
        if len(pending) != 1 or not queue or not queue[0].quota.to_spare() or queue[0].limiter.wait_s() > 0:
            return None
        [asked] = pending.values()
        p95_s = asked.health.p95_s
        return None if p95_s is None else max(p95_s, _LEAST_HEDGE_S)

    def nobody(self, method: str) -> NodeError:
        """Why nobody may even be asked."""
        why, kinds = [], set[type[NodeError]]()
        for endpoint in self.endpoints:
            dropped = endpoint.health.dropped
            if dropped is not None:
                why.append(f"{endpoint.name}: {dropped.fault}, {dropped.detail}")
                kinds.add(WrongChain if dropped.fault is Fault.WRONG_CHAIN else Unreachable)
            elif method in endpoint.not_asked:
                why.append(f"{endpoint.name}: may not be asked for it")
                kinds.add(Unreachable)
            else:
                why.append(f"{endpoint.name}: today's units are used up")
                kinds.add(QuotaSpent)
        kind = kinds.pop() if len(kinds) == 1 else Unreachable
        return kind(
            f"no endpoint of {self.network.name} can be asked {method}: {'; '.join(why)}; "
            "mend one or add another under [node]"
        )

    def _count(self, calls: int) -> None:
        self.calls_made += calls


def _archives_first(queue: deque[Endpoint]) -> deque[Endpoint]:
    """Who may have old state; those that are known not to have it need not be asked."""
    able = [endpoint for endpoint in queue if endpoint.settings.archive is not False]
    return deque(sorted(able, key=lambda endpoint: not endpoint.settings.archive))


def _heard(task: asyncio.Task[Any]) -> None:
    """Take note of how `task` ended: one that loses the race may fail without anybody waiting for it."""
    if not task.cancelled():
        task.exception()


def is_final(error: BaseException, method: str, params: Sequence[Any]) -> bool:
    """Whether every endpoint would say so."""
    return isinstance(error, RpcError) and _meaning(error, method, params) in (Meaning.FINAL, Meaning.LOG_RANGE)


def _meaning(error: RpcError, method: str, params: Sequence[Any]) -> Meaning:
    by_hash = any(isinstance(param, dict) and "blockHash" in param for param in params)
    return meaning(error, method, by_hash)
