"""Records a run as the engine sees it: what it hears, what it is answered, and what it decides, in that order."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar, cast

import orjson

from bot.clock import Clock
from bot.engine import Engine
from bot.market import Opportunity
from bot.plan import Plan, encode_plan
from bot.replay.codec import encode, encode_error
from bot.replay.ends import READ_AT_ONCE
from bot.replay.levels import BookWriter
from bot.replay.tape import TapeWriter
from bot.risk.guard import Guard
from bot.wiring import Ends
from bot.world.ground import Ground
from chains.blocks import ChainEvent, Head
from chains.exchanges.books import Book
from chains.exchanges.troubles import FeedTrouble
from chains.node import NodeEvent, Submitter
from chains.pools.pool import Pool, PoolFacts
from chains.snapshot import Recorded, Snapshot
from chains.snapshot.document import to_json

_End = TypeVar("_End")


class Kind(StrEnum):
    """What a record is: the first item of it, the others depending on that.

    `OPENING` says that the files beside the tape are whole, `READY` that the market was made ready, `JOINED` that it
    took in a pool. `EVENT`, `BOOK`, `TROUBLE`, `NODE`, `SILENCE`, `RESUMED`, `ENDING` are heard; `ANSWER` is what an
    end of the road said when it was asked; `READING` is what was looked up without waiting; `DECISION` is what came
    out, `SEEN` an opportunity that a strategy was shown; `END` closes the tape.
    """

    OPENING = "opening"
    READY = "ready"
    JOINED = "joined"
    EVENT = "event"
    BOOK = "book"
    TROUBLE = "trouble"
    NODE = "node"
    SILENCE = "silence"
    RESUMED = "resumed"
    ENDING = "ending"
    ANSWER = "answer"
    READING = "reading"
    DECISION = "decision"
    SEEN = "seen"
    END = "end"


class Recorder:
    """One run's tape, from the moment its ends are wrapped until `close`.

    `lacks` says what is not kept beside it of what the run begins with, and why; empty where all is.
    """

    def __init__(self, tape: TapeWriter, clock: Clock, lacks: str = "") -> None:
        self.lacks = lacks
        self._tape = tape
        self._clock = clock
        self._books = BookWriter()

    def ends(self, ends: Ends) -> Ends:
        """The same ends, with every answer of theirs on the tape."""
        return replace(
            ends,
            ground=_RecordedGround(ends.ground, self),
            node=self.end("node", ends.node),
            simulator=self.end("simulator", ends.simulator),
            signer=ends.signer and self.end("signer", ends.signer),
            accounts={name: self.end(f"exchange.{name}", account) for name, account in ends.accounts.items()},
            optimum=ends.optimum and self.end("optimum", ends.optimum),
            turns=self.end("turns", ends.turns),
            relays={name: self.end(f"relay.{name}", relay) for name, relay in ends.relays.items()},
            may_hold=self.reading("may_hold", ends.may_hold),
            may_order=self.reading("may_order", ends.may_order),
            allowance=self.reading("allowance", ends.allowance),
            freshness=cast(Any, _RecordedFreshness(self.reading("too_old", ends.freshness.too_old))),
        )

    def end(self, name: str, end: _End) -> _End:
        """`end`, with what its asynchronous methods give or raise on the tape under `name`."""
        return cast(_End, _RecordedEnd(self, name, end))

    def reading(self, name: str, look: Callable[..., Any]) -> Callable[..., Any]:
        """`look`, with what it gives on the tape under `name`."""

        def looked(*asked: Any) -> Any:
            found = look(*asked)
            self._tape.put(lambda: [Kind.READING, name, key(asked, {}), encode(found)])
            return found

        return looked

    async def events(self, events: AsyncGenerator[ChainEvent]) -> AsyncGenerator[ChainEvent]:
        """The same events, each on the tape as the engine takes it."""
        async with contextlib.aclosing(events):
            async for event in events:
                self._tape.put(partial(_event, event, self._clock.wall_s()))
                yield event

    def ears(self, engine: Engine, guard: Guard) -> Ears:
        """What the engine hears goes through these; what it decides comes to the tape from now on."""

        def told(plan: Plan, said: str) -> None:
            standing = guard.standing(plan.strategy)
            self._tape.put(lambda: [Kind.DECISION, encode_plan(plan).decode(), said, encode(standing)])

        engine.deciding.on_told, engine.deciding.on_seen = told, self._seen
        return Ears(engine, self._tape, self._books)

    def _seen(self, strategy: str, block_number: int, opportunity: Opportunity) -> None:
        self._tape.put(lambda: [Kind.SEEN, block_number, strategy, str(opportunity), opportunity.explain()])

    def ending(self) -> None:
        """From now on nothing new is begun."""
        self._tape.put(lambda: [Kind.ENDING])

    def joined(self, facts: PoolFacts, protocol: str, pool: Pool) -> None:
        """A pool that was made while the run goes on."""
        self._tape.put(lambda: [Kind.JOINED, encode(facts), protocol, to_json(Snapshot((Recorded(pool, 0),)))])

    def answer(self, name: str, asked: Sequence[Any], named: Mapping[str, Any], given: Any) -> None:
        self._tape.put(lambda: [Kind.ANSWER, name, key(asked, named), encode(given)])

    def failure(self, name: str, asked: Sequence[Any], named: Mapping[str, Any], error: Exception) -> None:
        self._tape.put(lambda: [Kind.ANSWER, name, key(asked, named), None, encode_error(error)])

    def close(self, digest: str | None = None) -> None:
        """End the tape, with the digest of all decisions where the run came to its end. Once more changes nothing."""
        if digest is not None:
            self._tape.put(lambda: [Kind.END, digest])
        self._tape.close()


@dataclass(frozen=True, slots=True)
class Ears:
    """The engine's, with everything on the tape before it is heard."""

    engine: Engine
    tape: TapeWriter
    books: BookWriter

    def prepare(self, head: Head) -> None:
        self.tape.put(lambda: [Kind.READY, encode(head)])
        self.engine.prepare(head)

    def on_book(self, book: Book) -> None:
        self.tape.put(lambda: [Kind.BOOK, self.books.document(book)])
        self.engine.on_book(book)

    def on_trouble(self, trouble: FeedTrouble) -> None:
        self.tape.put(lambda: [Kind.TROUBLE, encode(trouble)])
        self.engine.on_trouble(trouble)

    def on_node(self, event: NodeEvent) -> None:
        self.tape.put(lambda: [Kind.NODE, encode(event)])
        self.engine.on_node(event)

    def on_silence(self, detail: str) -> None:
        self.tape.put(lambda: [Kind.SILENCE, detail])
        self.engine.on_silence(detail)

    def on_resumed(self, strategy: str, because: str) -> None:
        self.tape.put(lambda: [Kind.RESUMED, strategy, because])
        self.engine.on_resumed(strategy, because)


def key(asked: Sequence[Any], named: Mapping[str, Any]) -> str:
    """What tells one question to an end from another."""
    return hashlib.blake2b(orjson.dumps([encode(tuple(asked)), encode(named)]), digest_size=12).hexdigest()


def _event(event: ChainEvent, wall_s: float) -> Any:
    return [Kind.EVENT, encode(event), wall_s]


class _RecordedEnd:
    """Stands where the end stood. Everything but asynchronous methods and what is read at once is the end's own."""

    def __init__(self, recorder: Recorder, name: str, end: Any) -> None:
        self._recorder, self._name, self._end = recorder, name, end

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._end, attribute)
        name = f"{self._name}.{attribute}"
        if attribute in READ_AT_ONCE:
            return self._recorder.reading(name, found)
        if not inspect.iscoroutinefunction(found):
            return found

        async def asked(*args: Any, **named: Any) -> Any:
            try:
                given = await getattr(self._end, attribute)(*args, **named)
            except Exception as error:
                self._recorder.failure(name, args, named, error)
                raise
            self._recorder.answer(name, args, named, given)
            return given

        # From now on it is found at once: an end is asked several times a head.
        self.__dict__[attribute] = asked
        return asked


class _RecordedGround:
    def __init__(self, ground: Ground, recorder: Recorder) -> None:
        self._ground = recorder.end("ground", ground)
        self.submitter: Submitter = recorder.end("chain", ground.submitter)
        self.is_newest: Callable[[Head], bool] = recorder.reading("is_newest", ground.is_newest)

    async def on_head(self, head: Head) -> None:
        await self._ground.on_head(head)


@dataclass(frozen=True, slots=True)
class _RecordedFreshness:
    too_old: Callable[[Head], str | None]
