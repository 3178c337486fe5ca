"""Plays a tape to an engine: delivers what was heard when it was heard, and answers what is asked as it was answered.

The order of the tape is the order of the run: an answer is given only when the engine has come to ask for it, and
nothing after it is delivered before. So the engine sees what it saw, between the same two steps.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from bot.engine import Engine
from bot.plan import Plan, decode_plan, encode_plan
from bot.replay.codec import decode, decode_error
from bot.replay.heard import Heard, settle
from bot.replay.recorder import Kind, key

_NOT_DELIVERED = (Kind.OPENING, Kind.READING, Kind.DECISION, Kind.SEEN, Kind.END)

_PATIENCE_S = 10.0
"""How long an answer waits to be asked for: what was asked after a pause comes after the same pause."""

_POLL_S = 0.005


class Diverged(RuntimeError):
    """The replay does something else than the run did; the message names the first difference."""


class CutShort(RuntimeError):
    """The tape ends where the process was killed, in the middle of a step."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan as canonical JSON, and how far it got."""

    plan: str
    said: str

    @property
    def plan_id(self) -> str:
        """`Plan.id`."""
        return decode_plan(self.plan.encode()).id

    @property
    def document(self) -> dict[str, Any]:
        """The plan's fields."""
        fields: dict[str, Any] = orjson.loads(self.plan)
        return fields

    def difference(self, other: Decision) -> str:
        """What is not the same in `other`, the first thing of it."""
        mine, theirs = self.document, other.document
        for name in mine:
            if mine[name] != theirs.get(name):
                return f"{name} was {_short(mine[name])} in the run and is {_short(theirs.get(name))}"
        return f"the same plan was {self.said} in the run and is {other.said}"


@dataclass(slots=True)
class Player:
    """One tape, played once."""

    records: Iterator[Any]
    heard: Heard
    recorded_digest: str | None = None
    recorded: list[Decision] = field(default_factory=list)
    replayed: list[Decision] = field(default_factory=list)
    _asked: dict[tuple[str, str], deque[asyncio.Future[Any]]] = field(default_factory=dict)
    _readings: dict[str, deque[tuple[str, Any]]] = field(default_factory=dict)
    _coming: deque[Any] = field(default_factory=deque)
    _compared: int = 0
    _exhausted: bool = False
    _over: bool = False

    async def ask(self, name: str, asked: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """What the run was answered to the same question, when its turn comes."""
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._over:
            waiting.cancel()
        self._asked.setdefault((name, key(asked, named)), deque()).append(waiting)
        return await waiting

    def read(self, name: str, *asked: Any) -> Any:
        """What the run found when it looked at the same. Raises `Diverged`, `CutShort`."""
        # Answers that came in one moment may stand on the tape before what the first of them led to.
        while not self._readings.get(name) and not self._at_event() and self._take_one():
            pass
        waiting = self._readings.get(name)
        if not waiting and self._exhausted and self.recorded_digest is None:
            raise CutShort
        if not waiting:
            raise Diverged(f"{name} is looked up where the run did not look it up")
        recorded_key, found = waiting.popleft()
        if recorded_key != key(asked, {}):
            raise Diverged(f"{name} is looked up for something else than in the run")
        return decode(found)

    def _at_event(self) -> bool:
        """Whether what is still to be delivered of this head is known."""
        return bool(self._coming) and self._coming[-1][0] == Kind.EVENT

    def told(self, plan: Plan, said: str) -> None:
        """The replay decided."""
        self.replayed.append(Decision(encode_plan(plan).decode(), said))

    async def play(self, engine: Engine, running: asyncio.Task[None]) -> None:
        """Everything that is left. `running` is the engine's task. Raises `Diverged`, and what the engine raises."""
        try:
            for record in self._delivered():
                await self._deliver(record, engine, running)
                await settle(running)
                self._compare()
            self.heard.over()
            await settle(running)
        except CutShort:
            self._compare()
        finally:
            self._end()

    def _end(self) -> None:
        """Nothing is answered any more: who asks must not wait for ever, not even as it gives up."""
        self._over = True
        for waiting in self._asked.values():
            for future in waiting:
                future.cancel()

    async def opening(self, task: asyncio.Task[Any]) -> None:
        """Deliver answers until `task`, which opens the road, is done."""
        await settle(task)
        while not task.done():
            record = next(self._delivered(), None)
            if record is None:
                raise Diverged("the recording ends before the run was open")
            await self._deliver(record, None, task)
            await settle(task)
        task.result()

    def _delivered(self) -> Iterator[Any]:
        """The records that are delivered, one after another, each with the readings and decisions that follow it known.

        May be asked anew: it goes on where it was.
        """
        while True:
            while not self._coming and self._take_one():
                pass
            if not self._coming:
                return
            record = self._coming.popleft()
            while not self._coming and self._take_one():
                pass
            yield record

    def _take_one(self) -> bool:
        """One more record from the tape: known at once, or to be delivered in its turn. False where there is none."""
        record = next(self.records, None)
        if record is None:
            self._exhausted = True
            return False
        if record[0] in _NOT_DELIVERED:
            self._keep(record)
        else:
            self._coming.append(record)
        return True

    def _keep(self, record: Sequence[Any]) -> None:
        match record[0]:
            case Kind.READING:
                self._readings.setdefault(record[1], deque()).append((record[2], record[3]))
            case Kind.DECISION:
                self.recorded.append(Decision(record[1], record[2]))
            case Kind.END:
                self.recorded_digest = record[1]

    async def _deliver(self, record: Sequence[Any], engine: Engine | None, running: asyncio.Task[Any]) -> None:
        kind = record[0]
        if kind == Kind.ANSWER:
            await self._answer(record, running)
            return
        if engine is None:
            raise Diverged(f"the run heard a {kind} where the replay still opens")
        self.heard.tell(record, engine)

    async def _answer(self, record: Sequence[Any], running: asyncio.Task[Any]) -> None:
        name, asked = record[1], record[2]
        waiting = await self._waited_for((name, asked), running)
        if waiting is None:
            others = ", ".join(sorted({other for other, key in self._asked if self._asked[other, key]})) or "nothing"
            raise Diverged(f"the run was answered by {name} here; the replay asked for {others}")
        if len(record) > 4:
            waiting.set_exception(decode_error(record[4]))
        else:
            waiting.set_result(decode(record[3]))

    async def _waited_for(self, asked: tuple[str, str], running: asyncio.Task[Any]) -> asyncio.Future[Any] | None:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while True:
            waiting = self._asked.get(asked)
            while waiting:
                future = waiting.popleft()
                if not future.done():
                    return future
            if running.done() and not running.cancelled():
                running.result()
            if asyncio.get_running_loop().time() > deadline:
                return None
            await asyncio.sleep(_POLL_S)

    def _compare(self) -> None:
        """Raises `Diverged` at the first decision that is another."""
        while self._compared < min(len(self.recorded), len(self.replayed)):
            was, now = self.recorded[self._compared], self.replayed[self._compared]
            self._compared += 1
            if was != now:
                raise Diverged(f"decision {self._compared} is another: {was.difference(now)}")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
