"""Sizing one closed walk: the packed market's kernel beside golden section, on the same walks.

Golden section four times: in plain Python over the float curves and over pools' exact quotes, as users of an AMM
library write it; and compiled, over the pools' records and over float curves that were laid out for it beforehand. Run
as `python -m benchmarks.bench_sizing [--walks 2000]`. A line for people and a line of JSON.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from numba import njit

from benchmarks.machine import report
from benchmarks.universe import V2, V3, Universe, universe
from bot.market.packed import Detector
from bot.market.packed.reference import Pieces, curve_of
from bot.market.packed.shapes import F8, I4, Arrays, Curves, Edges, Pools
from bot.market.packed.sizing import load_piece, size_all
from chains.assets import Token, address
from chains.pools.constant_product import ConstantProductPool

GOLDEN, STEPS, REPEATS = (math.sqrt(5) - 1) / 2, 40, 7
PLAIN_WALKS = 100
"""How many of the walks plain Python is given: the others would take minutes."""

SMALLEST, LARGEST = 1e-6, 1e5
WEI = 10**18


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
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        at_left = gain(math.exp(left), pieces, starts, hops[walk], first)
        at_right = gain(math.exp(right), pieces, starts, hops[walk], first)
        for _ in range(STEPS):
            if at_left >= at_right:
                high, right, at_right = right, left, at_left
                left = high - GOLDEN * (high - low)
                at_left = gain(math.exp(left), pieces, starts, hops[walk], first)
            else:
                low, left, at_left = left, right, at_right
                right = low + GOLDEN * (high - low)
                at_right = gain(math.exp(right), pieces, starts, hops[walk], first)
        sized[walk, 0] = math.exp(low)
        sized[walk, 1] = gain(math.exp(low), pieces, starts, hops[walk], first)
        first += hops[walk]


@njit(cache=False, error_model="numpy")
def recorded_gain(amount: float, walk: I4, hops: int, pools: Pools, edges: Edges, curves: Curves, rest: F8) -> float:
    out = amount
    for hop in range(hops):
        left, got, index = out, 0.0, load_piece(rest, hop, 0, walk[hop], pools, edges, curves)
        while index >= 0 and left > 0.0:
            taken = min(left, rest[hop, 2])
            got += rest[hop, 0] * taken / (1.0 + rest[hop, 1] * taken)
            left -= taken
            if left > 0.0:
                index = load_piece(rest, hop, index + 1, walk[hop], pools, edges, curves)
        out = got
    return out - amount


@njit(cache=False, error_model="numpy")
def golden_records(walks: I4, hops: I4, arrays: Arrays, rest: F8, most: float, sized: F8) -> None:
    """The same from the pools' records, where the kernel begins too."""
    pools, edges, curves = arrays.pools, arrays.edges, arrays.curves
    for walk in range(len(hops)):
        path, many = walks[walk], hops[walk]
        low, high = math.log(1e-6), math.log(most)
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        at_left = recorded_gain(math.exp(left), path, many, pools, edges, curves, rest)
        at_right = recorded_gain(math.exp(right), path, many, pools, edges, curves, rest)
        for _ in range(STEPS):
            if at_left >= at_right:
                high, right, at_right = right, left, at_left
                left = high - GOLDEN * (high - low)
                at_left = recorded_gain(math.exp(left), path, many, pools, edges, curves, rest)
            else:
                low, left, at_left = left, right, at_right
                right = low + GOLDEN * (high - low)
                at_right = recorded_gain(math.exp(right), path, many, pools, edges, curves, rest)
        sized[walk, 0] = math.exp(low)
        sized[walk, 1] = recorded_gain(math.exp(low), path, many, pools, edges, curves, rest)


def golden(gain_of: Callable[[float], float]) -> tuple[float, float]:
    """The same in plain Python: one new evaluation a step, `STEPS` steps."""
    low, high = math.log(SMALLEST), math.log(LARGEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = gain_of(math.exp(left)), gain_of(math.exp(right))
    for _ in range(STEPS):
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = gain_of(math.exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = gain_of(math.exp(right))
    return math.exp(low), gain_of(math.exp(low))


def plain_gain(curves: Sequence[Pieces]) -> Callable[[float], float]:
    """What a walk gains for an input, by its float curves."""

    def gained(amount: float) -> float:
        out = amount
        for curve in curves:
            rest, got = out, 0.0
            for rate, curvature, cap in curve:
                taken = min(rest, cap)
                got += rate * taken / (1.0 + curvature * taken)
                rest -= taken
                if rest <= 0.0:
                    break
            out = got
        return out - amount

    return gained


def quoted_gain() -> Callable[[float], float]:
    """What a walk of two V2 pools gains, by the pools' own exact quotes: what users of a library call."""
    one, other = (Token("bench", f"0x{number:040x}", name, 18) for number, name in ((1, "ONE"), (2, "OTHER")))
    reserves = (1_000 * WEI, 2_000_000 * WEI), (1_000 * WEI, 1_900_000 * WEI)
    pools = [
        ConstantProductPool(address(f"0x{number:040x}"), (one, other), held, 3000)
        for number, held in enumerate(reserves, 3)
    ]

    def gained(amount: float) -> float:
        units = max(int(amount * WEI), 1)
        return (pools[1].quote(other, pools[0].quote(one, units) or 1) - units) / WEI

    return gained


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


if __name__ == "__main__":
    main()
