"""Event logs: of one block by its hash, and of many in ranges that shrink and grow with what endpoints give."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from chains.anvil import RpcError
from chains.blocks import Head, Log
from chains.node import wire
from chains.node.endpoint import Endpoint
from chains.node.errors import BadAnswer, LogLimit, RangeGone, Unreachable
from chains.node.pool import Pool
from chains.node.refusals import Meaning, meaning
from chains.node.wire import bloom_of

_METHOD = "eth_getLogs"
_FIRST_LENGTH = 2_000
_LONGEST = 100_000
_FEW_LOGS = 5_000
_FIRST_PATIENCE = 4
_LONGEST_PATIENCE = 256
_NOT_NOW = (Meaning.NO_BLOCK, Meaning.NO_STATE, Meaning.INTERNAL)


@dataclass(frozen=True, slots=True)
class LogChunk:
    """All logs that were asked for in `blocks`, in order."""

    blocks: range
    logs: tuple[Log, ...]


async def logs_of_block(pool: Pool, head: Head, topics: Sequence[bytes], bloom: int | None = None) -> tuple[Log, ...]:
    """The block's logs whose first topic is one of `topics`; an answer that is not of this block is not believed.

    Where its `bloom` is given, which says that there may be some, none is believed of who gives all of its logs. Raises
    `RpcError`, `Unreachable`, `WrongChain`.
    """
    wanted, asked = _first_topics(tuple(topics))

    def read(endpoint: Endpoint, documents: Any) -> tuple[Log, ...]:
        found = _read_of(endpoint, documents, head)
        if any(not log.topics or log.topics[0] not in wanted for log in found):
            raise endpoint.disprove(f"for the logs of block {head.number} it gave one that was not asked for")
        return found

    found = await pool.ask(_METHOD, ({"blockHash": head.hash, "topics": [asked]},), read)
    if found or bloom is None:
        return found

    def read_all(endpoint: Endpoint, documents: Any) -> tuple[Log, ...]:
        every = _read_of(endpoint, documents, head)
        if bloom & ~bloom_of(every):
            raise endpoint.disprove(f"it gave {len(every)} logs of block {head.number}, whose bloom tells of others")
        return tuple(log for log in every if log.topics and log.topics[0] in wanted)

    # Some nodes answer with nothing, and no error, for blocks that they do not have.
    criteria = {"blockHash": head.hash, "topics": list[str]()}
    try:
        return await pool.ask(_METHOD, (criteria,), read_all)
    except RpcError as error:
        if meaning(error, _METHOD, by_hash=True) in _NOT_NOW:
            raise
        # It gives no logs but of topics: there is nothing that its word could be held against.
        return found


class LogRanges:
    """Remembers what length of range the endpoints of `pool` give."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._length = _FIRST_LENGTH
        self._longest = _LONGEST
        self._patience = _FIRST_PATIENCE
        self._given = 0

    async def read(self, blocks: range, topics: Sequence[bytes], addresses: Sequence[str]) -> AsyncGenerator[LogChunk]:
        """See `Node.logs`."""
        if blocks.step != 1:
            raise ValueError("blocks are read without gaps: a range of step 1")
        criteria: dict[str, Any] = {}
        if topics:
            criteria["topics"] = [["0x" + topic.hex() for topic in topics]]
        if addresses:
            criteria["address"] = list(addresses)
        at = blocks.start
        while at < blocks.stop:
            chunk = range(at, min(at + self._length, blocks.stop))
            found = await self._chunk(chunk, criteria)
            if found is not None:
                yield LogChunk(chunk, found)
                at = chunk.stop

    async def _chunk(self, chunk: range, criteria: Mapping[str, Any]) -> tuple[Log, ...] | None:
        """The chunk's logs; None if it has to be shorter, which is remembered."""
        span = {**criteria, "fromBlock": hex(chunk.start), "toBlock": hex(chunk.stop - 1)}

        def read(endpoint: Endpoint, documents: Any) -> tuple[Log, ...]:
            found = _read(endpoint, documents)
            if any(log.block_number not in chunk for log in found):
                raise endpoint.disprove(f"for the logs of blocks {chunk.start} to {chunk.stop - 1} it gave others")
            return found

        try:
            found = await self._pool.ask(_METHOD, (span,), read)
        except RpcError as error:
            what = meaning(error, _METHOD)
            if what is Meaning.NO_BLOCK:
                raise await self._gone(chunk, str(error)) from None
            if what is not Meaning.LOG_RANGE:
                raise
            self._shrink(chunk, error.message)
            return None
        except Unreachable as error:
            # A range that is too long is often answered with a time-out, or with an answer that is cut off.
            if len(chunk) == 1:
                raise
            self._shrink(chunk, str(error))
            return None
        await self._require_there(chunk, found)
        self._grow(chunk, len(found))
        return found

    async def _require_there(self, chunk: range, found: Sequence[Log]) -> None:
        """Some nodes answer with nothing, and no error, for blocks that they do not have."""
        last = chunk.stop - 1
        if found and found[-1].block_number == last:
            return
        header = await self._pool.ask("eth_getBlockByNumber", (hex(last), False), _header)
        if header is None:
            raise await self._gone(chunk, "there is no such block")

    async def _gone(self, chunk: range, why: str) -> RangeGone:
        latest = await self._pool.ask("eth_getBlockByNumber", ("latest", False), _header)
        newest = latest.head.number if latest else 0
        return RangeGone(
            f"blocks {chunk.start} to {chunk.stop - 1} of {self._pool.network.name} cannot be read ({why}); the newest "
            f"is block {newest}: ask for what is there, anew if it was reorganised"
        )

    def _shrink(self, chunk: range, why: str) -> None:
        if len(chunk) == 1:
            raise LogLimit(
                f"block {chunk.start} of {self._pool.network.name} alone has more logs than an endpoint gives ({why}); "
                "ask for fewer addresses, or name another endpoint"
            )
        if self._given:
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
        self._given = 0
        self._longest = max(len(chunk) - 1, 1)
        self._length = max(len(chunk) // 2, 1)

    def _grow(self, chunk: range, logs: int) -> None:
        """After an answer that was far from too much. What failed is tried again after a while, ever longer."""
        if len(chunk) < self._length or logs > _FEW_LOGS:
            return
        self._given += 1
        if self._length >= self._longest:
            if self._given < self._patience:
                return
            self._longest = min(2 * self._longest, _LONGEST)
        self._length = min(2 * self._length, self._longest)


@lru_cache(maxsize=8)
def _first_topics(topics: tuple[bytes, ...]) -> tuple[frozenset[bytes], list[str]]:
    """The topics of a subscription, as its logs are held against them and as they are asked for: for every block."""
    return frozenset(topics), ["0x" + topic.hex() for topic in topics]


def _read_of(endpoint: Endpoint, documents: Any, head: Head) -> tuple[Log, ...]:
    """The logs in an answer about one block, each of it and once. Raises `BadAnswer`, `Disproved`."""
    found = _read(endpoint, documents)
    for log in found:
        if log.block_hash != head.hash or log.block_number != head.number:
            raise endpoint.disprove(f"for the logs of block {head.number} it gave one of block {log.block_hash}")
    if len({log.log_index for log in found}) != len(found):
        raise endpoint.disprove(f"it gave a log of block {head.number} twice")
    return found


def _read(endpoint: Endpoint, documents: Any) -> tuple[Log, ...]:
    """The logs in an answer, in order. Raises `BadAnswer`."""
    try:
        return wire.logs(documents)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadAnswer(f"{endpoint.name}: gave logs that cannot be read") from None


def _header(endpoint: Endpoint, document: Any) -> wire.Header | None:
    return endpoint.read_header(document) if document else None
