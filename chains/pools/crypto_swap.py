"""The integer arithmetic of Curve's CryptoSwap for two and three coins, rounded as its contracts round.

Amounts here are `xp`: balances with 18 decimals in units of the first coin, by the internal price scale. What a
contract asserts or overflows on is refused by name. Source: "Automatic market-making with dynamic peg" (Egorov, 2021);
behaviour of curve-crypto-contract's CurveCryptoMath3 and CurveCryptoSwap2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from chains.pools.pool import AmountOutOfRange, EmptyPool, InsufficientLiquidity, MalformedState

UNIT = 10**18
FEE_DENOMINATOR = 10**10

_ROUNDS = 255
_MIN_GAMMA = 10**10
_MIN_D, _MAX_BALANCE = 10**17, 10**33
_MIN_SHARE, _MAX_SHARE = 10**16, 10**20
_LEAST_RATIO = {2: 10**14, 3: 10**11}
"""By number of coins: the least other balance over the greatest one, in 10^-18."""
_HALFPOW_PRECISION = 10**10
_MAX_HALVINGS = 59


@dataclass(frozen=True, slots=True)
class CryptoRules:
    """What differs between the generations of CryptoSwap contracts.

    `a_multiplier` is how many units of the contract's amplification make one A · n^n, which must lie between `least_a`
    and `most_a` times n^n. `least_step_divisor` is by how much of its distance to the oracle the price scale moves at
    least, as a divisor; 0 where only the step counts. `sum_divided` tells two renderings of newton_y apart. The
    `original` goes by its stored invariant also while parameters ramp, never trades at a loss, keeps a threshold beside
    the step, and charges a deposit's first coin by its base units.
    """

    a_multiplier: int
    least_a: float
    most_a: int
    most_gamma: int
    sum_divided: bool = False
    least_step_divisor: int = 0
    claims: bool = False
    original: bool = False


RULES = {
    "tricrypto": CryptoRules(10_000, 0.01, 1000, 5 * 10**16),
    "tricrypto_first": CryptoRules(100, 1.0, 10_000, 10**16, original=True),
    "two": CryptoRules(10_000, 0.1, 100_000, 2 * 10**16, sum_divided=True, least_step_divisor=10, claims=True),
    "two_first": CryptoRules(10_000, 0.1, 100_000, 2 * 10**16, least_step_divisor=10, claims=True),
}
"""The generations by name: `tricrypto` is tricrypto2's of July 2021, `tricrypto_first` that of May 2021, `two` the
factory's of 2022, `two_first` the two-coin pools' of 2021.
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the curve looks like: A · n^n in the contract's units, and gamma in 10^-18."""

    rules: CryptoRules
    ann: int
    gamma: int


def geometric_mean(balances: Sequence[int]) -> int:
    """(Πx)^(1/n) by Newton's method, as the contract rounds it. Raises `EmptyPool`, `InsufficientLiquidity`."""
    ordered, coins = sorted(balances, reverse=True), len(balances)
    if not ordered[-1]:
        raise EmptyPool("a coin of the pool has no balance")
    d = ordered[0]
    for _ in range(_ROUNDS):
        previous = d
        if coins == 2:
            d = (d + ordered[0] * ordered[1] // d) // 2
        else:
            share = UNIT
            for x in ordered:
                share = share * x // d
            d = d * ((coins - 1) * UNIT + share) // (coins * UNIT)
        difference = abs(d - previous)
        if difference <= 1 or difference * UNIT < d:
            return d
    raise InsufficientLiquidity("the geometric mean does not converge")


def invariant(shape: Shape, xp: Sequence[int]) -> int:
    """D of `xp`: the contract's newton_D. Raises `EmptyPool`, `AmountOutOfRange`, `InsufficientLiquidity`."""
    _require_parameters(shape, len(xp))
    ordered, coins = sorted(xp, reverse=True), len(xp)
    _require(10**9 <= ordered[0] <= _MAX_BALANCE, "balances")
    _require(all(x * UNIT // ordered[0] >= _LEAST_RATIO[coins] for x in ordered[1:]), "balances")
    d, total = coins * geometric_mean(ordered), sum(ordered)
    for _ in range(_ROUNDS):
        previous = d
        if not d:
            raise InsufficientLiquidity("the pool's invariant vanishes")
        k0 = _k0(ordered, d)
        _require(k0 > 0, "balances")
        gap = _gap(shape.gamma, k0)
        mul1 = _mul1(shape, d, gap)
        mul2 = 2 * UNIT * coins * k0 // gap
        slope = total + total * mul2 // UNIT + mul1 * coins // k0 - mul2 * d // UNIT
        _require(slope > 0, "balances")
        plus, minus = d * (slope + total) // slope, d * d // slope
        step = d * (mul1 // slope) // UNIT
        if k0 < UNIT:
            minus += step * (UNIT - k0) // k0
        else:
            minus -= step * (k0 - UNIT) // k0
        _require(minus >= 0, "balances")
        d = plus - minus if plus > minus else (minus - plus) // 2
        if abs(d - previous) * 10**14 < max(10**16, d):
            _require(all(_MIN_SHARE <= x * UNIT // d <= _MAX_SHARE for x in ordered), "balances")
            return d
    raise InsufficientLiquidity("the pool's invariant does not converge")


def solved(shape: Shape, xp: Sequence[int], d: int, out: int) -> int:
    """The `out`-th coin's `xp` that keeps `d`: the contract's newton_y. Raises as `invariant`."""
    coins = len(xp)
    _require_parameters(shape, coins)
    _require(_MIN_D <= d <= _MAX_BALANCE, "an invariant")
    others = sorted((x for index, x in enumerate(xp) if index != out), reverse=True)
    y, k0_others, total = _start(others, d)
    limit = max(others[0] // 10**14, d // 10**14, 100)
    for _ in range(_ROUNDS):
        previous = y
        k0 = k0_others * y * coins // d
        gap = _gap(shape.gamma, k0)
        mul1 = _mul1(shape, d, gap)
        mul2 = (UNIT + 2 * UNIT * k0) // gap if shape.rules.sum_divided else UNIT + 2 * UNIT * k0 // gap
        sum_ = total + y
        yfprime = UNIT * y + sum_ * mul2 + mul1
        if yfprime < d * mul2:
            y = previous // 2
            continue
        yfprime -= d * mul2
        _require(y > 0 and k0 > 0 and yfprime >= y, "balances")
        fprime = yfprime // y
        minus = mul1 // fprime
        plus = (yfprime + UNIT * d) // fprime + minus * UNIT // k0
        minus += UNIT * sum_ // fprime
        y = previous // 2 if plus < minus else plus - minus
        if abs(y - previous) < max(limit, y // 10**14):
            _require(_MIN_SHARE <= y * UNIT // d <= _MAX_SHARE, "balances")
            return y
    raise InsufficientLiquidity("the pool's other balance does not converge")


def reduction(xp: Sequence[int], fee_gamma: int) -> int:
    """How near the pool is to balance, in 10^-18: fee_gamma / (fee_gamma + 1 - K), K = Πx / (Σx / n)^n."""
    coins, total = len(xp), sum(xp)
    if coins == 2:
        k = UNIT * _power(coins) * xp[0] // total * xp[1] // total
        return fee_gamma * UNIT // (fee_gamma + UNIT - k)
    k = UNIT
    for x in xp:
        k = k * coins * x // total
    return fee_gamma * UNIT // (fee_gamma + UNIT - k) if fee_gamma else k


@dataclass(frozen=True, slots=True)
class FeeCurve:
    """The fee on what comes out, in 10^-10: `mid_fee` in balance, `out_fee` far from it; `gamma` says how soon."""

    mid_fee: int
    out_fee: int
    gamma: int

    def __post_init__(self) -> None:
        if not 0 <= self.mid_fee <= self.out_fee <= FEE_DENOMINATOR or self.gamma < 0:
            raise MalformedState(f"no fee goes from {self.mid_fee} to {self.out_fee} by a gamma of {self.gamma}")

    def at(self, xp: Sequence[int]) -> int:
        """The fee where the scaled balances are these."""
        near = reduction(xp, self.gamma)
        return (self.mid_fee * near + self.out_fee * (UNIT - near)) // UNIT


def halfpow(power: int) -> int:
    """0.5^(power / 10^18) in 10^-18, by the contract's series. Raises `InsufficientLiquidity`."""
    whole, part = divmod(power, UNIT)
    if whole > _MAX_HALVINGS:
        return 0
    result = UNIT >> whole
    if not part:
        return result
    term = total = UNIT
    negative = False
    for number in range(1, 256):
        k = number * UNIT
        c = k - UNIT
        if part > c:
            c, negative = part - c, not negative
        else:
            c -= part
        term = term * (c // 2) // k
        total += -term if negative else term
        if term < _HALFPOW_PRECISION:
            return result * total // UNIT
    raise InsufficientLiquidity("the moving average's weight does not converge")


def sqrt_int(x: int) -> int:
    """√x with 18 decimals, by the contract's iteration. Raises `InsufficientLiquidity`."""
    if not x:
        return 0
    z, y = (x + UNIT) // 2, x
    for _ in range(256):
        if z == y:
            return y
        y = z
        z = (x * UNIT // z + z) // 2
    raise InsufficientLiquidity("the square root does not converge")


def marginal(shape: Shape, xp: Sequence[int], d: int, index_in: int, index_out: int) -> float:
    """-dx_out / dx_in on the curve, in `xp`, before fees.

    The curve is K · D^(n-1) · Σx + Πx = K · D^n + (D/n)^n with K = A · K0 · γ² / (γ + 1 - K0)², K0 = Πx · (n/D)^n.
    In shares s = x / D its derivative by s_i is K'_i · (Σs - 1) + K + Πs / s_i, K'_i = K / s_i · (1 + 2·K0 / (γ+1-K0)).
    Raises `InsufficientLiquidity` where no float is near it.
    """
    try:
        return _marginal(shape, xp, d, index_in, index_out)
    except (ZeroDivisionError, OverflowError):
        raise InsufficientLiquidity(f"the balances {tuple(xp)} have no price") from None


def _marginal(shape: Shape, xp: Sequence[int], d: int, index_in: int, index_out: int) -> float:
    coins, relative = len(xp), shape.gamma / UNIT
    shares = [x / d for x in xp]
    product = prod(shares)
    k0 = product * float(_power(coins))
    gap = relative + 1.0 - k0
    k = shape.ann / shape.rules.a_multiplier / _power(coins) * k0 * relative * relative / gap / gap
    excess = (sum(shares) - 1.0) * k * (1.0 + 2.0 * k0 / gap)
    slope_in, slope_out = (excess / shares[i] + k + product / shares[i] for i in (index_in, index_out))
    return slope_in / slope_out


def _power(coins: int) -> int:
    """n^n."""
    return int(coins**coins)


def _k0(ordered: Sequence[int], d: int) -> int:
    """Πx · (n/D)^n in 10^-18."""
    coins = len(ordered)
    if coins == 2:
        return UNIT * coins * coins * ordered[0] // d * ordered[1] // d
    k0 = UNIT
    for x in ordered:
        k0 = k0 * x * coins // d
    return k0


def _start(others: Sequence[int], d: int) -> tuple[int, int, int]:
    """Where newton_y begins, and what of K0 and of the sum the other coins make. Raises `AmountOutOfRange`."""
    coins = len(others) + 1
    if coins == 2:
        (x,) = others
        k0 = UNIT * coins * x // d
        _require(_MIN_SHARE * coins <= k0 <= _MAX_SHARE * coins, "balances")
        return d * d // (x * coins * coins), k0, x
    _require(all(_MIN_SHARE <= x * UNIT // d <= _MAX_SHARE for x in others), "balances")
    y, k0 = d // coins, UNIT
    for x in reversed(others):
        y = y * d // (x * coins)
    for x in others:
        k0 = k0 * x * coins // d
    return y, k0, sum(others)


def _gap(gamma: int, k0: int) -> int:
    """|γ + 1 - K0| in 10^-18, never zero."""
    return abs(gamma + UNIT - k0) + 1


def _mul1(shape: Shape, d: int, gap: int) -> int:
    """D · (γ + 1 - K0)² / (γ² · A · n^n)."""
    return UNIT * d // shape.gamma * gap // shape.gamma * gap * shape.rules.a_multiplier // shape.ann


def _require_parameters(shape: Shape, coins: int) -> None:
    unit = _power(coins) * shape.rules.a_multiplier
    amplified = int(unit * shape.rules.least_a) <= shape.ann <= unit * shape.rules.most_a
    _require(amplified and _MIN_GAMMA <= shape.gamma <= shape.rules.most_gamma, "an amplification or gamma")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise AmountOutOfRange(f"the swap leads to {what} that the contract refuses")
