"""The whole RPC fault matrix: `python -m tests.torture.matrix [--layout ws] [--kind null] [--method getLogs]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence

from tests.faults.chain import Setting
from tests.faults.fault import Kind
from tests.faults.matrix import METHODS, RECOVERY_BLOCKS, Cell, Outcome, cells, outcomes, table
from tests.faults.rig import LAYOUTS, Layout


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays the cells asked for; 0 when all of them are good."""
    parser = argparse.ArgumentParser("python -m tests.torture.matrix", description=__doc__)
    parser.add_argument("--layout", action="append", choices=[str(layout) for layout in LAYOUTS])
    parser.add_argument("--kind", action="append", choices=list(Kind))
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--at-once", type=int, default=3, help="cells played at a time")
    options = parser.parse_args(arguments)
    layouts = [layout for layout in LAYOUTS if not options.layout or str(layout) in options.layout]
    chosen = cells(layouts, [Kind(kind) for kind in options.kind or Kind], options.method or METHODS)
    return asyncio.run(_play(chosen, layouts, options.at_once))


async def _play(chosen: Sequence[Cell], layouts: Sequence[Layout], at_once: int) -> int:
    begun = time.monotonic()
    setting = await Setting.make()
    found = {one.cell: one async for one in _told(chosen, setting, at_once)}
    late = [one.cell for one in found.values() if one.late_only]
    if late:
        print(
            f"{len(late)} were late, maybe because others played beside: they are played again, alone", file=sys.stderr
        )
        found.update({one.cell: one async for one in _told(late, setting, 1)})
    for layout in layouts:
        print(f"{layout}: wrong actions / blocks to recovery\n{table(found.values(), layout)}\n")
    all_of_them = found.values()
    wrong, bugs = sum(len(one.wrong) for one in all_of_them), sum(bool(one.bugs) for one in all_of_them)
    slow, unmet = sum(not one.in_time for one in all_of_them), sum(not one.struck for one in all_of_them)
    print(
        f"{len(found)} cells: {wrong} wrong actions, {slow} not recovered within {RECOVERY_BLOCKS} blocks, {bugs} with "
        f"bugs, {unmet} whose fault was not met; {time.monotonic() - begun:.0f} s"
    )
    return 0 if all(one.good for one in all_of_them) else 1


async def _told(chosen: Sequence[Cell], setting: Setting, at_once: int) -> AsyncIterator[Outcome]:
    """The outcomes, those that are not good told as they come."""
    async for one in outcomes(chosen, setting, at_once=at_once):
        if not one.good:
            print(_complaint(one), file=sys.stderr, flush=True)
        yield one


def _complaint(one: Outcome) -> str:
    said = [f"recovery {one.recovery}", *map(str, one.wrong[:3]), *(f"bug: {bug}" for bug in one.bugs[:3])]
    return f"{one.cell}: " + "; ".join(said)


if __name__ == "__main__":
    sys.exit(main())
