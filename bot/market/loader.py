"""Loading pools from a node, thousands in a few calls through Multicall3. Builds and decodes; the node does the I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from chains.assets import Address, address
from chains.pools.pool import Call, Loading, Pool, PoolError, PoolFacts, Refreshed
from chains.pools.registry import FAMILIES, Family, loader
from chains.pools.words import selector

MULTICALL3 = address("0xcA11bde05977b3631167028862bE2a173976CA11")
CALLS_PER_BATCH = 1_000

_AGGREGATE3 = selector("aggregate3((address,bool,bytes)[])")


class LoadFailed(RuntimeError):
    """The node's answer is not what Multicall3 gives."""


class Node(Protocol):
    """What loading needs of a node."""

    def call(self, to: Address, data: bytes, block_hash: str, /) -> Awaitable[bytes]: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """Pools as of one block, and for the venues that could not be loaded, why."""

    pools: tuple[Pool, ...]
    refused: Mapping[str, str]


async def load_pools(
    node: Node,
    facts: Iterable[PoolFacts],
    block_hash: str,
    progress: Callable[[int], None] | None = None,
    families: Mapping[str, Family] = FAMILIES,
) -> Loaded:
    """Load all of `facts` as of one block. `progress` is told how many calls are answered. Raises `LoadFailed`.

    Every pool's loading runs in step with the others, so there are as many rounds as the slowest family needs.
    """
    loadings = ((fact.venue, loader(fact.family, families)(fact)) for fact in facts)
    return await _read(node, loadings, block_hash, progress)


async def refresh(pools: Iterable[Pool], node: Node, block_hash: str) -> Loaded:
    """Those of `pools` that need reading, as of one block; the others are not in the answer. Raises `LoadFailed`.

    Most families need one round: then this is one call of the node.
    """
    needing = ((pool.venue, pool.refreshing()) for pool in pools if isinstance(pool, Refreshed) and pool.needs_reading)
    return await _read(node, needing, block_hash)


async def _read(
    node: Node,
    loadings: Iterable[tuple[str, Loading]],
    block_hash: str,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Every venue's loading, in step with the others."""
    pools: list[Pool] = []
    refused: dict[str, str] = {}
    pending: list[tuple[str, Loading, tuple[Call, ...]]] = []

    def go_on(venue: str, loading: Loading, answers: tuple[bytes, ...] | None) -> None:
        try:
            wanted = next(loading) if answers is None else loading.send(answers)
            pending.append((venue, loading, wanted))
        except StopIteration as finished:
            pools.append(finished.value)
        except PoolError as error:
            refused[venue] = str(error)

    for venue, loading in loadings:
        go_on(venue, loading, None)
    while pending:
        calls = [call for _, _, wanted in pending for call in wanted]
        answers = iter(await _answers(node, calls, block_hash, progress))
        waiting = list(pending)
        pending.clear()
        for venue, loading, wanted in waiting:
            go_on(venue, loading, tuple(next(answers) for _ in wanted))
    return Loaded(tuple(pools), refused)


def aggregate3(calls: Sequence[Call]) -> bytes:
    """Call data that answers all `calls` in one, each allowed to fail."""
    return _AGGREGATE3 + encode(["(address,bool,bytes)[]"], [[(call.to, True, call.data) for call in calls]])


def decode_aggregate3(answer: bytes, count: int) -> list[bytes]:
    """The answers, in order; empty where a call failed. Raises `LoadFailed`."""
    if not answer:
        raise LoadFailed(
            f"the node's chain has no Multicall3 at {MULTICALL3}; correct the node's address or the network"
        )
    try:
        (results,) = decode(["(bool,bytes)[]"], answer)
    except DecodingError as error:
        raise LoadFailed(f"Multicall3 at {MULTICALL3} gave {len(answer)} bytes that are no answer: {error}") from error
    if len(results) != count:
        raise LoadFailed(f"Multicall3 at {MULTICALL3} answered {len(results)} of {count} calls")
    return [data if succeeded else b"" for succeeded, data in results]


async def _answers(
    node: Node, calls: Sequence[Call], block_hash: str, progress: Callable[[int], None] | None
) -> list[bytes]:
    answers: list[bytes] = []
    for first in range(0, len(calls), CALLS_PER_BATCH):
        batch = calls[first : first + CALLS_PER_BATCH]
        answers += decode_aggregate3(await node.call(MULTICALL3, aggregate3(batch), block_hash), len(batch))
        if progress is not None:
            progress(len(batch))
    return answers
