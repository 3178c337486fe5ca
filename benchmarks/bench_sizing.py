"""Sizing one closed walk: the packed market's kernel beside golden section, both compiled, on the same walks.

Run as `python -m benchmarks.bench_sizing [--walks 2000]`. A line for people and a line of JSON.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from numba import njit

from benchmarks.machine import report
from benchmarks.universe import V2, V3, Universe, universe
from bot.market.packed import Detector
from bot.market.packed.reference import curve_of
from bot.market.packed.shapes import F8, I4, Arrays
from bot.market.packed.sizing import size_all

GOLDEN, STEPS, REPEATS = (math.sqrt(5) - 1) / 2, 40, 7


@njit(cache=False, error_model="numpy")
def gain(amount: float, pieces: F8, starts: I4, hops: int, first: int) -> float:
    out = amount
    for hop in range(first, first + hops):
        rest, got = out, 0.0
        for piece in range(starts[hop], starts[hop + 1]):
            taken = min(rest, pieces[piece, 2])
            got += pieces[piece, 0] * taken / (1.0 + pieces[piece, 1] * taken)
            rest -= taken
            if rest <= 0.0:
                break
        out = got
    return out - amount


@njit(cache=False, error_model="numpy")
def golden_all(pieces: F8, starts: I4, hops: I4, most: float, sized: F8) -> None:
    """Golden section in the logarithm of the input, for every walk."""
    first = 0
    for walk in range(len(hops)):
        low, high = math.log(1e-6), math.log(most)
        for _ in range(STEPS):
            left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
            better = gain(math.exp(left), pieces, starts, hops[walk], first)
            if better >= gain(math.exp(right), pieces, starts, hops[walk], first):
                high = right
            else:
                low = left
        sized[walk, 0] = math.exp(low)
        sized[walk, 1] = gain(math.exp(low), pieces, starts, hops[walk], first)
        first += hops[walk]


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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--walks", type=int, default=2000)
    chosen = arguments.parse_args()
    made = universe(120_800)
    walks, hops = planted_walks(made, chosen.walks)
    arrays = made.market.arrays()
    sized, rest, index = np.zeros((len(hops), 2)), np.zeros((4, 3)), np.zeros(4, np.int32)
    size_all(walks, hops, arrays, rest, index, sized)
    paying = sized[:, 1] > 0.0
    walks, hops, sized = np.ascontiguousarray(walks[paying]), hops[paying], np.zeros((int(paying.sum()), 2))
    curves = [curve_of(int(edge), arrays) for walk, many in zip(walks, hops, strict=True) for edge in walk[:many]]
    starts = np.cumsum([0, *map(len, curves)]).astype(np.int32)
    pieces = np.array([piece for curve in curves for piece in curve])
    golden = np.zeros((len(hops), 2))
    golden_all(pieces, starts, hops, 1e5, golden)
    ours, theirs = [], []
    for _ in range(REPEATS):
        began = time.perf_counter()
        size_all(walks, hops, arrays, rest, index, sized)
        ours.append((time.perf_counter() - began) / len(hops) * 1e6)
        began = time.perf_counter()
        golden_all(pieces, starts, hops, 1e5, golden)
        theirs.append((time.perf_counter() - began) / len(hops) * 1e6)
    walk_us, golden_us = min(ours), min(theirs)
    ahead = (golden[:, 1] - sized[:, 1]) / sized[:, 1]
    worse, behind = float(ahead.max()), float(np.median(-ahead))
    text = (
        f"{len(hops)} paying walks of V2 and V3 pools, {len(curves) / len(hops):.1f} hops: {walk_us:.2f} us each; "
        f"golden section, {STEPS} steps, {golden_us:.1f} us, {golden_us / walk_us:.0f} times as much, "
        f"and gains at most {max(worse, 0.0):.1e} more"
    )
    report(
        5,
        text,
        {
            "walk_us": ours,
            "golden_us": theirs,
            "walks": len(hops),
            "golden_ahead": worse,
            "golden_behind_median": behind,
        },
    )


if __name__ == "__main__":
    main()
