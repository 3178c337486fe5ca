from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bot.clock import SystemClock
from bot.replay.ends import PlayedEnd
from bot.replay.player import Diverged, Player
from bot.replay.recorder import Kind, Recorder
from bot.replay.tape import TapeWriter, read_tape
from bot.turns import Turns


class Ends:
    """Two ends that answer in the same moment, the one before the other."""

    def __init__(self) -> None:
        self.moment = asyncio.Event()

    async def one(self) -> int:
        await self.moment.wait()
        return 1

    async def other(self) -> int:
        for _ in range(3):
            await asyncio.sleep(0)
        await self.moment.wait()
        return 2


async def _road(ends: Any, look: Callable[[str], int]) -> tuple[int, int]:
    async def first() -> int:
        (found,) = await asyncio.gather(ends.one())
        return int(found) + look("first")

    return cast(tuple[int, int], tuple(await asyncio.gather(first(), ends.other())))


async def test_what_one_of_two_answers_of_a_moment_led_to_may_be_on_the_tape_behind_both(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path / "tape", pytest.fail)
    recorder, ends = Recorder(tape, SystemClock()), Ends()
    running = asyncio.create_task(_road(recorder.end("ends", ends), recorder.reading("look", lambda which: 10)))
    for _ in range(9):
        await asyncio.sleep(0)
    ends.moment.set()
    assert await running == (11, 2)
    recorder.close("digest")
    named = [record[1] for record in read_tape(tmp_path / "tape")]
    assert named == ["ends.one", "ends.other", "look", "digest"]

    player = Player(read_tape(tmp_path / "tape"), cast(Any, None))
    playing = asyncio.create_task(_road(PlayedEnd(player, "ends"), lambda which: int(player.read("look", which))))
    await player.opening(playing)
    assert playing.result() == (11, 2)


async def _acting(ends: Any, turns: Any) -> list[str]:
    """In which order the two act; the first hears its answer through tasks of its own."""
    acted: list[str] = []

    async def first() -> None:
        await asyncio.gather(asyncio.create_task(ends.one()))
        await turns.take("first", "a plan")
        acted.append("first")

    async def second() -> None:
        await ends.other()
        await turns.take("second", "a plan")
        acted.append("second")

    await asyncio.gather(first(), second())
    return acted


async def test_two_act_in_the_order_of_the_run_whichever_was_answered_first(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path / "tape", pytest.fail)
    recorder, ends = Recorder(tape, SystemClock()), Ends()
    running = asyncio.create_task(_acting(recorder.end("ends", ends), recorder.end("turns", Turns())))
    for _ in range(9):
        await asyncio.sleep(0)
    ends.moment.set()
    assert await running == ["second", "first"]
    recorder.close("digest")
    assert [record[1] for record in read_tape(tmp_path / "tape")][:2] == ["ends.one", "ends.other"]

    player = Player(read_tape(tmp_path / "tape"), cast(Any, None))
    playing = asyncio.create_task(_acting(PlayedEnd(player, "ends"), PlayedEnd(player, "turns")))
    await player.opening(playing)
    assert playing.result() == ["second", "first"]


async def test_what_an_end_is_only_told_asks_the_tape_nothing() -> None:
    assert PlayedEnd(Player(iter([]), cast(Any, None)), "exchange").sent_before("an order") is None


async def test_who_is_given_up_while_it_waits_for_an_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.replay.player._PATIENCE_S", 0.0)
    player = Player(iter([[Kind.ANSWER, "exchange.never_asked", "", 1]]), cast(Any, None))
    exchange = PlayedEnd(player, "exchange")

    async def trades() -> None:
        paying = asyncio.create_task(exchange.place("a hedge"))
        try:
            await exchange.find("another")
        finally:
            # As the engine does: what was traded is booked, whatever became of the rest.
            await paying
            await exchange.place("one more")

    running = asyncio.create_task(trades())
    for _ in range(3):
        await asyncio.sleep(0)
    with pytest.raises(Diverged, match=r"never_asked.* the replay asked for exchange\.find, exchange\.place"):
        await player.play(cast(Any, None), running)
    running.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
