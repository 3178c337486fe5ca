"""The two halves of a head as they pass in a run: up to the last signed bytes that left, and all that came after.

Counted are SQL statements (neither BEGIN nor COMMIT), and messages to other processes whose answer is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from sqlalchemy import Engine as Database
from sqlalchemy import event

from bot.engine import Engine
from bot.execution.stages import Stage, Stages
from bot.ledger import quick
from bot.rpc import HttpRpc
from bot.signer.client import SignerClient
from chains.anvil import Anvil
from chains.exchanges.adapter import Exchange
from chains.node.endpoint import Endpoint

_ASKED: Sequence[tuple[type[Any], str]] = (
    *((rpc, "batch") for rpc in (Endpoint, HttpRpc, Anvil)),
    *((SignerClient, name) for name in ("sign", "replace", "settle")),
    *((Exchange, name) for name in ("place", "find")),
)


@dataclass(slots=True)
class Half:
    """One entry for each head on which something was sent."""

    ms: list[float] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)
    round_trips: list[int] = field(default_factory=list)

    def add(self, since: _Mark, until: _Mark) -> None:
        self.ms.append((until.at_s - since.at_s) * 1e3)
        self.statements.append(until.statements - since.statements)
        self.round_trips.append(until.round_trips - since.round_trips)


@dataclass(frozen=True, slots=True)
class _Mark:
    at_s: float
    statements: int
    round_trips: int


class Halves:
    """`before` the last bytes of a head left, and `after` that; `steps` are milliseconds since the step before."""

    def __init__(self) -> None:
        self.before, self.after = Half(), Half()
        self.steps: dict[Stage, list[float]] = {}
        self._statements = 0
        self._round_trips = 0
        self._begun = self._sent = self._last = self._mark()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every run inside."""
        event.listen(Database, "before_cursor_execute", self._executed)
        try:
            with ExitStack() as patched:
                for name in ("rows", "write_all"):
                    patched.enter_context(_wrapped(quick, name, self._executing))
                for kind, name in _ASKED:
                    patched.enter_context(_wrapped(kind, name, self._counting))
                patched.enter_context(_wrapped(Stages, "begin", self._beginning))
                patched.enter_context(_wrapped(Stages, "reached", self._reaching))
                patched.enter_context(_wrapped(Engine, "take", self._taking))
                yield
        finally:
            event.remove(Database, "before_cursor_execute", self._executed)

    def _mark(self) -> _Mark:
        return _Mark(time.perf_counter(), self._statements, self._round_trips)

    def _executed(self, *_: object) -> None:
        self._statements += 1

    def _executing(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def executed(*arguments: Any) -> Any:
            self._executed()
            return execute(*arguments)

        return executed

    def _counting(self, asked: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*arguments: Any, **named: Any) -> Any:
            self._round_trips += 1
            return await asked(*arguments, **named)

        return counted

    def _beginning(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        def begun(*arguments: Any) -> None:
            self._begun = self._sent = self._last = self._mark()
            begin(*arguments)

        return begun

    def _reaching(self, reached: Callable[..., Any]) -> Callable[..., Any]:
        def noted(stages: Stages, stage: Stage) -> None:
            reached(stages, stage)
            now = self._mark()
            self.steps.setdefault(stage, []).append((now.at_s - self._last.at_s) * 1e3)
            self._last = now
            if stage is Stage.SENT:
                self._sent = now

        return noted

    def _taking(self, take: Callable[..., Any]) -> Callable[..., Any]:
        async def taken(*arguments: Any) -> None:
            await take(*arguments)
            if self._sent is not self._begun:
                self.before.add(self._begun, self._sent)
                self.after.add(self._sent, self._mark())
                self._sent = self._begun

        return taken


@contextmanager
def _wrapped(
    kind: type[Any] | ModuleType, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    own = kind.__dict__[name]
    setattr(kind, name, wrap(own))
    try:
        yield
    finally:
        setattr(kind, name, own)
