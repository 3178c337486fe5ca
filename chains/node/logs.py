"""Event logs of one block, by its hash."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from chains.anvil import RpcError
from chains.blocks import Head, Log
from chains.node import wire
from chains.node.documents import is_view
from chains.node.endpoint import Endpoint
from chains.node.errors import BadAnswer
from chains.node.pool import Pool
from chains.node.refusals import Meaning, meaning
from chains.node.wire import bloom_of

_METHOD = "eth_getLogs"
_RECEIPTS = "eth_getBlockReceipts"
_NOT_NOW = (Meaning.NO_BLOCK, Meaning.NO_STATE, Meaning.INTERNAL)


async def logs_of_block(pool: Pool, head: Head, topics: Sequence[bytes], bloom: int | None = None) -> Sequence[Log]:
    """The block's logs whose first topic is one of `topics`; an answer that is not of this block is not believed.

    Where its `bloom` is given, which says that there may be some, none is believed of who gives all of its logs. Raises
    `RpcError`, `Unreachable`, `WrongChain`.
    """
    wanted, asked = _first_topics(tuple(topics))

    def read(endpoint: Endpoint, documents: Any) -> Sequence[Log]:
        found: Sequence[Log]
        if is_view(documents):
            # All of one block, in order, each once; that a `Log` can be made of each was seen too.
            _require_of(endpoint, documents[0], head)
            found, first_topics = documents, documents.first_topics
        else:
            found = _read_of(endpoint, documents, head)
            first_topics = tuple(log.topics[0] if log.topics else b"" for log in found)
        if not wanted.issuperset(first_topics):
            raise endpoint.disprove(f"for the logs of block {head.number} it gave one that was not asked for")
        return found

    try:
        found = await pool.ask(_METHOD, ({"blockHash": head.hash, "topics": [asked]},), read, as_arrays=True)
    except RpcError as error:
        if meaning(error, _METHOD, by_hash=True) is not Meaning.TOO_LONG:
            raise
        # Anyone can fill a block with logs of these topics: they would be asked for without end.
        every = await pool.ask(_RECEIPTS, (head.hash,), partial(_of_receipts, head))
        return tuple(log for log in every if log.topics and log.topics[0] in wanted)
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


def _of_receipts(head: Head, endpoint: Endpoint, documents: Any) -> tuple[Log, ...]:
    """All logs of a block, of its receipts. Raises as `_read_of`."""
    try:
        logs = [log for receipt in documents for log in receipt["logs"]]
    except (KeyError, TypeError):
        raise BadAnswer(f"{endpoint.name}: gave no receipts of block {head.number}") from None
    return _read_of(endpoint, logs, head)


@lru_cache(maxsize=8)
def _first_topics(topics: tuple[bytes, ...]) -> tuple[frozenset[bytes], list[str]]:
    """The topics of a subscription, as its logs are held against them and as they are asked for: for every block."""
    return frozenset(topics), ["0x" + topic.hex() for topic in topics]


def _read_of(endpoint: Endpoint, documents: Any, head: Head) -> tuple[Log, ...]:
    """The logs in an answer about one block, in order, each of it and once. Raises `BadAnswer`, `Disproved`."""
    try:
        found = wire.logs(documents)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadAnswer(f"{endpoint.name}: gave logs that cannot be read") from None
    for log in found:
        _require_of(endpoint, log, head)
    if len({log.log_index for log in found}) != len(found):
        raise endpoint.disprove(f"it gave a log of block {head.number} twice")
    return found


def _require_of(endpoint: Endpoint, log: Log, head: Head) -> None:
    """Raises `Disproved` for a log of another block."""
    if log.block_hash != head.hash or log.block_number != head.number:
        raise endpoint.disprove(f"for the logs of block {head.number} it gave one of block {log.block_hash}")
