"""The numeric core of sizing: plain functions on floats and tuples, so that compiled twins can take their place.

Amounts are whole units. Nothing in here decides: what it picks is re-quoted in exact integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from chains.assets import Token
from chains.pools.pool import Piece

Curve = tuple[Piece, ...]
"""A venue's price curve in one direction, best price first."""


def optimal_input(curves: Sequence[Curve], most: float = math.inf) -> tuple[float, float]:
    """The input that maximises `out(x) - x` round a cycle, and that gain.

    Solves max over 0 ≤ x ≤ `most` of f_n(…f_1(x)) - x, each f_k concave and piecewise `r·x / (1 + c·x)`. Inside one
    piece of every hop the composition is again such a function, with R = Π r and C = Σ c_k · Π_{j<k} r_j, whose
    optimum is (√R - 1) / C. So: jump to it, or to the first end of a piece; there, go on with what is left of the
    other pieces. Exact up to rounding, without iteration tolerance. (0, 0) where nothing can be gained.
    """
    if not all(curves):
        return 0.0, 0.0
    rest = [list(curve[0]) for curve in curves]
    index = [0] * len(curves)
    total_in = total_out = 0.0
    while True:
        rate, curvature, reach, ends = 1.0, 0.0, most - total_in, -1
        for hop, (piece_rate, piece_curvature, cap) in enumerate(rest):
            slope = rate - curvature * cap
            if slope > 0.0 and cap < reach * slope:
                reach, ends = cap / slope, hop
            curvature += piece_curvature * rate
            rate *= piece_rate
        if not rate > 1.0:
            break
        best = (math.sqrt(rate) - 1.0) / curvature if curvature > 0.0 else math.inf
        step = min(best, reach)
        if step == math.inf:
            return 0.0, 0.0
        total_in += step
        total_out += _advance(rest, step)
        if best <= reach or ends < 0:
            break
        index[ends] += 1
        if index[ends] == len(curves[ends]):
            break
        rest[ends] = list(curves[ends][index[ends]])
    return total_in, total_out - total_in


def _advance(rest: list[list[float]], amount: float) -> float:
    """Move `amount` through what is left of each piece, and cut it off; what comes out at the end."""
    for piece in rest:
        rate, curvature, cap = piece
        grown = 1.0 + curvature * amount
        piece[0], piece[1], piece[2] = rate / grown / grown, curvature / grown, cap - amount
        amount = rate * amount / grown
    return amount


def depth(curve: Curve, fall: float) -> float:
    """How much input lowers the marginal price by the fraction `fall`, or exhausts the curve."""
    if not curve:
        return 0.0
    target, total = curve[0].rate * (1.0 - fall), 0.0
    for rate, curvature, cap in curve:
        if rate <= target:
            break
        to_target = (math.sqrt(rate / target) - 1.0) / curvature if curvature > 0.0 else math.inf
        total += min(to_target, cap)
        if to_target < cap:
            break
    return total


def output(curve: Curve, amount: float) -> float:
    """What comes out for `amount`; what does not fit the curve brings nothing."""
    total = 0.0
    for rate, curvature, cap in curve:
        taken = min(amount, cap)
        total += rate * taken / (1.0 + curvature * taken)
        amount -= taken
        if amount <= 0.0:
            break
    return total


def capped(curve: Curve, most: float) -> Curve:
    """The curve's first `most` of input."""
    kept = []
    for piece in curve:
        if most <= 0.0:
            break
        kept.append(Piece(piece.rate, piece.curvature, min(piece.cap, most)))
        most -= piece.cap
    return tuple(kept)


def in_base_units(curve: Curve, token_in: Token, token_out: Token) -> Curve:
    """A curve of whole units in base units."""
    one_in, one_out = 10.0**token_in.decimals, 10.0**token_out.decimals
    return tuple(Piece(rate * one_out / one_in, curvature / one_in, cap * one_in) for rate, curvature, cap in curve)
