"""Garbage of a decision goes after it; what stays is not looked at again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.collecting import Collecting, collect_between_decisions
from bot.engine import Engine
from tests.bot.execution.given import head

HEAD = head(10)


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me: Knot | None = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    assert (gc.get_threshold(), gc.callbacks) == (thresholds, callbacks)


def _engine() -> Engine:
    return cast(Engine, SimpleNamespace(on_decided=lambda head: None))


def _begun(stack: AsyncExitStack) -> tuple[Engine, Collecting]:
    """A run whose first decisions are made."""
    engine = _engine()
    collecting = collect_between_decisions(engine, stack)
    for _ in range(10):
        engine.on_decided(HEAD)
    return engine, collecting


async def test_what_a_decision_left_behind_is_collected_after_it_and_not_during_it() -> None:
    async with AsyncExitStack() as stack:
        engine, collecting = _begun(stack)
        knot = weakref.ref(Knot())
        made: list[Any] = [[] for _ in range(50_000)]
        assert knot() is not None
        engine.on_decided(HEAD)
        assert knot() is None and len(made) == 50_000 and collecting.longest_ms > 0


async def test_what_was_there_when_a_run_was_open_is_not_looked_at() -> None:
    kept = Knot()
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)
        engine.on_decided(HEAD)
        assert not any(each is kept for generation in range(3) for each in gc.get_objects(generation))


async def test_what_becomes_a_cycle_later_is_collected_once_memory_has_grown() -> None:
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)
        old = [Knot() for _ in range(200_000)]
        engine.on_decided(HEAD)
        seen = weakref.ref(old[0])
        del old
        engine.on_decided(HEAD)
        assert seen() is not None
        for _ in range(100):
            engine.on_decided(HEAD)
        assert seen() is None


async def test_whoever_was_told_of_decisions_before_still_is() -> None:
    told: list[object] = []
    engine = cast(Engine, SimpleNamespace(on_decided=told.append))
    async with AsyncExitStack() as stack:
        collect_between_decisions(engine, stack)
        engine.on_decided(HEAD)
    assert told == [HEAD]
