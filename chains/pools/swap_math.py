"""The integer arithmetic of one step of a concentrated-liquidity swap, rounded as the contract rounds.

Source: Uniswap V3 whitepaper, section 6.2; behaviour of v3-core's SqrtPriceMath and SwapMath. Prices are square roots
in Q96. Python's integers make every intermediate product exact, as the contract's 512-bit mulDiv does.
"""

from __future__ import annotations

from typing import NamedTuple

from chains.pools.pool import PPM, InsufficientLiquidity
from chains.pools.tick_math import Q96

_UINT256 = 2**256


class Step(NamedTuple):
    """One step's result: the price reached, and what moved. `fee` comes on top of `amount_in`."""

    sqrt_price: int
    amount_in: int
    amount_out: int
    fee: int


def ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def amount0_between(low: int, high: int, liquidity: int, *, round_up: bool) -> int:
    """Token0 between two prices: L · (1/√low - 1/√high)."""
    scaled = (liquidity << 96) * (high - low)
    return ceil_div(ceil_div(scaled, high), low) if round_up else scaled // high // low


def amount1_between(low: int, high: int, liquidity: int, *, round_up: bool) -> int:
    """Token1 between two prices: L · (√high - √low)."""
    product = liquidity * (high - low)
    return ceil_div(product, Q96) if round_up else product // Q96


def price_after_input(price: int, liquidity: int, amount: int, *, zero_for_one: bool) -> int:
    """The price after `amount` (fee taken off) went in, rounded so that it never moves too far."""
    if not zero_for_one:
        return price + (amount << 96) // liquidity
    numerator, product = liquidity << 96, amount * price
    if numerator + product < _UINT256:
        return ceil_div(numerator * price, numerator + product)
    # The contract's own branch for when its 256-bit product would overflow; it rounds differently.
    return ceil_div(numerator, numerator // price + amount)


def price_after_output(price: int, liquidity: int, amount: int, *, zero_for_one: bool) -> int:
    """The price after `amount` came out, rounded so that it moves far enough. Raises `InsufficientLiquidity`."""
    if zero_for_one:
        moved = ceil_div(amount << 96, liquidity)
        if moved >= price:
            raise InsufficientLiquidity(f"{amount} of token1 is more than the range holds")
        return price - moved
    numerator, product = liquidity << 96, amount * price
    if product >= min(numerator, _UINT256):
        raise InsufficientLiquidity(f"{amount} of token0 is more than the range holds")
    return ceil_div(numerator * price, numerator - product)


def step_exact_in(price: int, target: int, liquidity: int, remaining: int, fee_ppm: int) -> Step:
    """Spend up to `remaining`, fee included, without passing `target`."""
    down = price >= target
    after_fee = remaining * (PPM - fee_ppm) // PPM
    amount_in = _amount_in(price, target, liquidity, down)
    reached = target
    if after_fee < amount_in:
        reached = price_after_input(price, liquidity, after_fee, zero_for_one=down)
        if reached != target:
            amount_in = _amount_in(price, reached, liquidity, down)
    amount_out = _amount_out(price, reached, liquidity, down)
    fee = remaining - amount_in if reached != target else ceil_div(amount_in * fee_ppm, PPM - fee_ppm)
    return Step(reached, amount_in, amount_out, fee)


def step_exact_out(price: int, target: int, liquidity: int, remaining: int, fee_ppm: int) -> Step:
    """Take up to `remaining` out without passing `target`."""
    down = price >= target
    amount_out = _amount_out(price, target, liquidity, down)
    reached = target
    if remaining < amount_out:
        reached = price_after_output(price, liquidity, remaining, zero_for_one=down)
        if reached != target:
            amount_out = _amount_out(price, reached, liquidity, down)
    amount_in = _amount_in(price, reached, liquidity, down)
    return Step(reached, amount_in, min(amount_out, remaining), ceil_div(amount_in * fee_ppm, PPM - fee_ppm))


def _amount_in(start: int, end: int, liquidity: int, down: bool) -> int:
    if down:
        return amount0_between(end, start, liquidity, round_up=True)
    return amount1_between(start, end, liquidity, round_up=True)


def _amount_out(start: int, end: int, liquidity: int, down: bool) -> int:
    if down:
        return amount1_between(end, start, liquidity, round_up=False)
    return amount0_between(start, end, liquidity, round_up=False)
