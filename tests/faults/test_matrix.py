"""The fault matrix in short: every fault and every method at least once. `make torture` plays all of it."""

from __future__ import annotations

from itertools import cycle

from tests.faults.chain import Setting
from tests.faults.fault import Kind
from tests.faults.matrix import METHODS, Cell, cells, outcomes
from tests.faults.rig import LAYOUTS
from tests.faults.story import story


def covering() -> list[Cell]:
    """Every fault once, going through the methods and the layouts by turns."""
    methods, layouts = cycle(METHODS), cycle(LAYOUTS)
    return [Cell(kind, next(methods), next(layouts)) for kind in Kind]


def test_the_short_matrix_covers_every_fault_method_and_layout() -> None:
    assert {cell.kind for cell in covering()} == set(Kind)
    assert {cell.method for cell in covering()} == set(METHODS)
    assert {cell.layout for cell in covering()} == set(LAYOUTS)
    assert len(cells(LAYOUTS)) == len(Kind) * len(METHODS) * len(LAYOUTS)


async def test_no_fault_leads_to_a_wrong_action_or_lasts_beyond_its_end(setting: Setting) -> None:
    found = [one async for one in outcomes(covering(), setting, at_once=8)]
    assert [(str(one.cell), one.wrong, one.bugs) for one in found if one.wrong or one.bugs] == []
    assert [str(one.cell) for one in found if one.recovery is None] == []


def test_a_story_is_told_by_its_seed() -> None:
    assert story(7) == story(7) != story(8)
