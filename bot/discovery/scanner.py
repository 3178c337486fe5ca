"""Logs over any range of blocks, in pieces that shrink and grow with what the node gives, down to a block or a log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.discovery.errors import ScanFailed
from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Log
from chains.node import wire
from chains.node.answers import Answer, Request
from chains.node.errors import Busy, Unreachable

FIRST_SPAN = 2_000
WIDEST_SPAN = 500_000
_GROWTH = 2
_COMFORTABLE_LOGS = 2_000
"""Below so many logs in an answer, the next range is wider."""
_SUSPECT = 1_000
"""Providers that cut answers off do so at a multiple of this; such an answer is asked for again, in halves."""
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
_LONGEST_PAUSE_S = 60.0
_NARROW = 8
"""The widest range that is given is looked for to this part of itself."""
_FORGOTTEN = 64
"""After so many ranges a width that was refused is tried again: there may be fewer logs by now."""
_TOO_FAST = re.compile(r"rate|too many requests|capacity|throttl|429", re.I)
_GONE = re.compile(r"pruned|missing trie|history .*(not|un)available|not available|archive", re.I)


class Requests(Protocol):
    """What scanning needs of a node."""

    async def request(self, method: str, *params: Any) -> Any: ...

    async def request_all(self, requests: Sequence[Request]) -> list[Answer]: ...


class _Behind(ScanFailed):
    """Who gave logs does not have the newest block: those of the last ones may be missing."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """The logs of blocks `first` to `last`, in order."""

    first: int
    last: int
    logs: tuple[Log, ...]


class RangeScanner:
    """Asks a node for logs of some emitters with some first topics. `span` is how many blocks it asks for at a time.

    Who answers must have block `newest`.
    """

    def __init__(
        self,
        node: Requests,
        topics: Collection[bytes],
        newest: int,
        addresses: Collection[Address] = (),
        span: int = FIRST_SPAN,
    ) -> None:
        self._node = node
        self._topics = sorted(topics)
        self._addresses = sorted(addresses)
        self._newest = newest
        self.span = span
        self._given = 0
        self._refused = 0
        self._since = 0

    async def scan(self, first: int, last: int) -> AsyncIterator[Scanned]:
        """Everything from block `first` to `last`, both included, piece by piece. Raises `ScanFailed`, `NodeError`."""
        while first <= last:
            piece = await self._piece(first, min(first + self.span - 1, last))
            yield piece
            first = piece.last + 1

    async def _piece(self, first: int, last: int) -> Scanned:
        """The range, or as much of its beginning as the node answers at once."""
        pauses, silences = iter(_PAUSES_S), iter(_PAUSES_S)
        while True:
            try:
                documents = await self._logs(first, last)
            except RpcError as error:
                if _TOO_FAST.search(error.message) and (pause_s := next(pauses, None)) is not None:
                    await asyncio.sleep(pause_s)
                    continue
                if first == last:
                    return Scanned(first, last, await self._one_block(first, error))
                last = self._shrunk(first, last)
                continue
            except _Behind:
                if (pause_s := next(pauses, None)) is None:
                    raise
                await asyncio.sleep(pause_s)
                continue
            except Busy as error:
                if (pause_s := next(pauses, None)) is None:
                    raise
                await asyncio.sleep(max(pause_s, min(error.retry_after_s or 0.0, _LONGEST_PAUSE_S)))
                continue
            except Unreachable:
                # A range too wide may be answered with silence.
                if next(silences, None) is None:
                    raise
                last = self._shrunk(first, last)
                continue
            if first < last and documents and len(documents) % _SUSPECT == 0:
                last = self._shrunk(first, last)
                continue
            if last - first + 1 == self.span and len(documents) <= _COMFORTABLE_LOGS:
                self._grow()
            return Scanned(first, last, _in_order(documents, first, last))

    def _grow(self) -> None:
        """Ask for more from now on: up to a width that was refused lately, towards which every step is half the way."""
        self._given = self.span
        self._since += 1
        if self._since > _FORGOTTEN:
            self._refused = 0
        if self._refused <= self.span:
            self.span = min(self.span * _GROWTH, WIDEST_SPAN)
        elif self._refused - self.span > self.span // _NARROW:
            self.span = min(self.span * _GROWTH, (self.span + self._refused) // 2)

    def _shrunk(self, first: int, last: int) -> int:
        """The last block of the range's first half, or of what was given last, if that is more: so much is asked for
        from now on.
        """
        width = last - first + 1
        self._refused, self._since = width, 0
        half = max(1, width // 2)
        self.span = self._given if half < self._given < width else half
        return first + self.span - 1

    async def _logs(self, first: int, last: int) -> list[Mapping[str, Any]]:
        """Of who has the newest block: some nodes leave out what they do not have yet, without a word.

        Both are asked in one message, so that one backend of several answers both.
        """
        criteria: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(last), "topics": [self._wanted_topics()]}
        if self._addresses:
            criteria["address"] = self._addresses
        documents, block = await self._node.request_all(
            [Request("eth_getLogs", (criteria,)), Request("eth_getBlockByNumber", (hex(self._newest), False))]
        )
        if isinstance(documents, RpcError):
            raise documents
        if block is None:
            raise _Behind(f"the node gives logs and does not have block {self._newest} yet; use one that is not behind")
        if not isinstance(documents, list):
            raise ScanFailed(f"eth_getLogs of blocks {first} to {last} gave no list; use another node")
        return documents

    async def _one_block(self, number: int, refusal: RpcError) -> tuple[Log, ...]:
        """The logs of one block, whose logs the node does not give at once, out of its receipts."""
        if _GONE.search(refusal.message):
            raise ScanFailed(
                f"the node no longer has the logs of block {number} ({refusal.message}); use an archive node, or begin "
                "later with pools.from_block"
            )
        try:
            receipts = await self._node.request("eth_getBlockReceipts", hex(number))
        except RpcError:
            receipts = await self._each_receipt(number, refusal)
        try:
            documents = [log for receipt in receipts for log in receipt["logs"] if self._wants(log)]
        except (KeyError, TypeError, AttributeError):
            raise ScanFailed(f"the node gives no receipts of block {number}; use another node") from None
        return _in_order(documents, number, number)

    async def _each_receipt(self, number: int, refusal: RpcError) -> list[Mapping[str, Any]]:
        block = await self._node.request("eth_getBlockByNumber", hex(number), False)
        if not block:
            raise ScanFailed(f"the node gives no logs of block {number}: {refusal.message}")
        return [await self._node.request("eth_getTransactionReceipt", each) for each in block["transactions"]]

    def _wants(self, document: Mapping[str, Any]) -> bool:
        addresses = {address.lower() for address in self._addresses}
        topics = document["topics"]
        return (
            bool(topics)
            and topics[0] in self._wanted_topics()
            and (not addresses or document["address"].lower() in addresses)
        )

    def _wanted_topics(self) -> Sequence[str]:
        return ["0x" + topic.hex() for topic in self._topics]


def _in_order(documents: Sequence[Mapping[str, Any]], first: int, last: int) -> tuple[Log, ...]:
    """The logs of blocks `first` to `last`. Raises `ScanFailed` for what is no log of theirs."""
    try:
        logs = wire.logs(documents)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ScanFailed(f"the node gives logs of blocks {first} to {last} that cannot be read; use another") from None
    if any(not first <= log.block_number <= last for log in logs):
        raise ScanFailed(f"the node gives logs of other blocks for those of {first} to {last}; use another")
    return logs
