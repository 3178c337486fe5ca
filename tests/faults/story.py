"""Random schedules: a seed tells which faults strike when, and what the chain does meanwhile."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from enum import StrEnum

from bot.execution.transactions import TransactionDesk
from tests.faults.chain import Setting
from tests.faults.fault import CONNECT, Fault, Kind
from tests.faults.matrix import BLOCK_TIME_S, METHODS, RECOVERY_BLOCKS
from tests.faults.oracle import Wrong
from tests.faults.rig import Layout, Rig, open_rig

_MOST_FAULTS = 4
_LEAST_STEPS, _MOST_STEPS = 5, 9
_DEEPEST_REORG = 4
_MOST_AT_ONCE = 3


class Happening(StrEnum):
    """What the chain or the machine does."""

    BLOCK = "block"
    BLOCKS_AT_ONCE = "blocks at once"
    REORG = "reorg"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Story:
    """`steps` are happenings with their size: blocks, depth, or nothing."""

    seed: int
    layout: Layout
    faults: tuple[Fault, ...]
    steps: tuple[tuple[Happening, int], ...]

    def __str__(self) -> str:
        steps = ", ".join(f"{happening} {size}" if size > 1 else happening for happening, size in self.steps)
        return f"seed {self.seed}, {self.layout}: {'; '.join(map(str, self.faults))}; {steps}"


@dataclass(frozen=True, slots=True)
class Told:
    """How a story ended; as `matrix.Outcome`."""

    story: Story
    struck: int
    recovery: int | None
    wrong: tuple[Wrong, ...]
    bugs: tuple[str, ...]
    seconds: float

    @property
    def in_time(self) -> bool:
        return self.recovery is not None and self.recovery <= RECOVERY_BLOCKS

    @property
    def late_only(self) -> bool:
        return not (self.in_time or self.wrong or self.bugs)

    @property
    def good(self) -> bool:
        return self.in_time and not self.wrong and not self.bugs


def story(seed: int) -> Story:
    """The story of `seed`: always the same."""
    dice = random.Random(seed)
    layout = Layout(dice.choice(("ws", "http")), beside_a_good_one=dice.random() < 0.5)
    faults = tuple(_fault(dice) for _ in range(dice.randint(1, _MOST_FAULTS)))
    steps = tuple(_step(dice) for _ in range(dice.randint(_LEAST_STEPS, _MOST_STEPS)))
    return Story(seed, layout, faults, steps)


def _fault(dice: random.Random) -> Fault:
    columns = [*METHODS.values(), (CONNECT,)]
    methods = frozenset(name for column in dice.sample(columns, dice.randint(1, 4)) for name in column)
    return Fault(
        kind=dice.choice(list(Kind)),
        methods=methods if dice.random() < 0.9 else frozenset(),
        start_s=dice.choice((0.0, 0.5, 1.0, 2.0)),
        seconds=dice.choice((0.5, 2.0, 5.0, None)),
        after=dice.choice((0, 0, 1, 3)),
        requests=dice.choice((1, 3, None, None)),
        chance=dice.choice((1.0, 1.0, 0.5)),
        seed=dice.randrange(1 << 30),
    )


def _step(dice: random.Random) -> tuple[Happening, int]:
    happening = dice.choices(list(Happening), weights=(5, 2, 2, 1))[0]
    match happening:
        case Happening.BLOCKS_AT_ONCE:
            return happening, dice.randint(2, _MOST_AT_ONCE)
        case Happening.REORG:
            return happening, dice.randint(1, _DEEPEST_REORG)
    return happening, 1


async def tell(of: Story, setting: Setting, desk: type[TransactionDesk] = TransactionDesk) -> Told:
    """Play a story on a chain of its own."""
    begun = time.monotonic()
    async with open_rig(setting, of.layout, desk=desk, block_time_s=BLOCK_TIME_S) as rig:
        await rig.blocks(_DEEPEST_REORG)
        await rig.strike(*of.faults)
        for happening, size in of.steps:
            await _happen(rig, happening, size)
        rig.heal()
        recovery = await rig.recovered_after()
        wrong = await rig.settle()
        struck = sum(rig.faulty.schedule.struck.values())
        return Told(of, struck, recovery, tuple(wrong), tuple(rig.bot.bugs), time.monotonic() - begun)


async def _happen(rig: Rig, happening: Happening, size: int) -> None:
    match happening:
        case Happening.BLOCK:
            await rig.blocks()
        case Happening.BLOCKS_AT_ONCE:
            await rig.blocks(at_once=size)
        case Happening.REORG:
            await rig.reorganise(size)
        case Happening.RESTART:
            await rig.bot.restart()
