"""Garbage of a decision goes after it; what stays is not looked at again."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.config.options import Quiet
from bot.engine import Engine
from bot.run import networks
from bot.run.collecting import Collecting, collect_between_decisions
from tests.bot.execution.given import head
from tests.bot.running import twin_config

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


def _begun(stack: AsyncExitStack) -> tuple[Engine, Collecting]:
    """A run whose first decisions are made."""
    engine = _engine()
    collecting = collect_between_decisions(engine, stack)
    for _ in range(10):
        engine.on_left()
        engine.on_decided(HEAD)
    return engine, collecting


async def test_what_a_decision_left_behind_is_collected_after_it_and_not_during_it() -> None:
    async with AsyncExitStack() as stack:
        engine, collecting = _begun(stack)
        knots = [weakref.ref(Knot()) for _ in range(20)]
        made: list[Any] = [[] for _ in range(50_000)]
        assert all(knot() is not None for knot in knots)
        for _ in range(10):
            knots.append(weakref.ref(Knot()))
            engine.on_left()
            knots.append(weakref.ref(Knot()))
            engine.on_decided(HEAD)
        # One half of fifteen is looked at, and once garbage was found there, each of the next.
        assert knots[-1]() is None and len(made) == 50_000 and collecting.longest_ms > 0


async def test_what_was_there_when_a_run_was_open_is_not_looked_at() -> None:
    kept = Knot()
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)
        engine.on_decided(HEAD)
        assert not any(each is kept for generation in range(3) for each in gc.get_objects(generation))


@pytest.mark.parametrize("half", range(2))
async def test_where_nothing_is_lost_few_heads_are_looked_at(half: int) -> None:
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)
        found = list[bool]()
        for _ in range(15):
            knots = list[weakref.ref[Knot]]()
            for number, settle in enumerate((engine.on_left, lambda: engine.on_decided(HEAD))):
                if number == half:
                    knots.append(weakref.ref(Knot()))
                settle()
            found.append(knots[0]() is None)
            if found[-1]:
                break
        # Each of the halves is looked at sooner or later.
        assert found[-1] and len(found) > 1


async def _looked_at(large: range) -> list[int]:
    """Which of sixty halves are looked at, where those in `large` make much."""
    looked, made = list[int](), list[Any]()
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)

        def note(phase: str, info: dict[str, int]) -> None:
            if phase == "start":
                looked.append(half)

        gc.callbacks.append(note)
        stack.callback(gc.callbacks.remove, note)
        for half in range(60):
            made += [[] for _ in range(3_000 * (half in large))]
            engine.on_left()
    return looked


async def test_a_large_half_is_not_looked_at_while_a_smaller_one_may_be_in_its_place() -> None:
    first, second, third, *_ = await _looked_at(range(0))
    assert (second - first, third - second) == (15, 15)
    assert (await _looked_at(range(second, second + 1)))[1] == second + 1
    assert (await _looked_at(range(second, 60)))[1] == third


async def test_what_outlives_a_head_is_not_looked_at_again() -> None:
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)
        kept = [Knot() for _ in range(5_000)]
        engine.on_decided(HEAD)
        assert not any(type(each) is Knot for each in gc.get_objects()) and len(kept) == 5_000


@pytest.mark.parametrize(("apart_s", "part", "collected"), [(0.0, 2, True), (0.0, 60, True), (60.0, 2, False)])
async def test_what_becomes_a_cycle_later_is_collected_once_memory_has_grown_and_not_too_often(
    monkeypatch: pytest.MonkeyPatch, apart_s: float, part: int, collected: bool
) -> None:
    monkeypatch.setattr("bot.run.collecting._APART_S", apart_s)
    async with AsyncExitStack() as stack:
        engine, _ = _begun(stack)
        old = [Knot() for _ in range(sys.getallocatedblocks() // part)]
        for _ in range(4):
            engine.on_decided(HEAD)
        seen = weakref.ref(old[0])
        del old
        engine.on_decided(HEAD)
        assert seen() is not None
        for _ in range(100):
            engine.on_decided(HEAD)
        assert (seen() is None) is collected


async def test_spare_objects_that_come_back_after_a_look_are_no_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.run.collecting._APART_S", 0.0)
    monkeypatch.setattr("bot.run.collecting._WEIGHED", 1)
    blocks, looks, given_back = [1000] * 4, list[int](), list[bool]()
    monkeypatch.setattr("bot.run.collecting._give_back", lambda: given_back.append(True))
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: blocks[-1])
    collecting = Collecting()
    for _ in range(4):
        collecting.on_decided(HEAD)
    monkeypatch.setattr(gc, "collect", lambda generation=2: looks.append(generation) or 0)
    for weighed in (1019, 1021, 1021, 1041, 1042, 1070):
        blocks.append(weighed)
        before = looks.count(2)
        collecting.on_decided(HEAD)
        blocks.append(looks.count(2) - before)
    assert blocks[5::2] == [0, 1, 0, 0, 1, 0] and len(given_back) == 2


async def test_whoever_was_told_of_decisions_before_still_is() -> None:
    told: list[object] = []
    engine = cast(Engine, SimpleNamespace(on_decided=told.append, on_left=lambda: None))
    async with AsyncExitStack() as stack:
        collect_between_decisions(engine, stack)
        engine.on_decided(HEAD)
    assert told == [HEAD]


async def test_a_network_that_ends_leaves_the_others_to_collect_between_their_decisions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    seen = list[tuple[int, int, int]]()

    async def run(loaded: str, *_: object) -> None:
        async with AsyncExitStack() as stack:
            collect_between_decisions(_engine(), stack)
            if loaded == "ends first":
                await begun.wait()
            else:
                seen.append(gc.get_threshold())
                begun.set()
                await ended.wait()
                seen.append(gc.get_threshold())
        ended.set()

    monkeypatch.setattr(networks.app, "run", run)
    runs = [cast(networks.Planned, _Planned(name)) for name in ("ends first", "goes on")]
    await networks.run_together(runs, str)
    during, after = seen
    assert during == after


@dataclass(frozen=True, slots=True)
class _Planned:
    loaded: str
    options: None = None
    out: Quiet = field(default_factory=Quiet)
    network: str = ""


@pytest.mark.parametrize("ends_with", [asyncio.CancelledError, OSError])
def test_once_a_run_is_over_nobody_looks_for_garbage_any_more(
    ends_with: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that ends does so several times over."""
    kept = list[Knot]()

    async def run(*_: object) -> None:
        kept.append(Knot())
        raise ends_with

    monkeypatch.setattr(networks.app, "run", run)
    monkeypatch.chdir(tmp_path)
    try:
        CliRunner().invoke(main, ["run", "--config", str(twin_config(tmp_path))])
        assert kept and not any(each is kept[0] for each in gc.get_objects())
    finally:
        gc.unfreeze()
