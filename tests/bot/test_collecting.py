"""Garbage of a decision goes after it; what stays is not looked at again."""

from __future__ import annotations

import gc
import sys
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
    return cast(Engine, SimpleNamespace(on_decided=lambda head: None, on_left=lambda: None))


def _begun(stack: AsyncExitStack, *, settling: bool = False) -> tuple[Engine, Collecting]:
    """A run whose first decisions are made."""
    engine = _engine()
    collecting = collect_between_decisions(engine, stack, settling=settling)
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


async def test_what_deciding_left_behind_is_collected_once_its_bytes_have_left() -> None:
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)
        knot = weakref.ref(Knot())
        engine.on_left()
        assert knot() is None


async def test_where_little_is_lost_what_outlives_a_few_heads_is_not_looked_at_again() -> None:
    looked_at = dict[bool, int]()
    for settling in (False, True):
        async with AsyncExitStack() as stack:
            engine, _ = _begun(stack, settling=settling)
            kept = [Knot() for _ in range(5_000)]
            for _ in range(10):
                engine.on_decided(HEAD)
            looked_at[settling] = sum(type(each) is Knot for each in gc.get_objects())
            del kept
    assert looked_at == {False: 5_000, True: 0}


@pytest.mark.parametrize("settling", [False, True])
async def test_what_becomes_a_cycle_later_is_collected_once_memory_has_grown(settling: bool) -> None:
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack, settling=settling)
        old = [Knot() for _ in range(sys.getallocatedblocks() // 2)]
        for _ in range(4):
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
    engine = cast(Engine, SimpleNamespace(on_decided=told.append, on_left=lambda: None))
    async with AsyncExitStack() as stack:
        collect_between_decisions(engine, stack)
        engine.on_decided(HEAD)
    assert told == [HEAD]
