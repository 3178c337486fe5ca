"""The integer arithmetic of Curve's StableSwap, rounded as each generation of its contracts rounds.

Amounts here are `xp`: balances scaled to 18 decimals by their rates. Python's integers do not overflow, so where a
contract's 256 bits would, it is refused by name. Source: StableSwap whitepaper (Egorov, 2019); behaviour of
curve-contract's pool templates, of StableSwap3Pool, StableSwapRAI and CurveStableSwapNG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from chains.pools.pool import AmountOutOfRange, EmptyPool, InsufficientLiquidity, MalformedState

PRECISION = 10**18
FEE_DENOMINATOR = 10**10
MAX_COINS = 8

_MAX_UINT256 = 2**256 - 1
_ROUNDS = 255


class Product(StrEnum):
    """How a generation computes D^(n+1) / (n^n · Π x) while it looks for D."""

    SCALED = "scaled"
    """Divided by x · n at each coin."""
    GUARDED = "guarded"
    """Divided by x · n + 1 at each coin."""
    POWER = "power"
    """Divided by x at each coin, and by n^n at the end."""


@dataclass(frozen=True, slots=True)
class StableRules:
    """What differs between the generations of StableSwap contracts.

    `a_precision` is how many units of the contract's amplification make one A. Where `view_converts_first`, `get_dy`
    converts to the token's decimals before it takes the fee, while `exchange` always takes the fee first; both leave
    `view_spare` and `spare` units of `xp` in the pool against rounding. Where `keeps_scaled`, the balances after a swap
    are the curve's own, converted back.
    """

    a_precision: int = 100
    product: Product = Product.SCALED
    view_converts_first: bool = False
    view_spare: int = 1
    spare: int = 1
    keeps_scaled: bool = False


RULES = {
    "template": StableRules(),
    "guarded": StableRules(product=Product.GUARDED),
    "factory": StableRules(product=Product.POWER),
    "first": StableRules(a_precision=1, view_converts_first=True),
    "lending": StableRules(1, Product.GUARDED, True, 0, 0, keeps_scaled=True),
    "wrapped_staking": StableRules(view_spare=0, keeps_scaled=True),
    "aave": StableRules(100, Product.GUARDED, True, 0, 0),
}
"""The generations by name: `first` is 3pool's, `lending` the oldest cToken and yToken pools', `template` the pool and
meta templates', `guarded` stETH's, `factory` the factory's plain pools' and NG's, `wrapped_staking` aETH's and rETH's,
`aave` the aToken pools'.
"""


@dataclass(frozen=True, slots=True)
class Amplification:
    """A, in the contract's own units, moving from `initial` to `future` between two times in seconds."""

    initial: int
    future: int
    initial_time_s: int = 0
    future_time_s: int = 0

    def __post_init__(self) -> None:
        if min(self.initial, self.future) <= 0:
            raise MalformedState(f"an amplification of {self.initial} to {self.future} cannot be")
        if self.initial != self.future and self.initial_time_s >= self.future_time_s > 0:
            raise MalformedState(f"an amplification cannot ramp from {self.initial_time_s} to {self.future_time_s}")

    def at(self, timestamp_s: int) -> int:
        """Its value in a block of that time."""
        if timestamp_s >= self.future_time_s or self.initial == self.future:
            return self.future
        length, passed = self.future_time_s - self.initial_time_s, max(timestamp_s - self.initial_time_s, 0)
        if self.future > self.initial:
            return self.initial + (self.future - self.initial) * passed // length
        return self.initial - (self.initial - self.future) * passed // length

    def moves_after(self, timestamp_s: int) -> bool:
        return timestamp_s < self.future_time_s and self.initial != self.future


def name_of(rules: StableRules) -> str:
    """The generation's name in `RULES`; `unnamed` for rules that are nobody's."""
    return next((name for name, known in RULES.items() if known == rules), "unnamed")


def scaled(balances: Sequence[int], rates: Sequence[int]) -> list[int]:
    """Balances as `xp`."""
    return [balance * rate // PRECISION for balance, rate in zip(balances, rates, strict=True)]


def invariant(rules: StableRules, amp: int, xp: Sequence[int]) -> int:
    """D of `xp`. Raises `EmptyPool` where a coin is missing, `InsufficientLiquidity` where it does not converge."""
    if not all(xp):
        raise EmptyPool("a coin of the pool has no balance")
    coins, total = len(xp), sum(xp)
    ann, unit = amp * coins, rules.a_precision
    guard, divisor = (1 if rules.product is Product.GUARDED else 0), coins
    if rules.product is Product.POWER:
        divisor = 1
    d = total
    for _ in range(_ROUNDS):
        product = d
        for x in xp:
            product = product * d // (x * divisor + guard)
        if divisor == 1:
            product //= coins**coins
        previous = d
        slope = (ann - unit) * d // unit + (coins + 1) * product
        if slope <= 0:
            raise InsufficientLiquidity(f"an amplification of {amp} makes no curve of these balances")
        d = (ann * total // unit + product * coins) * d // slope
        if abs(d - previous) <= 1:
            return d
    raise InsufficientLiquidity("the pool's invariant does not converge")


def solved(rules: StableRules, amp: int, xp: Sequence[int], out: int, d: int) -> int:
    """The `out`-th coin's `xp` that keeps the invariant `d`, the others given. Raises `AmountOutOfRange`."""
    coins = len(xp)
    ann, unit = amp * coins, rules.a_precision
    total, c = 0, d
    for index, x in enumerate(xp):
        if index != out:
            total += x
            if x * coins > _MAX_UINT256 or not x:
                raise AmountOutOfRange(f"a scaled balance of {x} does not fit the contract")
            c = c * d // (x * coins)
    c = c * d * unit // (ann * coins)
    b = total + d * unit // ann
    if 2 * d + b > _MAX_UINT256:
        raise AmountOutOfRange(f"scaled balances of {total} do not fit the contract")
    y = d
    for _ in range(_ROUNDS):
        previous = y
        if 2 * y + b <= d:
            raise InsufficientLiquidity(f"an amplification of {amp} makes no curve of these balances")
        y = (y * y + c) // (2 * y + b - d)
        if abs(y - previous) <= 1:
            return y
    raise InsufficientLiquidity("the pool's other balance does not converge")


def received(xp: Sequence[int], index_in: int, amount_in: int, rate: int) -> list[int]:
    """`xp` after `amount_in` base units came in. Raises `AmountOutOfRange`."""
    if amount_in <= 0 or amount_in * rate > _MAX_UINT256:
        raise AmountOutOfRange(f"an amount of {amount_in} base units does not fit the contract")
    after = list(xp)
    after[index_in] += amount_in * rate // PRECISION
    return after


def dynamic_fee(x_in: int, x_out: int, fee: int, offpeg_multiplier: int) -> int:
    """The fee where it grows off the peg (NG): `fee` in 10^-10, the multiplier too; flat up to a multiplier of one."""
    if offpeg_multiplier <= FEE_DENOMINATOR:
        return fee
    spread = (offpeg_multiplier - FEE_DENOMINATOR) * 4 * x_in * x_out // (x_in + x_out) ** 2
    return offpeg_multiplier * fee // (spread + FEE_DENOMINATOR)


def marginal(rules: StableRules, amp: int, xp: Sequence[int], index_in: int, index_out: int, d: int) -> float:
    """-dx_out / dx_in on the curve, in `xp`, before fees.

    It is (A·n + P / x_in) / (A·n + P / x_out) with P = D^(n+1) / (n^n · Πx).
    Raises `InsufficientLiquidity` where no float is near it.
    """
    coins, product = len(xp), float(d)
    try:
        for x in xp:
            product *= d / (x * coins)
        ann = amp * coins / rules.a_precision
        return (ann + product / xp[index_in]) / (ann + product / xp[index_out])
    except (ZeroDivisionError, OverflowError):
        raise InsufficientLiquidity(f"the balances {tuple(xp)} have no price") from None
