"""Random fault schedules by seed: `python -m tests.torture.rpc --schedules 500 --seed 1 [--from K | --only K]`.

Schedule K is the story of seed + K. Every one that is not good is told at once, with the command that plays it again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence

from tests.faults.chain import Setting
from tests.faults.matrix import RECOVERY_BLOCKS
from tests.faults.story import Told, story, tell

_PATIENCE_S = 240.0
_TOLD_EVERY = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays the schedules asked for; 0 when all of them are good."""
    parser = argparse.ArgumentParser("python -m tests.torture.rpc", description=__doc__)
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", type=int, default=0, dest="first", help="go on from this schedule")
    parser.add_argument("--only", type=int, help="play this schedule alone")
    parser.add_argument("--at-once", type=int, default=4, help="schedules played at a time")
    options = parser.parse_args(arguments)
    chosen = range(options.first, options.schedules) if options.only is None else [options.only]
    return asyncio.run(_play(chosen, options.seed, options.at_once))


async def _play(chosen: Sequence[int], seed: int, at_once: int) -> int:
    begun = time.monotonic()
    setting = await Setting.make()
    found = dict([one async for one in _told(chosen, seed, setting, at_once)])
    late = [number for number, told in found.items() if told.late_only]
    if late:
        print(
            f"{len(late)} were late, maybe because others played beside: they are played again, alone", file=sys.stderr
        )
        found.update([one async for one in _told(late, seed, setting, 1)])
    all_of_them = found.values()
    wrong, bugs = sum(len(told.wrong) for told in all_of_them), sum(bool(told.bugs) for told in all_of_them)
    slow, struck = sum(not told.in_time for told in all_of_them), sum(told.struck for told in all_of_them)
    print(
        f"{len(found)} schedules, faults struck {struck} times: {wrong} wrong actions, {slow} not recovered within "
        f"{RECOVERY_BLOCKS} blocks, {bugs} with bugs; {time.monotonic() - begun:.0f} s"
    )
    return 0 if all(told.good for told in all_of_them) else 1


async def _told(chosen: Sequence[int], seed: int, setting: Setting, at_once: int) -> AsyncIterator[tuple[int, Told]]:
    """How the schedules end, those that do not end well told as they come."""
    turn = asyncio.Semaphore(at_once)

    async def play_one(number: int) -> tuple[int, Told]:
        of = story(seed + number)
        async with turn:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return number, await tell(of, setting)
            except TimeoutError:
                return number, Told(of, 0, None, (), (), _PATIENCE_S)
            except Exception as error:
                return number, Told(of, 0, None, (), (f"the schedule itself failed: {error!r}",), 0.0)

    for done, coming in enumerate(asyncio.as_completed([play_one(number) for number in chosen])):
        number, told = await coming
        if done and done % _TOLD_EVERY == 0:
            print(f"{done} of {len(chosen)} played", file=sys.stderr, flush=True)
        if not told.good:
            print(_complaint(number, seed, told), file=sys.stderr, flush=True)
        yield number, told


def _complaint(number: int, seed: int, told: Told) -> str:
    said = [f"recovery {told.recovery}", *map(str, told.wrong[:3]), *(f"bug: {bug}" for bug in told.bugs[:3])]
    again = f"python -m tests.torture.rpc --seed {seed} --only {number}"
    return f"{number}: {'; '.join(said)}\n    {told.story}\n    {again}"


if __name__ == "__main__":
    sys.exit(main())
