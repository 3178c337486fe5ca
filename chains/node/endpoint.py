"""One endpoint: connected when needed, asked within its limits, counted, and held to its chain."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from chains.anvil import RpcError
from chains.blocks import Head
from chains.networks import Network
from chains.node import wire
from chains.node.answers import ASK_LESS, Answer, Request
from chains.node.conversation import Subscription
from chains.node.endpoints import EndpointSettings, Wire
from chains.node.errors import BadAnswer, Busy, Disproved, QuotaSpent, Unreachable, WrongChain
from chains.node.events import Events
from chains.node.headers import header_hash
from chains.node.health import Fault, Health
from chains.node.http import HttpTransport
from chains.node.ipc import IpcSocket
from chains.node.limits import Limiter
from chains.node.quota import Quota
from chains.node.refusals import Meaning, meaning
from chains.node.socket import NodeSocket
from chains.node.transport import NodeClock, Transport
from chains.node.wire import Header

_CHAIN_CHECK_EVERY_S = 300.0
_SUSPECTED_AT_MOST_EVERY_S = 1.0
_REST_BLOCKS = 0.5
_LEAST_LONGEST_REST_S = 0.5
"""An endpoint that is well again is found out within half a block, or half a second."""
_LONGEST_REST = 12
_WITHOUT_BASE_FEE = "legacy"


class Hashing:
    """Whether this chain's headers are hashed as Ethereum's are: known once one of them was."""

    def __init__(self) -> None:
        self.holds = False


class Batches:
    """Whether an endpoint takes several calls in one message, as far as is known."""

    def __init__(self) -> None:
        self._refused = False
        self._lost = 0
        self._rest = 0

    def next(self) -> bool:
        """Whether the next calls go in one message. After each such message that was lost, ever fewer do."""
        if self._rest:
            self._rest -= 1
            return False
        return not self._refused

    def refused(self) -> None:
        """What it refused so, it answered call by call."""
        self._refused = True

    def lost(self) -> None:
        """The connection broke, or nothing came: that may be chance, or how it refuses."""
        self._rest = 2 ** min(self._lost, _LONGEST_REST)
        self._lost += 1

    def answered(self) -> None:
        self._lost = 0


class Endpoint:
    """`count` is told how many calls are made; `reconnects` counts lost connections that were made again.

    Whoever relies on it is in `when_dropped`, and told when it is not believed any more.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        network: Network,
        clock: NodeClock,
        *,
        timeout_s: float,
        quota: Quota,
        events: Events,
        hashing: Hashing,
        count: Callable[[int], None],
        rng: random.Random,
    ) -> None:
        self._clock = clock
        self.settings = settings
        self.name = settings.name
        self.streams = settings.wire is not Wire.HTTP
        self.quota = quota
        longest_rest_s = max(_REST_BLOCKS * network.block_time_s, _LEAST_LONGEST_REST_S)
        self.health = Health(self.now_s, rng, longest_rest_s)
        self.limiter = Limiter(settings.requests_per_s, self.now_s, rng, longest_rest_s)
        self.not_asked = set(settings.not_asked)
        self.hash_parameters = True
        self.batches = Batches()
        self.reconnects = 0
        self.silences = 0
        """How often in a row its subscription told of nothing while the chain went on."""
        self.when_dropped: set[Callable[[], None]] = set()
        self._network = network
        self._timeout_s = timeout_s
        self._events = events
        self._hashing = hashing
        self._count = count
        self._transport: Transport | None = None
        self._connecting = asyncio.Lock()
        self._failures = 0
        self._failure = ""
        self._closed = False
        self._down = False
        self._chain_due_s: float | None = None
        self._chain_seen_s = float("-inf")

    @property
    def connected(self) -> bool:
        return self._transport is not None and self._transport.open and self._chain_due_s is not None

    @property
    def tells(self) -> bool:
        """Whether its heads come by subscription, as far as is known."""
        return self.streams and "eth_subscribe" not in self.not_asked

    @property
    def subscriptions(self) -> int:
        return self._transport.subscriptions if self._transport else 0

    def now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def now_ns(self) -> int:
        return self._clock.monotonic_ns()

    def may_be_asked(self, method: str) -> bool:
        return method not in self.not_asked and self.quota.allows(method)

    def may_be_tried(self, method: str) -> bool:
        """Whether it may be asked what it once said not to have."""
        return method not in self.settings.not_asked and self.quota.allows(method)

    def suspect(self) -> None:
        """Something did not fit: ask for the chain id again before anything else is believed."""
        if self.now_s() - self._chain_seen_s >= _SUSPECTED_AT_MOST_EVERY_S:
            self._chain_due_s = None

    async def ready(self) -> Transport:
        """The connection, its chain checked. Raises `Unreachable`, `WrongChain`.

        Whoever waits while another tries waits for that one try: where nothing answers, each takes its whole time.
        """
        failures = self._failures
        async with self._connecting:
            if self._closed:
                raise Unreachable(f"{self.name}: this node was closed")
            if self._failures != failures:
                raise Unreachable(self._failure)
            try:
                return await self._ready()
            except Unreachable as error:
                self._failures += 1
                self._failure = str(error)
                raise

    async def _ready(self) -> Transport:
        transport = self._transport
        if transport is None or not transport.open:
            transport = await self._connect()
        if self._chain_due_s is None or self.now_s() >= self._chain_due_s:
            try:
                await self._check_chain(transport)
            except BaseException:
                await transport.shut()
                raise
        return transport

    async def ask(self, method: str, *params: Any, as_arrays: bool = False) -> Any:
        """The result of one call. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        [answer] = await self.batch([Request(method, params, as_arrays)])
        if not isinstance(answer, RpcError):
            return answer
        self.refuses(answer, method, params)
        try:
            raise answer
        finally:
            # The error holds this frame, which would hold the error: neither would go before garbage is looked for.
            del answer

    def refuses(self, answer: RpcError, method: str, params: Sequence[Any]) -> None:
        """Take from a refusal what it says of the endpoint itself. Raises `Busy`."""
        match meaning(answer, method, by_hash(params)):
            case Meaning.BUSY:
                self._told_busy(None)
                raise Busy(f"{self.name}: {answer.message}; {ASK_LESS}")
            case Meaning.NO_BLOCK:
                self.suspect()
            case Meaning.NO_METHOD:
                self.not_asked.add(method)

    async def batch(self, requests: Sequence[Request]) -> list[Answer]:
        """Several calls in one message, answers in order. Raises `Unreachable`, `WrongChain`."""
        await self._wait_turn(requests)
        try:
            transport = await self.ready()
        except Busy as error:
            self._told_busy(error.retry_after_s)
            raise
        except Unreachable:
            self._note_failure()
            raise
        return await self._exchange(transport, requests)

    async def latest(self) -> Header:
        """Its head. Raises as `ask`."""
        header = self.read_head(await self.ask("eth_getBlockByNumber", "latest", False))
        self.health.told(header)
        return header

    async def header_by_number(self, number: int) -> Header | None:
        """Its block of that height. Raises as `ask`."""
        document = await self.ask("eth_getBlockByNumber", hex(number), False)
        return self.read_header(document) if document else None

    async def require_founded(self, head: Head, below: int) -> None:
        """Ask for the block that is so far `below` the `head` of which it told. Raises `Disproved`, and as `ask`.

        What answers may lag a little behind what told.
        """
        number = max(0, head.number - below)
        if await self.header_by_number(number) is None:
            raise self.disprove(f"it tells of block {head.number} and has no block {number}")

    def read_header(self, document: Any, arrived_ns: int | None = None) -> Header:
        """A header it told, with its hash recomputed where that is possible. Raises `BadAnswer`, `Disproved`."""
        try:
            header = wire.header(document, self.now_ns() if arrived_ns is None else arrived_ns)
        except (KeyError, TypeError, ValueError):
            raise BadAnswer(f"{self.name}: told of a block that cannot be read") from None
        computed = header_hash(document)
        if computed == header.head.hash:
            self._hashing.holds = True
        elif computed is not None and self._hashing.holds:
            raise self.disprove(
                f"block {header.head.number} does not have the hash {header.head.hash} it was told with"
            )
        return header

    def read_head(self, document: Any, arrived_ns: int | None = None) -> Header:
        """A header that may be decided on, which must tell its base fee where the network has one. Raises as
        `read_header`.
        """
        header = self.read_header(document, arrived_ns)
        if self._network.gas.name != _WITHOUT_BASE_FEE and not document.get("baseFeePerGas"):
            raise BadAnswer(f"{self.name}: told of block {header.head.number} without its base fee")
        return header

    def disprove(self, detail: str) -> Unreachable:
        """Leave it out as lying, because of `detail`; the error to raise."""
        self.drop(Fault.LYING, detail)
        return Disproved(f"{self.name}: {detail}; it is not believed")

    def drop(self, fault: Fault, detail: str) -> None:
        """Leave it out until it proves that the fault is over."""
        fresh = self.health.dropped is None
        self.health.drop(fault, detail)
        if fresh:
            self._events.tell("endpoint_dropped", f"{self.name}: {fault}: {detail}")
            for told in tuple(self.when_dropped):
                told()

    async def listen(self, subscription: Subscription) -> None:
        """Be told of new heads. Raises `RpcError`, `Unreachable`, `WrongChain`."""
        transport = await self.ready()
        self._spend("eth_subscribe")
        await transport.listen(subscription, "newHeads")

    async def unlisten(self, subscription: Subscription) -> None:
        if self._transport is not None and self._transport.open:
            await self._transport.unlisten(subscription)

    async def hang_up(self) -> None:
        """Give up the connection; the next question makes another."""
        if self._transport is not None:
            await self._transport.shut()

    async def close(self) -> None:
        """Disconnect for good, and write down what was used."""
        self._closed = True
        await self.hang_up()
        self.quota.write()

    async def _connect(self) -> Transport:
        if self._transport is not None:
            self.reconnects += self.streams
            await self._transport.shut()
        self._chain_due_s = None
        settings = self.settings
        transport: Transport
        match settings.wire:
            case Wire.WS:
                transport = NodeSocket(settings.url, self.now_ns, self._timeout_s)
            case Wire.IPC:
                transport = IpcSocket(settings.path, self.now_ns, self._timeout_s)
            case Wire.HTTP:
                transport = HttpTransport(settings.url, self._timeout_s)
        await transport.open_up()
        self._transport = transport
        return transport

    async def _check_chain(self, transport: Transport) -> None:
        self._chain_due_s = None
        self._spend("eth_chainId")
        [answer] = await transport.exchange([Request("eth_chainId", ())])
        try:
            if isinstance(answer, RpcError):
                raise answer
            chain_id = int(answer, 16)
        except (RpcError, ValueError) as error:
            raise Unreachable(f"{self.name}: what answers is not an Ethereum node ({error})") from None
        if chain_id != self._network.chain_id:
            self.drop(Fault.WRONG_CHAIN, f"it is on chain {chain_id}")
            raise WrongChain(
                f"{self.name}: the node is on chain {chain_id}, but network {self._network.name} is chain "
                f"{self._network.chain_id}; correct the address or the network"
            )
        self._chain_seen_s = self.now_s()
        self._chain_due_s = self._chain_seen_s + _CHAIN_CHECK_EVERY_S

    async def _wait_turn(self, requests: Sequence[Request]) -> None:
        spent = [request.method for request in requests if not self.quota.allows(request.method)]
        if spent:
            raise QuotaSpent(
                f"{self.name}: {spent[0]} would go beyond today's {self.quota.cap} units; "
                "raise daily_units, add an endpoint, or wait until 00:00 UTC"
            )
        wait_s = self.limiter.wait_s()
        if wait_s > self._timeout_s:
            raise Busy(f"{self.name}: asked to be left alone for another {wait_s:.0f} s", wait_s)
        self.limiter.take(len(requests))
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _exchange(self, transport: Transport, requests: Sequence[Request]) -> list[Answer]:
        for request in requests:
            self._spend(request.method)
        begun_s = self.now_s()
        try:
            found = await transport.exchange(requests)
        except Busy as error:
            self._told_busy(error.retry_after_s)
            raise
        except BadAnswer:
            self.suspect()
            self._note_failure()
            raise
        except Unreachable:
            self._note_failure()
            raise
        self.health.answered(self.now_s() - begun_s)
        self.limiter.answered()
        if self._down:
            self._down = False
            self._events.tell("endpoint_back", f"{self.name}: answers again", grave=False)
        return found

    def _spend(self, method: str) -> None:
        self._count(1)
        self.quota.spend(method)

    def _told_busy(self, retry_after_s: float | None) -> None:
        pause_s = self.limiter.refused(retry_after_s)
        self._events.tell(
            "endpoint_busy", f"{self.name}: too many requests; left alone for {pause_s:.1f} s", grave=False
        )

    def note_down(self, detail: str) -> None:
        """Tell once that it does not answer; that it does again is told too."""
        if not self._down:
            self._down = True
            self._events.tell("endpoint_down", detail)

    def _note_failure(self) -> None:
        if self.health.failed():
            self.note_down(f"{self.name}: failed {self.health.failures_in_a_row} times in a row")


def by_hash(params: Sequence[Any]) -> bool:
    """Whether a call names its block by the hash."""
    return any(isinstance(param, dict) and "blockHash" in param for param in params)
