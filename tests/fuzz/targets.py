"""What is fuzzed: every decoder of what others wrote. Only refusals by name may come out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.exactness.sequences import first_state, recorded_logs
from bot.quotes import QuoteRefused, Quotes, parse_request
from bot.snapshot.importing import imported
from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.pools.pool import Call, Pool, PoolError, PoolFacts, is_refreshed
from chains.pools.registry import FAMILIES
from chains.pools.upgrades import followed
from chains.pools.words import WORD, word
from chains.snapshot import Recorded, Snapshot, SnapshotError
from chains.snapshot.document import from_json, to_json
from tests.chains.pools.samples import at
from tests.fuzz.mutation import bytes_like, document_like
from tests.fuzz.pools import RECORDED, pools

_OTHERS = 250
"""From this number on, a log's emitter is nobody the pool listens to."""
_TOKENS = tuple(Token("twin", at(number), f"T{number}", decimals) for number, decimals in ((1, 18), (2, 6), (3, 18)))


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder: its first inputs, how they are changed, what it does with one, and how it may refuse."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    run: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...]
    mutate: Callable[..., bytes]


def log_target(data: bytes) -> None:
    """Tell a pool a log; then ask it for quotes: byte by byte, which pool, topic and emitter, and how many topics."""
    if len(data) < 4:
        return
    pool = pools()[data[0] % len(pools())]
    topics = sorted(FAMILIES[pool.family].topics)
    kind = topics[data[1] % len(topics)] if topics else b""
    sources = pool.sources
    emitter = at(data[2]) if data[2] >= _OTHERS or not sources else sources[data[2] % len(sources)].emitter
    ends = 4 + WORD * (data[3] % 5)
    indexed = tuple(data[start : start + WORD] for start in range(4, ends, WORD))
    _ask(followed(pool, _log(emitter, (kind, *indexed), data[ends:])))


def loading_target(data: bytes) -> None:
    """Load a pool of some family from answers that the input spells: a length in words, then the words."""
    if not data:
        return
    family = sorted(FAMILIES)[data[0] % len(FAMILIES)]
    _load(FAMILIES[family].loading(_facts(family)), data[1:])


def refreshing_target(data: bytes) -> None:
    """Read a pool again from such answers."""
    moving = [pool for pool in pools() if is_refreshed(pool)]
    if not data or not moving:
        return
    _load(moving[data[0] % len(moving)].refreshing(), data[1:])


def snapshot_target(data: bytes) -> None:
    """Read a snapshot, and ask every pool in it."""
    document = json.loads(data)
    for recorded in from_json(document).pools:
        _ask(recorded.pool)


def import_target(data: bytes) -> None:
    """Import a recorded layout."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        Path(file.name).write_bytes(data)
        imported(Path(file.name))


def request_target(data: bytes) -> None:
    """Answer one line of requests."""
    _quotes().answer(parse_request(data.decode(errors="replace")))


def _ask(pool: Pool) -> None:
    """A state that was accepted must answer, or refuse, whatever is asked."""
    for token_in, token_out in ((pool.tokens[0], pool.tokens[1]), (pool.tokens[1], pool.tokens[0])):
        for amount in (0, 1, 10**18, 2**255):
            for ask, first, second in ((pool.quote, token_in, token_out), (pool.quote_exact_out, token_out, token_in)):
                try:
                    answered = ask(first, amount, second)
                except PoolError:
                    continue
                if answered < 0:
                    raise AssertionError(f"{pool.family} answers {answered} for {amount}")
        try:
            pool.marginal_price(token_in, token_out)
            pool.pieces(token_in, token_out)
        except PoolError as error:
            raise AssertionError(f"{pool.family} has no curve, and raises instead of saying so: {error}") from error


def _load(steps: object, data: bytes) -> None:
    try:
        calls: Sequence[Call] = next(steps)  # type: ignore[call-overload]
        while True:
            answers = []
            for _ in calls:
                length = WORD * (data[0] % 12) if data else 0
                answers.append(data[1 : 1 + length])
                data = data[1 + length :]
            calls = steps.send(tuple(answers))  # type: ignore[attr-defined]
    except StopIteration as end:
        _ask(end.value)


def _facts(family: str) -> PoolFacts:
    count = 4 if family == "curve_meta" else 2
    tokens = (*_TOKENS, Token("twin", at(5), "T5", 18))[:count]
    details: dict[str, str | int] = {"vault": at(9), "base_pool": at(8), "lp_token": at(7)}
    facts = PoolFacts(family, address(tokens[1].address), tokens, 3000, details=details)
    if family == "uniswap_v4":
        return PoolFacts(family, at(4), tokens, 3000, bytes(32), {"tick_spacing": 60})
    return facts


def _log(emitter: Address, topics: tuple[bytes, ...], data: bytes) -> Log:
    return Log(emitter, topics, data, 1, "0x" + "11" * 32, "0x" + "22" * 32, 0, 0)


def _log_seeds() -> list[bytes]:
    """Each pool with each topic and plain words, and the logs that real contracts emitted."""
    made = []
    for place, pool in enumerate(pools()):
        for kind in range(len(FAMILIES[pool.family].topics)):
            made += [
                bytes((place, kind, 0, topics)) + word(1) * (topics + words) for topics in (0, 2) for words in (1, 4)
            ]
    for name in RECORDED:
        pool_place = next(place for place, pool in enumerate(pools()) if pool == first_state(name))
        topics = sorted(FAMILIES[pools()[pool_place].family].topics)
        for log in recorded_logs(name)[:12]:
            if log.topics[0] in topics:
                head = bytes((pool_place, topics.index(log.topics[0]), 0, len(log.topics) - 1))
                made.append(head + b"".join(log.topics[1:]) + log.data)
    return made


def _loading_seeds() -> list[bytes]:
    words = b"".join(bytes((1,)) + word(value) for value in (1, 10**18, 2 * 10**18, 5, 1000, 10**6, 0, 3))
    return [bytes((place,)) + words * 4 for place in range(len(FAMILIES))]


@cache
def _snapshot() -> Snapshot:
    by_venue = {pool.venue: pool for pool in pools()}
    kept: list[Recorded] = []
    for pool in by_venue.values():
        try:
            kept.append(Recorded(pool, 7))
            Snapshot(tuple(kept))
        except SnapshotError:
            kept.pop()
    return Snapshot(tuple(kept))


@cache
def _quotes() -> Quotes:
    return Quotes(_snapshot())


def _snapshot_seeds() -> list[bytes]:
    whole = to_json(_snapshot())
    return [json.dumps({**whole, "pools": [pool]}).encode() for pool in whole["pools"]]


def _request_seeds() -> list[bytes]:
    made = []
    for recorded in _snapshot().pools:
        one, other = recorded.pool.tokens[:2]
        request = {"pool": recorded.pool.venue, "token_in": one.address, "token_out": other.address, "amount": 10**6}
        made += [json.dumps(request | extra).encode() for extra in ({}, {"exact_out": True}, {"amount": "5"})]
    return made


_JSON = (SnapshotError, json.JSONDecodeError, UnicodeDecodeError)

TARGETS = (
    Target("logs", _log_seeds, log_target, (PoolError,), bytes_like),
    Target("answers", _loading_seeds, loading_target, (PoolError,), bytes_like),
    Target("answers again", _loading_seeds, refreshing_target, (PoolError,), bytes_like),
    Target("snapshots", _snapshot_seeds, snapshot_target, _JSON, document_like),
    Target("layouts", _snapshot_seeds, import_target, (SnapshotError,), document_like),
    Target("requests", _request_seeds, request_target, (QuoteRefused,), document_like),
)
