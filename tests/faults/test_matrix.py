"""The fault matrix in short: every fault and every method at least once. `make torture` plays all of it."""

from __future__ import annotations

import asyncio
from itertools import cycle

from tests.conftest import Counted
from tests.faults.chain import Setting
from tests.faults.fault import Fault, Kind
from tests.faults.matrix import METHODS, cells, play
from tests.faults.oracle import Wrong
from tests.faults.rig import LAYOUTS, Layout, open_rig
from tests.faults.story import story

AT_ONCE = 2


def covering() -> list[tuple[Layout, list[Fault]]]:
    """Every fault once, some at a time over each layout, going through the methods by turns."""
    methods = cycle(METHODS.values())
    faults = [Fault(kind, frozenset(next(methods))) for kind in Kind]
    return [(layout, faults[place :: len(LAYOUTS)]) for place, layout in enumerate(LAYOUTS)]


def test_the_short_matrix_covers_every_fault_method_and_layout() -> None:
    assert {fault.kind for _, faults in covering() for fault in faults} == set(Kind)
    assert {fault.methods for _, faults in covering() for fault in faults} == set(map(frozenset, METHODS.values()))
    assert {layout for layout, _ in covering()} == set(LAYOUTS)
    assert len(cells(LAYOUTS)) == len(Kind) * len(METHODS) * len(LAYOUTS)


async def test_no_fault_leads_to_a_wrong_action_or_lasts_beyond_its_end(setting: Setting, counted: Counted) -> None:
    """Who was only late is played again with nothing beside it, as in the whole matrix."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def played(layout: Layout, faults: list[Fault]) -> tuple[bool, list[Wrong], list[str]]:
        async with turn, open_rig(setting, layout, block_time_s=1) as rig:
            recovery = await play(rig, *faults)
            return recovery is not None, await rig.settle(), list(rig.bot.bugs)

    nothing: tuple[list[Wrong], list[str]] = [], []
    good, late = (True, *nothing), (False, *nothing)
    found = await asyncio.gather(*(played(*case) for case in covering()))
    again = [await played(*case) if one == late else one for case, one in zip(covering(), found, strict=True)]
    assert again == [good] * len(covering())
    told = f"{sum(len(faults) for _, faults in covering())} faults over {len(covering())} layouts: 0 wrong, 0 late"
    counted("matrix", told)


def test_a_story_is_told_by_its_seed() -> None:
    assert story(7) == story(7) != story(8)
