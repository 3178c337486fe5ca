"""Thousands of reads in a few calls through Multicall3. Batches fit themselves to what the node takes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from chains.anvil import RpcError
from chains.assets import Address, address
from chains.node.errors import Unreachable
from chains.pools.pool import Call, PoolError
from chains.pools.words import WORD, selector, unsigned, word

MULTICALL3 = address("0xcA11bde05977b3631167028862bE2a173976CA11")
CALLS_PER_BATCH = 1_000
BATCHES_IN_FLIGHT = 4

_AGGREGATE3 = selector("aggregate3((address,bool,bytes)[])")
_NO_SUCH_BLOCK = re.compile(r"header not found|unknown block|block not found|missing trie|pruned|not available", re.I)
"""Errors that a smaller batch does not mend."""
_OWN_DOING = re.compile(r"gas|revert|invalid opcode|stack|execution|memory|timeout|too large|size", re.I)
"""Errors that one call brings upon itself."""
_SILENCES = 3
"""So many batches in a row may go unanswered, each half as large as the one before."""

_Result = TypeVar("_Result")


class LoadFailed(RuntimeError):
    """The node's answer is not what Multicall3 gives."""


class Node(Protocol):
    """What loading needs of a node."""

    def call(self, to: Address, data: bytes, block_hash: str, /) -> Awaitable[bytes]: ...


Progress = Callable[[int], None]
"""Told how many more calls are answered."""


async def ask_all(node: Node, calls: Sequence[Call], block_hash: str, progress: Progress | None = None) -> list[bytes]:
    """What every one of `calls` returns as of one block, in order; empty where it failed.

    Several batches are under way at a time. One that the node refuses is halved, and the next ones are smaller until
    the node takes them again. Raises `LoadFailed`, `Unreachable`, `RpcError`.
    """
    batches = _Batches(node, calls, block_hash, progress)
    workers = [asyncio.create_task(batches.work()) for _ in range(BATCHES_IN_FLIGHT)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return batches.answers


async def ask_together(
    node: Node,
    askings: Iterable[tuple[str, Generator[tuple[Call, ...], tuple[bytes, ...], _Result]]],
    block_hash: str,
    progress: Progress | None = None,
) -> tuple[dict[str, _Result], dict[str, str]]:
    """Run every asking in step with the others: what each returned, and why the others were refused, by their names.

    There are as many rounds as the longest asking needs. Raises as `ask_all`.
    """
    results: dict[str, _Result] = {}
    refused: dict[str, str] = {}
    pending: list[tuple[str, Generator[tuple[Call, ...], tuple[bytes, ...], _Result], tuple[Call, ...]]] = []

    def go_on(
        name: str,
        asking: Generator[tuple[Call, ...], tuple[bytes, ...], _Result],
        answers: tuple[bytes, ...] | None,
    ) -> None:
        try:
            pending.append((name, asking, next(asking) if answers is None else asking.send(answers)))
        except StopIteration as finished:
            results[name] = finished.value
        except PoolError as error:
            refused[name] = str(error)

    for name, asking in askings:
        go_on(name, asking, None)
    while pending:
        calls = [call for _, _, wanted in pending for call in wanted]
        answers = iter(await ask_all(node, calls, block_hash, progress))
        waiting = list(pending)
        pending.clear()
        for name, asking, wanted in waiting:
            go_on(name, asking, tuple(next(answers) for _ in wanted))
    return results, refused


class _Batches:
    """The calls of one reading, cut into batches by whoever is free."""

    def __init__(self, node: Node, calls: Sequence[Call], block_hash: str, progress: Progress | None) -> None:
        self.answers = [b""] * len(calls)
        self._node, self._calls, self._block_hash, self._progress = node, calls, block_hash, progress
        self._next = 0
        self._size = CALLS_PER_BATCH
        self._again: list[tuple[int, int]] = []
        self._silences = 0

    async def work(self) -> None:
        while (span := self._take()) is not None:
            await self._answer(*span)

    def _take(self) -> tuple[int, int] | None:
        """The next calls to ask, as many as the node takes now."""
        if self._again:
            return self._again.pop()
        first, self._next = self._next, min(self._next + self._size, len(self._calls))
        return (first, self._next) if first < self._next else None

    async def _answer(self, first: int, last: int) -> None:
        try:
            answer = await self._node.call(MULTICALL3, aggregate3(self._calls[first:last]), self._block_hash)
        except RpcError as error:
            if _NO_SUCH_BLOCK.search(error.message):
                raise
            if last - first > 1:
                self._halve(first, last)
            elif not _OWN_DOING.search(error.message):
                raise
            else:
                # A node that cannot answer anything now says so in the same words.
                await self._node.call(MULTICALL3, aggregate3(()), self._block_hash)
            return
        except Unreachable:
            self._silences += 1
            if last - first == 1 or self._silences > _SILENCES:
                raise
            self._halve(first, last)
            return
        self.answers[first:last] = decode_aggregate3(answer, last - first)
        self._silences = 0
        self._size = min(max(self._size, last - first + 1) * 5 // 4, CALLS_PER_BATCH)
        if self._progress is not None:
            self._progress(last - first)

    def _halve(self, first: int, last: int) -> None:
        middle = (first + last) // 2
        self._again += [(middle, last), (first, middle)]
        self._size = max(1, min(self._size, middle - first))


def aggregate3(calls: Sequence[Call]) -> bytes:
    """Call data that answers all `calls` in one, each allowed to fail."""
    heads, tails, offset = [], [], WORD * len(calls)
    for to, data in calls:
        heads.append(word(offset))
        padding = -len(data) % WORD
        tails.append(b"".join((bytes(12), bytes.fromhex(to[2:]), _TRUE, _AT_96, word(len(data)), data, bytes(padding))))
        offset += 4 * WORD + len(data) + padding
    return b"".join((_AGGREGATE3, word(WORD), word(len(calls)), *heads, *tails))


_TRUE, _AT_96 = word(1), word(3 * WORD)


def decode_aggregate3(answer: bytes, count: int) -> list[bytes]:
    """The answers, in order; empty where a call failed. Raises `LoadFailed`."""
    if not answer:
        raise LoadFailed(
            f"the node's chain has no Multicall3 at {MULTICALL3}; correct the node's address or the network"
        )
    if len(answer) < 2 * WORD or unsigned(answer) != WORD:
        raise LoadFailed(f"Multicall3 at {MULTICALL3} gave {len(answer)} bytes that are no answer")
    if unsigned(answer, 1) != count:
        raise LoadFailed(f"Multicall3 at {MULTICALL3} answered {unsigned(answer, 1)} of {count} calls")
    return [_result(answer, 2 * WORD + unsigned(answer, 2 + place)) for place in range(count)]


def _result(answer: bytes, at: int) -> bytes:
    """One `(bool success, bytes returned)` of an answer. Raises `LoadFailed`."""
    succeeded, offset = _word_at(answer, at), _word_at(answer, at + WORD)
    start = at + offset + WORD
    end = start + _word_at(answer, at + offset)
    if end > len(answer):
        raise LoadFailed(f"Multicall3 at {MULTICALL3} gave {len(answer)} bytes that end in the middle of an answer")
    return answer[start:end] if succeeded else b""


def _word_at(answer: bytes, at: int) -> int:
    if at + WORD > len(answer):
        raise LoadFailed(f"Multicall3 at {MULTICALL3} gave {len(answer)} bytes that are no answer: truncated")
    return int.from_bytes(answer[at : at + WORD], "big")
