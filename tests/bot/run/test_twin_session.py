"""The twin's time, moved block by block at the pace that was asked for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.engine import Engine
from bot.run.twin_session import Stepper
from chains.twin.client import TwinProcess


class Blocks:
    """A twin and an engine that decides on each of its blocks at once."""

    def __init__(self) -> None:
        self.number = 0
        self.ending = False
        self.made = asyncio.Event()

    async def advance(self) -> dict[str, int]:
        return {}

    async def mine(self) -> Any:
        self.number += 1
        self.made.set()
        return SimpleNamespace(number=self.number)

    async def decided(self, number: int) -> None:
        assert number == self.number

    def stepper(self, pace_s: float) -> Stepper:
        return Stepper(cast(TwinProcess, self), cast(Engine, self), [], pace_s)


async def test_a_run_that_is_over_does_not_wait_for_a_block_that_is_far() -> None:
    blocks, over = Blocks(), asyncio.Event()
    moving = asyncio.create_task(blocks.stepper(600.0).run(over.is_set))
    await blocks.made.wait()
    over.set()
    await asyncio.wait_for(moving, 10)
    assert blocks.number == 1


async def test_what_is_in_flight_is_brought_home_at_no_pace() -> None:
    blocks = Blocks()
    blocks.ending = True
    await asyncio.wait_for(blocks.stepper(600.0).run(lambda: blocks.number == 3), 10)


@pytest.mark.parametrize("pace_s", [0.0, 0.3])
async def test_while_it_trades_blocks_come_no_faster_than_was_asked_for(pace_s: float) -> None:
    blocks, loop = Blocks(), asyncio.get_running_loop()
    begun_s = loop.time()
    await blocks.stepper(pace_s).run(lambda: blocks.number == 3)
    assert loop.time() - begun_s >= 2 * pace_s
