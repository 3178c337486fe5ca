"""The integer arithmetic of Uniswap V4's swaps where it is not V3's: what a step takes, and how fees add up.

Source: behaviour of v4-core's SwapMath and ProtocolFeeLibrary.
"""

from __future__ import annotations

from chains.pools.pool import PPM
from chains.pools.swap_math import (
    Step,
    amount0_between,
    amount1_between,
    ceil_div,
    price_after_input,
    price_after_output,
)

MAX_PROTOCOL_FEE = 1000

_DIRECTION_BITS = 12


def protocol_fee(packed: int, *, zero_for_one: bool) -> int:
    """One direction's protocol fee in parts per million, out of both."""
    return packed & (1 << _DIRECTION_BITS) - 1 if zero_for_one else packed >> _DIRECTION_BITS


def swap_fee(protocol_ppm: int, lp_ppm: int) -> int:
    """Both fees as one: the protocol's is taken first, the providers' from the rest."""
    return protocol_ppm + lp_ppm - protocol_ppm * lp_ppm // PPM


def step_exact_in(price: int, target: int, liquidity: int, remaining: int, fee_ppm: int) -> Step:
    """Spend up to `remaining`, fee included, without passing `target`; never more, as V3 may by a unit."""
    down = price >= target
    after_fee = remaining * (PPM - fee_ppm) // PPM
    amount_in = _amount_in(price, target, liquidity, down)
    if after_fee >= amount_in:
        reached = target
        fee = amount_in if fee_ppm == PPM else ceil_div(amount_in * fee_ppm, PPM - fee_ppm)
    else:
        reached = price_after_input(price, liquidity, after_fee, zero_for_one=down)
        amount_in, fee = after_fee, remaining - after_fee
    return Step(reached, amount_in, _amount_out(price, reached, liquidity, down), fee)


def step_exact_out(price: int, target: int, liquidity: int, remaining: int, fee_ppm: int) -> Step:
    """Take up to `remaining` out without passing `target`. The fee is below 100 %."""
    down = price >= target
    amount_out, reached = _amount_out(price, target, liquidity, down), target
    if remaining < amount_out:
        amount_out = remaining
        reached = price_after_output(price, liquidity, remaining, zero_for_one=down)
    amount_in = _amount_in(price, reached, liquidity, down)
    return Step(reached, amount_in, amount_out, ceil_div(amount_in * fee_ppm, PPM - fee_ppm))


def _amount_in(start: int, end: int, liquidity: int, down: bool) -> int:
    if down:
        return amount0_between(end, start, liquidity, round_up=True)
    return amount1_between(start, end, liquidity, round_up=True)


def _amount_out(start: int, end: int, liquidity: int, down: bool) -> int:
    if down:
        return amount1_between(end, start, liquidity, round_up=False)
    return amount0_between(start, end, liquidity, round_up=False)
