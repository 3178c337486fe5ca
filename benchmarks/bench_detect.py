"""The packed market on the synthetic universe: detection, growth, planted opportunities, memory and start.

Run as `python -m benchmarks.bench_detect [--blocks 1000] [--plants 100] [--figures 1 2 3 10 11]`. Each figure is a
line for people and a line of JSON. The peer of figure 1, rustworkx, lives in a throw-away environment in `var/peers`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks.bench_quotes import Peer
from benchmarks.machine import report
from benchmarks.plants import Planter
from benchmarks.truth import Truth
from benchmarks.universe import BOOK, FITTED, Universe, universe
from bot.market.packed import Detector, Filter, Found
from bot.market.packed.shapes import F8, I4
from chains.tools import ROOT

RUSTWORKX = Peer("rustworkx", sys.executable, "rustworkx>=0.18", "rustworkx_cycle.py")
CHANGED, FULL_SIZE = 300, 120_800
GAS = Filter(gas_price_wei=7 * 10**9, gas_base=40_000, gas_of_class=np.full(64, 30_000.0))
"""0.0007 ETH for two hops."""

START = """
import time, numpy as np
began = time.perf_counter()
from bot.market.packed import Detector, PackedMarket
market = PackedMarket()
market.add_nodes(np.ones(2), np.full(2, 18, np.int32))
ends = np.array([[0, 1], [1, 0]], np.int32)
pools = market.add_products(ends, np.ones((2, 2)), np.ones((2, 2)), np.zeros(2, np.int32))
Detector(market).search(pools)
print(time.perf_counter() - began)
"""


class Blocks:
    """Blocks of calm changes, made before they are timed."""

    def __init__(self, made: Universe, seed: int) -> None:
        self._made, self._rng = made, np.random.default_rng(seed)

    def next(self, changed: int) -> tuple[I4, F8, I4, I4, F8]:
        """The arguments of `Detector.step` for a block of that many changed pools."""
        made = self._made
        pools = np.unique(self._rng.choice(made.pools, changed, p=made.weight)).astype(np.int32)
        while len(pools) < min(changed, made.pools):
            pools = np.unique(np.append(pools, self._rng.integers(made.pools))).astype(np.int32)
        noise = made.noise[pools] = made.calm_noise(pools, self._rng)
        edges, starts, pieces = [], [0], [np.zeros((0, 3))]
        for pool, off in zip(pools, noise, strict=True):
            if made.klass[pool] in (FITTED, BOOK):
                given = made.pieces(int(pool), float(off))
                for edge, rows in zip(made.market.edges_of(int(pool)), given, strict=True):
                    edges.append(edge)
                    pieces.append(made.market.in_value(edge, rows))
                    starts.append(starts[-1] + len(rows))
        values = made.values(pools, noise)
        return pools, values, np.array(edges, np.int32), np.array(starts, np.int32), np.concatenate(pieces)


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the least."""
    p50, p90, p99 = np.percentile(values, (50, 90, 99))
    return {"p50": float(p50), "p90": float(p90), "p99": float(p99), "least": float(min(values))}


def stepped(made: Universe, blocks: int, changed: int) -> tuple[Detector, dict[str, float], dict[str, float]]:
    """Milliseconds per block by the clock on the wall, and of processor time."""
    detector, source = Detector(made.market), Blocks(made, 5)
    wall, busy = [], []
    for number in range(blocks + 10):
        block = source.next(changed)
        began, began_busy = time.perf_counter(), time.thread_time()
        detector.step(*block, allowed=GAS)
        if number >= 10:
            wall.append((time.perf_counter() - began) * 1e3)
            busy.append((time.thread_time() - began_busy) * 1e3)
    return detector, percentiles(wall), percentiles(busy)


def figure_1(made: Universe, blocks: int) -> None:
    _, wall, busy = stepped(made, blocks, CHANGED)
    pairs = made.market.arrays().pairs
    known = np.flatnonzero((pairs.many > 0) & (pairs.row[:, 0] > 0))
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, np.array([pairs.source[known], pairs.target[known], -np.log(pairs.row[known, 0].astype(float))]))
        file.flush()
        peer = RUSTWORKX.ask({"file": file.name, "repeats": 5})
    assert peer is not None
    theirs = float(np.median(peer["ms"]))
    text = (
        f"{made.pools} pools, {CHANGED} changed: p50 {wall['p50']:.2f} ms, p99 {wall['p99']:.2f} ms "
        f"(processor time {busy['p50']:.2f}, {busy['p99']:.2f}); rustworkx find_negative_cycle {theirs:.1f} ms, "
        f"{theirs / wall['p50']:.0f} times as much"
    )
    report(1, text, {"wall_ms": wall, "busy_ms": busy, "blocks": blocks, "rustworkx": peer})


def figure_2(made: Universe, blocks: int) -> None:
    rows = {}
    for size in (1_200, FULL_SIZE, 1_200_000):
        market = made if size == FULL_SIZE else universe(size)
        _, wall, busy = stepped(market, blocks, CHANGED)
        rows[market.pools] = {"wall_ms": wall, "busy_ms": busy}
    small, full, _ = rows.values()
    growth = full["wall_ms"]["p50"] / small["wall_ms"]["p50"]
    text = ", ".join(
        f"{size} pools: p50 {row['wall_ms']['p50']:.2f} ms (processor time {row['busy_ms']['p50']:.2f})"
        for size, row in rows.items()
    )
    report(2, f"{text}; a hundred times the pools take {growth:.1f} times as long", {"rows": rows, "growth": growth})


def figure_3(made: Universe, many: int) -> None:
    """Each plant in a block of its own among calm changes. A candidate is real if it pays for its gas in the truth."""
    rng = np.random.default_rng(11)
    planter, detector, source, truth = Planter(made, rng), Detector(made.market), Blocks(made, 7), Truth(made)
    detector.search(np.zeros(0, np.int32))
    rows, shown, real = {}, 0, 0
    for name in planter.classes:
        known = captured = found = planted = 0.0
        for plant in planter.plants(name, many):
            block = source.next(CHANGED)
            detector.step(*block, allowed=GAS)
            one = np.array([plant.pool], np.int32)
            made.noise[one] = plant.noise
            answer: Found = detector.step(one, made.values(one, made.noise[one]), allowed=GAS)
            gas = 7e-9 * (40_000 + 30_000 * len(plant.nodes))
            best = planter.best_known(plant)
            mine = max((candidate.gain for candidate in answer.candidates), default=0.0)
            if best > gas or mine > gas:
                planted += 1
                best = max(best, mine)
                known, captured, found = known + best, captured + mine, found + (mine >= 0.5 * best)
            for each in answer.candidates:
                shown += 1
                real += truth.gain(each.edges, each.size) > 7e-9 * (40_000 + 30_000 * len(each.edges))
            made.noise[one] = made.calm_noise(one, rng)
            detector.step(one, made.values(one, made.noise[one]), allowed=GAS)
        rows[name] = {"planted": planted, "found": found / max(planted, 1), "captured": captured / max(known, 1e-300)}
    every = {
        key: sum(row[key] * row["planted"] for row in rows.values())
        / max(sum(row["planted"] for row in rows.values()), 1)
        for key in ("found", "captured")
    }
    text = ", ".join(
        f"{name} {row['found']:.1%} / {row['captured']:.1%} of {row['planted']:.0f}" for name, row in rows.items()
    )
    precision = real / max(shown, 1)
    told = f"candidates that pay in exact units {precision:.2%} of {shown}"
    report(
        3,
        f"found / captured: all {every['found']:.1%} / {every['captured']:.1%}; {text}; {told}",
        {"classes": rows, "all": every, "precision": precision, "shown": shown},
    )


def figure_10(made: Universe) -> None:
    each = made.market.nbytes / made.pools
    report(10, f"{each:.0f} bytes a pool, all arrays, at {made.pools} pools", {"bytes_per_pool": each})


def figure_11() -> None:
    """All kernels compiled into an empty cache by `isthmus warmup`, then a process that finds them there."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"ISTHMUS_KERNEL_CACHE": folder}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "bot", "warmup", "--json"]
        said = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cold, busy = json.loads(said)["seconds"], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        run = [sys.executable, "-c", START]
        warm = float(subprocess.run(run, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    began = time.perf_counter()
    made = universe(FULL_SIZE)
    build = time.perf_counter() - began
    began = time.perf_counter()
    Detector(made.market).search(np.zeros(0, np.int32))
    tables = time.perf_counter() - began
    text = (
        f"cold compile of every kernel {cold:.1f} s ({busy:.1f} s of processor time), warm start {warm:.2f} s; "
        f"tables of {made.pools} pools {tables:.2f} s"
    )
    raw = {"cold_s": cold, "cold_busy_s": busy, "warm_s": warm, "universe_s": build, "tables_s": tables}
    report(11, text, raw)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--blocks", type=int, default=1000)
    arguments.add_argument("--plants", type=int, default=100)
    arguments.add_argument("--figures", type=int, nargs="+", default=[1, 2, 3, 10, 11])
    chosen = arguments.parse_args()
    made = universe(FULL_SIZE)
    if 1 in chosen.figures:
        figure_1(made, chosen.blocks)
    if 2 in chosen.figures:
        figure_2(made, max(chosen.blocks // 4, 20))
    if 3 in chosen.figures:
        figure_3(made, chosen.plants)
    if 10 in chosen.figures:
        figure_10(made)
    if 11 in chosen.figures:
        figure_11()


if __name__ == "__main__":
    main()
