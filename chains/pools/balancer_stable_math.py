"""Balancer's StableSwap curve in its three roundings. Integers in 18 decimals; amplification in thousandths.

Source: Curve's StableSwap paper; balancer-v2-monorepo's StableMath with and without `roundUp`, the V3 monorepo's.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from chains.blocks import Log
from chains.pools.pool import InsufficientLiquidity, MalformedLog
from chains.pools.words import uint256, unsigned

AMP_PRECISION = 1000
MAX_AMP = 5000 * AMP_PRECISION
MAX_V3_AMP = 50_000 * AMP_PRECISION

_ROUNDS = 255


class Rounding(StrEnum):
    """Which of the contracts' StableMath."""

    LEGACY = "legacy"
    """Stable, meta-stable and phantom pools: the invariant rounded up."""
    COMPOSABLE = "composable"
    """Composable stable pools: another iteration for the invariant."""
    V3 = "v3"
    """As composable, with later divisions in the balance."""


class Ramp(NamedTuple):
    """The amplification, in thousandths, moves in a line from one time to the other and stays."""

    start: int
    end: int
    start_s: int
    end_s: int

    @classmethod
    def of(cls, log: Log) -> Ramp:
        """What `AmpUpdateStarted` says. Raises `MalformedLog`."""
        ramp = cls(*(unsigned(log.data, index) for index in range(4)))
        if ramp.start_s >= ramp.end_s:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} ramps from {ramp.start} in no time")
        return ramp

    def at(self, timestamp_s: int) -> int:
        if timestamp_s >= self.end_s:
            return self.end
        passed, whole = timestamp_s - self.start_s, self.end_s - self.start_s
        change = abs(self.end - self.start) * passed // whole
        return self.start + change if self.end > self.start else self.start - change


def out_given_in(amp: int, balances: Sequence[int], given: int, taken: int, amount_in: int, rounding: Rounding) -> int:
    """Amount out for `amount_in` between two places of `balances`. Raises `AmountOutOfRange`, `InsufficientLiquidity`.

    Solves the invariant D of `balances` for the balance taken from, and keeps one unit back.
    """
    kept = invariant(amp, balances, rounding)
    after = list(balances)
    after[given] += amount_in
    amount_out = balances[taken] - balance_for(amp, after, kept, taken, rounding) - 1
    if amount_out < 0:
        raise InsufficientLiquidity(f"{amount_in} buys less than nothing at balances {tuple(balances)}")
    return amount_out


def in_given_out(amp: int, balances: Sequence[int], given: int, taken: int, amount_out: int, rounding: Rounding) -> int:
    """Amount in for `amount_out`, and a unit on top. Raises as `out_given_in`."""
    if amount_out >= balances[taken]:
        raise InsufficientLiquidity(f"{amount_out} is not less than the balance of {balances[taken]}")
    kept = invariant(amp, balances, rounding)
    after = list(balances)
    after[taken] -= amount_out
    amount_in = balance_for(amp, after, kept, given, rounding) - balances[given] + 1
    if amount_in < 0:
        raise InsufficientLiquidity(f"{amount_out} costs less than nothing at balances {tuple(balances)}")
    return amount_in


def invariant(amp: int, balances: Sequence[int], rounding: Rounding) -> int:
    """D of A·nⁿ·Σx + D = A·D·nⁿ + Dⁿ⁺¹ / (nⁿ·Πx), by Newton's method. Raises as `out_given_in`."""
    count, total = len(balances), sum(balances)
    amp_total, found = amp * count, total
    step = _legacy_step if rounding is Rounding.LEGACY else _step
    for _ in range(_ROUNDS):
        before = found
        found = step(amp_total, balances, count, total, found)
        if abs(found - before) <= 1:
            return found
    raise InsufficientLiquidity(f"the invariant of balances {tuple(balances)} does not converge")


def balance_for(amp: int, balances: Sequence[int], kept: int, place: int, rounding: Rounding) -> int:
    """The balance at `place` that has the invariant `kept` with the others. Raises as `out_given_in`."""
    count = len(balances)
    amp_total, product = amp * count, balances[0] * count
    for balance in balances[1:]:
        product = _down(uint256(product * balance * count), kept)
    squared = uint256(kept * kept)
    if rounding is Rounding.V3:
        c = _up(uint256(squared * AMP_PRECISION), amp_total * product) * balances[place]
        b = sum(balances) - balances[place] + kept * AMP_PRECISION // amp_total
    else:
        c = _up(squared, amp_total * product) * AMP_PRECISION * balances[place]
        b = sum(balances) - balances[place] + kept // amp_total * AMP_PRECISION
    found = _up(uint256(squared + c), kept + b)
    for _ in range(_ROUNDS):
        before = found
        found = _up(uint256(found * found + c), found * 2 + b - kept)
        if abs(found - before) <= 1:
            return found
    raise InsufficientLiquidity(f"no balance keeps the invariant of {tuple(balances)}")


def gradient(amp: int, balances: Sequence[float], kept: float) -> tuple[float, ...]:
    """How fast each balance moves the invariant's equation: their ratios are the marginal prices."""
    count = len(balances)
    product = kept
    for balance in balances:
        product *= kept / (count * balance)
    return tuple(amp * count / AMP_PRECISION + product / balance for balance in balances)


def _step(amp_total: int, balances: Sequence[int], count: int, total: int, found: int) -> int:
    product = found
    for balance in balances:
        product = _down(uint256(product * found), balance * count)
    numerator = uint256((amp_total * total // AMP_PRECISION + product * count) * found)
    return _down(numerator, (amp_total - AMP_PRECISION) * found // AMP_PRECISION + (count + 1) * product)


def _legacy_step(amp_total: int, balances: Sequence[int], count: int, total: int, found: int) -> int:
    product = balances[0] * count
    for balance in balances[1:]:
        product = _up(uint256(product * balance * count), found)
    numerator = count * found * found + _up(uint256(amp_total * total * product), AMP_PRECISION)
    return _up(uint256(numerator), (count + 1) * found + (amp_total - AMP_PRECISION) * product // AMP_PRECISION)


def _up(numerator: int, denominator: int) -> int:
    return -_down(-numerator, denominator)


def _down(numerator: int, denominator: int) -> int:
    """Where the contract would divide by nothing, or by less, it reverts."""
    if denominator <= 0:
        raise InsufficientLiquidity("the balances are too far apart, or too small, for the curve")
    return numerator // denominator
