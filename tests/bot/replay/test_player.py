from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bot.clock import SystemClock
from bot.replay.ends import PlayedEnd
from bot.replay.player import Player
from bot.replay.recorder import Recorder
from bot.replay.tape import TapeWriter, read_tape


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
