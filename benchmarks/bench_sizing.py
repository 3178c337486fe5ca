"""Sizing one closed walk: the packed market's kernel beside golden section and beside an engine, on the same walks.

Golden section four times: in plain Python over the float curves and over pools' exact quotes, as users of an AMM
library write it; and compiled, over the pools' records and over float curves that were laid out for it beforehand.
The engine is degenbot's Rust core, which is given the same pools in whole numbers. Run as
`python -m benchmarks.bench_sizing [--walks 2000] [--engine-walks 600]`. Lines for people and lines of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.bench_quotes import RUST
from benchmarks.engine_walks import KINDS, WEI, engine_walks, gained, job_of, packed
from benchmarks.golden import LARGEST, STEPS, golden, golden_all, golden_records, plain_gain, quoted_gain
from benchmarks.machine import report
from benchmarks.universe import V2, V3, Universe, universe
from bot.market.packed import Detector
from bot.market.packed.reference import curve_of
from bot.market.packed.shapes import I4, Arrays
from bot.market.packed.sizing import size_all

REPEATS = 7
PLAIN_WALKS = 100
"""How many of the walks plain Python is given: the others would take minutes."""

WALKS_OF_ENGINES = (("V2", KINDS[:1]), ("V2 and V3", KINDS[1:]))


def planted_walks(made: Universe, many: int) -> tuple[I4, I4]:
    """Walks of two or three hops through V2 and V3 pools whose first hop has become generous."""
    arrays = made.market.arrays()
    rng = np.random.default_rng(3)
    v3 = np.flatnonzero((made.klass == V3) & (made.depth > 2.0))
    walks: list[list[int]] = []
    hops = []
    while len(walks) < many:
        pool = int(rng.choice(v3))
        edge = made.market.edges_of(pool)[int(rng.integers(2))]
        source, target = made.market.ends_of(edge)
        pair = int(arrays.edges.pair[edge])
        back = [edge for edge in _edges(pair ^ 1, arrays) if made.klass[arrays.edges.pool[edge]] in (V2, V3)]
        back = [edge for edge in back if arrays.edges.pool[edge] != pool and made.depth[arrays.edges.pool[edge]] > 0.5]
        walk = [edge, int(rng.choice(back))] if back else []
        hub = next((int(h) for h in arrays.links.hub_node if h not in (source, target)), -1)
        if not walk and arrays.links.hub_of[target] < 0 and arrays.links.hub_of[source] >= 0:
            second = arrays.links.to_hub[target, arrays.links.hub_of[hub]]
            third = arrays.links.to_hub[hub, arrays.links.hub_of[source]]
            if second >= 0 and third >= 0 and arrays.pairs.many[second] and arrays.pairs.many[third]:
                walk = [edge, _edges(int(second), arrays)[0], _edges(int(third), arrays)[0]]
        if not walk or any(made.klass[arrays.edges.pool[each]] not in (V2, V3) for each in walk):
            continue
        walks.append([*walk, *[-1] * (4 - len(walk))])
        hops.append(len(walk))
    moved = np.unique([arrays.edges.pool[walk[0]] for walk in walks]).astype(np.int32)
    values = made.values(moved, rng.choice([-1, 1], len(moved)) * rng.uniform(0.02, 0.08, len(moved)))
    Detector(made.market).step(moved, values)
    return np.array(walks, np.int32), np.array(hops, np.int32)


def _edges(pair: int, arrays: Arrays) -> list[int]:
    pairs = arrays.pairs
    return [int(edge) for edge in pairs.edges[pairs.first[pair] : pairs.first[pair] + pairs.many[pair]]]


def timed(action: Callable[[], object], each: int) -> float:
    """Microseconds of processor time for each of so many, the best of several times."""
    best = math.inf
    for _ in range(REPEATS):
        began = time.thread_time()
        action()
        best = min(best, (time.thread_time() - began) / each * 1e6)
    return best


def beside_golden(many: int) -> None:
    """The figure beside golden section."""
    made = universe(120_800)
    walks, hops = planted_walks(made, many)
    arrays = made.market.arrays()
    sized, rest, index = np.zeros((len(hops), 2)), np.zeros((4, 3)), np.zeros(4, np.int32)
    size_all(walks, hops, arrays, rest, index, sized)
    paying = sized[:, 1] > 0.0
    walks, hops, sized = np.ascontiguousarray(walks[paying]), hops[paying], np.zeros((int(paying.sum()), 2))
    by_walk = [[curve_of(int(edge), arrays) for edge in walk[:many]] for walk, many in zip(walks, hops, strict=True)]
    curves = [curve for each in by_walk for curve in each]
    starts = np.cumsum([0, *map(len, curves)]).astype(np.int32)
    pieces = np.array([piece for curve in curves for piece in curve])
    compiled = np.zeros((len(hops), 2))
    golden_all(pieces, starts, hops, LARGEST, compiled)
    kernel_us = timed(lambda: size_all(walks, hops, arrays, rest, index, sized), len(hops))
    compiled_us = timed(lambda: golden_all(pieces, starts, hops, LARGEST, compiled), len(hops))
    golden_records(walks, hops, arrays, rest, LARGEST, compiled)
    records_us = timed(lambda: golden_records(walks, hops, arrays, rest, LARGEST, compiled), len(hops))
    few = by_walk[:PLAIN_WALKS]
    plain_us = timed(lambda: [golden(plain_gain(each)) for each in few], len(few))
    quoted = quoted_gain()
    quoted_us = timed(lambda: [golden(quoted) for _ in range(20)], 20)
    ahead = (compiled[:, 1] - sized[:, 1]) / sized[:, 1]
    worse, behind = max(float(ahead.max()), 0.0), float(np.median(-ahead))
    peers = (
        ("in Python over the same curves", plain_us),
        ("in Python over exact quotes of two V2 pools", quoted_us),
        ("compiled by Numba over the pools' records, as the kernel", records_us),
        ("compiled over pieces that were laid out for it beforehand", compiled_us),
    )
    told = "; ".join(f"{name} {took_us:.1f} us, {took_us / kernel_us:.0f} times as much" for name, took_us in peers)
    text = (
        f"{len(hops)} paying walks of V2 and V3 pools, {len(curves) / len(hops):.1f} hops: {kernel_us:.2f} us each. "
        f"Golden section of {STEPS} steps: {told}. It gains at most {worse:.1e} more than the kernel, which is exact"
    )
    raw = {
        "kernel_us": kernel_us,
        "golden_python_us": plain_us,
        "golden_quotes_us": quoted_us,
        "golden_records_us": records_us,
        "golden_compiled_us": compiled_us,
        "walks": len(hops),
        "pieces": len(pieces),
        "golden_ahead": worse,
        "golden_behind_median": behind,
    }
    report(5, text, raw)


def beside_an_engine(many: int, name: str, kinds: Sequence[tuple[str, str]]) -> None:
    """The figure beside degenbot, which also says how much of our gain its sizes reach."""
    walks = engine_walks(many, kinds, np.random.default_rng(5))
    market, edges, hops = packed(walks)
    arrays, sized = market.arrays(), np.zeros((many, 2))
    rest, index = np.zeros((4, 3)), np.zeros(4, np.int32)
    kernel_us = timed(lambda: size_all(edges, hops, arrays, rest, index, sized), many)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "walks.json"
        file.write_text(json.dumps(job_of(walks)))
        answer = RUST.beside("degenbot_walks.py").ask({"file": str(file), "repeats": REPEATS})
    raw = {"walks": many, "kind": name, "kernel_us": kernel_us}
    if answer is None:
        report(5, f"{name}: degenbot 0.6 needs Python 3.13, which is not here", raw)
        return
    theirs_us = min(answer["seconds"]) / many * 1e6
    ours = [gained(walk, max(int(size * WEI), 1)) for walk, (size, _) in zip(walks, sized, strict=True)]
    theirs = [found[1] if found else 0 for found in answer["answers"]]
    shares = [one / other for one, other in zip(theirs, ours, strict=True)]
    text = (
        f"{many} walks of two pools, {name}: {kernel_us:.2f} us each; degenbot's Rust engine {theirs_us:.1f} us, "
        f"{theirs_us / kernel_us:.0f} times as much (goal 20). By exact quotes it gains at most {max(shares) - 1:.1e} "
        f"more, at least {1 - min(shares):.1e} less and {1 - sum(theirs) / sum(ours):.1e} less in all"
    )
    raw |= {
        "degenbot": answer["version"],
        "degenbot_us": theirs_us,
        "share_most": max(shares),
        "share_least": min(shares),
    }
    report(5, text, raw)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--walks", type=int, default=2000)
    arguments.add_argument("--engine-walks", type=int, default=600)
    chosen = arguments.parse_args()
    beside_golden(chosen.walks)
    for name, kinds in WALKS_OF_ENGINES:
        beside_an_engine(chosen.engine_walks, name, kinds)


if __name__ == "__main__":
    main()
