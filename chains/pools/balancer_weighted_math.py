"""The weighted curve of Balancer: Π balance^weight is kept. Integers in 18 decimals, rounded as the contracts round.

Source: Balancer whitepaper; WeightedMath of balancer-v2-monorepo, which the V3 monorepo keeps.
"""

from __future__ import annotations

import math

from chains.pools.balancer_math import ONE, complement, div_down, div_up, mul_down, mul_up, pow_up
from chains.pools.fitted import Point
from chains.pools.pool import AmountOutOfRange, InsufficientLiquidity

MAX_RATIO = 3 * 10**17
"""At most 30 % of a balance may come in or go out in one swap."""


def out_given_in(balances: tuple[int, int], weights: tuple[int, int], amount_in: int, *, shortcuts: bool) -> int:
    """Amount out for `amount_in`; pairs are (in, out). `shortcuts` as in `pow_up`. Raises `AmountOutOfRange`."""
    (balance_in, balance_out), (weight_in, weight_out) = balances, weights
    if amount_in > mul_down(balance_in, MAX_RATIO):
        raise AmountOutOfRange(f"{amount_in} is more than 30 % of the balance of {balance_in}")
    base = div_up(balance_in, balance_in + amount_in)
    return mul_down(balance_out, complement(pow_up(base, div_down(weight_in, weight_out), shortcuts=shortcuts)))


def in_given_out(balances: tuple[int, int], weights: tuple[int, int], amount_out: int, *, shortcuts: bool) -> int:
    """Amount in for `amount_out`. Raises `InsufficientLiquidity`, `AmountOutOfRange`."""
    (balance_in, balance_out), (weight_in, weight_out) = balances, weights
    if amount_out > mul_down(balance_out, MAX_RATIO):
        raise InsufficientLiquidity(f"{amount_out} is more than 30 % of the balance of {balance_out}")
    base = div_up(balance_out, balance_out - amount_out)
    return mul_up(balance_in, pow_up(base, div_up(weight_out, weight_in), shortcuts=shortcuts) - ONE)


def point_at(balances: tuple[float, float], exponent: float, kept: float, amount_in: float) -> Point:
    """One point of y = B_out · (1 - (B_in / (B_in + γ·x))^w), where γ = `kept` is left after the fee, in floats."""
    balance_in, balance_out = balances
    shrunk = -exponent * math.log1p(kept * amount_in / balance_in)
    rate = kept * exponent * balance_out / (balance_in + kept * amount_in) * math.exp(shrunk)
    return Point(amount_in, -balance_out * math.expm1(shrunk), rate)
