"""A contract that emits one log, and a TCP proxy that can drop, stall and refuse connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Protocol, Self

from bot.clock import SystemClock
from chains.anvil import Anvil
from chains.assets import address
from chains.blocks import Block, ChainEvent, Undone
from chains.networks import Network, load_network
from chains.node import EndpointSettings, Node

TOPIC = bytes(31) + b"\x07"
OTHER_TOPIC = bytes(31) + b"\x08"
SENDER = address("0x" + "11" * 20)
LOGGER = address("0x" + "ee" * 20)
# CALLDATALOAD(0) as the only topic of an empty log: PUSH1 0 CALLDATALOAD PUSH1 0 PUSH1 0 LOG1 STOP
LOGGER_CODE = "0x60003560006000a100"


def twin_network(**changes: Any) -> Network:
    return replace(load_network("twin"), **changes)


@contextlib.asynccontextmanager
async def chain(*arguments: str) -> AsyncIterator[Anvil]:
    """An Anvil that mines only when told, with a funded, impersonated sender and the logger."""
    async with Anvil(["--no-mining", "--chain-id", "31337", *arguments]) as anvil:
        await anvil.rpc("anvil_setBalance", SENDER, hex(10**24))
        await anvil.rpc("anvil_setCode", LOGGER, LOGGER_CODE)
        await anvil.rpc("anvil_impersonateAccount", SENDER)
        yield anvil


async def emit(anvil: Anvil, topic: bytes = TOPIC, mine: bool = True) -> str:
    """Have the logger emit `topic`; the transaction's hash."""
    tx = {"from": SENDER, "to": LOGGER, "data": "0x" + topic.hex(), "gas": hex(100_000)}
    tx_hash = str(await anvil.rpc("eth_sendTransaction", tx))
    if mine:
        await anvil.rpc("evm_mine")
    return tx_hash


async def mine(anvil: Anvil, count: int = 1) -> None:
    for _ in range(count):
        await anvil.rpc("evm_mine")


def node_on(*urls: str | EndpointSettings, network: Network | None = None, **options: Any) -> Node:
    endpoints = [url if isinstance(url, EndpointSettings) else EndpointSettings(url) for url in urls]
    patience = {"request_timeout_s": 2.0, "head_timeout_s": 2.0, **options}
    return Node(network or twin_network(), endpoints, SystemClock(), **patience)


class Follow:
    """A reader of `Node.blocks` that rebuilds the chain from its events and checks that it never breaks."""

    def __init__(self, events: AsyncIterator[ChainEvent]) -> None:
        self._events = events
        self.chain: list[Block] = []
        self.undone: list[Undone] = []

    async def until(self, done: Callable[[], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not done():
                self.take(await anext(self._events))

    async def until_height(self, number: int) -> None:
        await self.until(lambda: bool(self.chain) and self.chain[-1].head.number == number)

    def take(self, event: ChainEvent) -> None:
        if isinstance(event, Undone):
            dropped = [self.chain.pop().head.hash for _ in event.dropped]
            assert tuple(dropped) == event.dropped
            assert not self.chain or self.chain[-1].head == event.ancestor
            self.undone.append(event)
            return
        if self.chain:
            assert event.head.parent_hash == self.chain[-1].head.hash
            assert event.head.number == self.chain[-1].head.number + 1
        self.chain.append(event)

    @property
    def hashes(self) -> list[str]:
        return [block.head.hash for block in self.chain]


async def canonical(anvil: Anvil, first: int, last: int) -> list[str]:
    return [(await anvil.rpc("eth_getBlockByNumber", hex(n), False))["hash"] for n in range(first, last + 1)]


class Listening(Protocol):
    """Whatever a proxy can stand before."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class TcpProxy:
    """A TCP proxy in front of a local port. `drop` cuts every connection.

    `stalled` swallows bytes silently, `muted` only those that come back: what is asked is done, and never answered.
    """

    def __init__(self, target: Listening) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.stalled = False
        self.muted = False
        self.refusing = False
        self.connections = 0

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def point_to(self, target: Listening) -> None:
        self._target = target

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers |= {writer, up_writer}
        for source, sink, answers in ((reader, up_writer, False), (up_reader, writer, True)):
            pump = asyncio.create_task(self._pump(source, sink, answers=answers))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                if not (self.stalled or (answers and self.muted)):
                    sink.write(data)
                    await sink.drain()
            sink.close()
