"""Golden section, the peer of sizing: in plain Python, and compiled over the same walks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from numba import njit

from bot.market.packed.reference import Pieces
from bot.market.packed.shapes import F8, I4, Arrays, Curves, Edges, Pools
from bot.market.packed.sizing import load_piece
from chains.assets import Token, address
from chains.pools.constant_product import ConstantProductPool

GOLDEN, STEPS = (math.sqrt(5) - 1) / 2, 40
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
