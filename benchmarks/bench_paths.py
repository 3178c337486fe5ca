"""Detection beside an engine that enumerates paths: degenbot's Rust core, on the closed paths that a block touches.

A path engine must list every closed path of pools beforehand, and solves those that a block touches one by one. Here
they are counted on the universe of 120,800 pools: V2 pools only, two and three hops, through 300 changed pools. The
peer solves a random sample; its time is taken to all of them. Run as `python -m benchmarks.bench_paths [--sample
20000]`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.bench_quotes import RUST
from benchmarks.machine import report
from benchmarks.universe import V2, Universe, universe
from bot.market.packed import Detector, Filter
from bot.market.packed.shapes import F8, I4, Arrays

CHANGED, BLOCKS, WEI = 300, 200, 10**18
ONLY_V2 = Filter(
    classes=frozenset({V2}),
    max_hops=3,
    gas_price_wei=7 * 10**9,
    gas_base=40_000,
    gas_of_class=np.full(64, 30_000.0),
)

Walk = tuple[int, ...]
"""Edges in order."""


class Paths:
    """The closed paths of V2 pools, by the pools of each pair of tokens."""

    def __init__(self, made: Universe) -> None:
        self._arrays: Arrays = made.market.arrays()
        arrays = self._arrays
        self._edges: dict[tuple[int, int], list[int]] = {}
        self._after: dict[int, set[int]] = {}
        for pair in np.flatnonzero(arrays.pairs.many):
            first = arrays.pairs.first[pair]
            edges = [int(each) for each in arrays.pairs.edges[first : first + arrays.pairs.many[pair]]]
            edges = [each for each in edges if made.klass[arrays.edges.pool[each]] == V2]
            if edges:
                ends = int(arrays.pairs.source[pair]), int(arrays.pairs.target[pair])
                self._edges[ends] = edges
                self._after.setdefault(ends[0], set()).add(ends[1])

    def ends(self, edge: int) -> tuple[int, int]:
        pair = self._arrays.edges.pair[edge]
        return int(self._arrays.pairs.source[pair]), int(self._arrays.pairs.target[pair])

    def count(self, edge: int) -> int:
        """How many closed paths of two and three hops begin with an edge."""
        one, other = self.ends(edge)
        two = len(self._edges[other, one]) - 1
        between = self._after[one] & self._after[other]
        return two + sum(len(self._edges[other, each]) * len(self._edges[each, one]) for each in between)

    def through(self, edge: int) -> Iterator[Walk]:
        """Those paths."""
        one, other = self.ends(edge)
        for back in self._edges[other, one]:
            if self._arrays.edges.pool[back] != self._arrays.edges.pool[edge]:
                yield edge, back
        for middle in self._after[one] & self._after[other]:
            for second in self._edges[other, middle]:
                for third in self._edges[middle, one]:
                    yield edge, second, third


def blocks(made: Universe, many: int) -> Iterator[tuple[I4, F8]]:
    """Changed V2 pools with calm new reserves."""
    rng = np.random.default_rng(17)
    weight = np.where(made.klass == V2, made.weight, 0.0)
    weight /= weight.sum()
    for _ in range(many):
        pools = np.unique(rng.choice(made.pools, CHANGED, p=weight)).astype(np.int32)
        yield pools, made.values(pools, made.calm_noise(pools, rng))


def job_of(made: Universe, paths: list[Walk]) -> dict[str, object]:
    """Pools and paths as the peer takes them: whole reserves, with as many decimals as they need."""
    arrays = made.market.arrays()
    numbers = sorted({int(arrays.edges.pool[edge]) for path in paths for edge in path})
    at = {pool: place for place, pool in enumerate(numbers)}
    pools = []
    for pool in numbers:
        state = arrays.pools.state[pool]
        reserves = [max(int(float(state[side] / state[4 + side]) * WEI), 1) for side in (0, 1)]
        pools.append([int(made.nodes[pool, 0]), int(made.nodes[pool, 1]), *map(str, reserves)])
    listed = [
        [
            (at[int(arrays.edges.pool[edge])], int(edge) == int(arrays.pools.first[arrays.edges.pool[edge]]))
            for edge in path
        ]
        for path in paths
    ]
    return {"pools": pools, "paths": listed}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sample", type=int, default=20_000)
    chosen = arguments.parse_args()
    made = universe()
    detector = Detector(made.market)
    detector.search(np.zeros(0, np.int32))
    paths, rng = Paths(made), np.random.default_rng(23)
    first, _ = next(blocks(made, 1))
    edges = [edge for pool in first for edge in made.market.edges_of(int(pool))]
    counts = np.array([paths.count(edge) for edge in edges])
    touched = int(counts.sum())
    share = min(chosen.sample / touched, 1.0)
    sample = [path for edge in edges for path in paths.through(edge) if rng.random() < share]
    step_ms = []
    for number, (pools, values) in enumerate(blocks(made, BLOCKS)):
        began = time.thread_time()
        detector.step(pools, values, allowed=ONLY_V2)
        if number >= 10:
            step_ms.append((time.thread_time() - began) * 1e3)
    ours_ms = float(np.median(step_ms))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "paths.json"
        file.write_text(json.dumps(job_of(made, sample)))
        answer = RUST.beside("degenbot_paths.py").ask({"file": str(file), "repeats": 3})
    raw = {"touched": touched, "sampled": len(sample), "step_ms": ours_ms, "degenbot": answer}
    if answer is None:
        report(4, f"{touched} closed paths touched; degenbot 0.6 needs Python 3.13, which is not here", raw)
        return
    each_us = min(answer["seconds"]) / len(sample) * 1e6
    theirs_ms = each_us * touched / 1e3
    text = (
        f"{CHANGED} changed V2 pools of {made.pools} touch {touched} closed paths of two and three hops: "
        f"{ours_ms:.2f} ms of processor time here, state included; degenbot's Rust engine {each_us:.1f} us a path "
        f"({len(sample)} solved), {theirs_ms:.0f} ms for all, {theirs_ms / ours_ms:.0f} times as much"
    )
    report(4, text, raw)


if __name__ == "__main__":
    main()
