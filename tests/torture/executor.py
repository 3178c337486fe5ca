"""The executor's invariants, long: `python -m tests.torture.executor [--runs 1000] [--depth 100]`.

forge plays every actor of `contracts/test/base/Players.sol` in random order; each of the six invariants is a game.
A move that was played less often than `--least` times proves too little, and fails.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from chains.tools import ROOT, foundry

INVARIANTS = 6
_PASSED = re.compile(r"\[PASS\] (invariant\w+)\(\) \(runs: (\d+), calls: (\d+)")
_MOVE = re.compile(r"\| Players\s+\| (\w+)\s+\| (\d+)\s+\|")


@dataclass(frozen=True, slots=True)
class Game:
    """One invariant, and how often each move was played in its game."""

    invariant: str
    calls: int
    moves: dict[str, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play; 0 when every invariant held and every move was played often enough."""
    parser = argparse.ArgumentParser("python -m tests.torture.executor", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--least", type=int, default=1_000, help="as often each move must have been played, per game")
    options = parser.parse_args(arguments)
    done = subprocess.run(
        [str(foundry("forge")), "test", "--match-contract", "^InvariantsTest$", "--match-test", "^invariant"],
        cwd=ROOT,
        env={
            **os.environ,
            "FOUNDRY_INVARIANT_RUNS": str(options.runs),
            "FOUNDRY_INVARIANT_DEPTH": str(options.depth),
        },
        capture_output=True,
        text=True,
    )
    games = read(done.stdout)
    for game in games:
        print(f"{game.invariant}: {game.calls} calls; " + ", ".join(f"{m} {n}" for m, n in sorted(game.moves.items())))
    if done.returncode or len(games) != INVARIANTS:
        print(done.stdout[-4000:] + done.stderr[-2000:])
        print(f"{INVARIANTS - len(games)} of {INVARIANTS} invariants did not hold")
        return 1
    rare = {f"{game.invariant}.{move}": n for game in games for move, n in game.moves.items() if n < options.least}
    if rare:
        print(f"played too seldom: {rare}")
        return 1
    seldom = min(n for game in games for n in game.moves.values())
    calls = sum(game.calls for game in games)
    moves = len(games[0].moves)
    print(
        f"{INVARIANTS} invariants, {calls} calls: 0 broken; each of {moves} moves at least {seldom} times per invariant"
    )
    return 0


def read(printed: str) -> list[Game]:
    """The games that forge says were won, from what it prints."""
    games = []
    parts = _PASSED.split(printed)
    for name, _, calls, table in zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4], strict=True):
        games.append(Game(name, int(calls), {move: int(count) for move, count in _MOVE.findall(table)}))
    return games


if __name__ == "__main__":
    sys.exit(main())
