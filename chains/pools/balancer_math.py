"""Balancer's 18-decimal fixed-point arithmetic, rounded as its contracts round. Integers only; no pools here.

Source: balancer-v2-monorepo, solidity-utils FixedPoint and LogExpMath; the V3 monorepo keeps the same functions.
"""

from __future__ import annotations

from chains.pools.pool import AmountOutOfRange

ONE = 10**18

_ONE_20, _ONE_36 = 10**20, 10**36
_MAX_POW_RELATIVE_ERROR = 10**4
_LN_36_LOWER, _LN_36_UPPER = ONE - 10**17, ONE + 10**17
_MIN_EXPONENT, _MAX_EXPONENT = -41 * ONE, 130 * ONE
_MAX_EXPONENT_FACTOR = 2**254 // _ONE_20

_WHOLE_POWERS = (
    (128 * ONE, 38877084059945950922200000000000000000000000000000000000),
    (64 * ONE, 6235149080811616882910000000),
)
"""(x, e^x) in 18 and 0 decimals."""

_POWERS = (
    (3200000000000000000000, 7896296018268069516100000000000000),
    (1600000000000000000000, 888611052050787263676000000),
    (800000000000000000000, 298095798704172827474000),
    (400000000000000000000, 5459815003314423907810),
    (200000000000000000000, 738905609893065022723),
    (100000000000000000000, 271828182845904523536),
    (50000000000000000000, 164872127070012814685),
    (25000000000000000000, 128402541668774148407),
    (12500000000000000000, 113314845306682631683),
    (6250000000000000000, 106449445891785942956),
)
"""(x, e^x) in 20 decimals, from 32 down to 1/16; `exp` uses all but the last two."""


def mul_down(a: int, b: int) -> int:
    return a * b // ONE


def mul_up(a: int, b: int) -> int:
    return -(-a * b // ONE)


def div_down(a: int, b: int) -> int:
    """Raises `AmountOutOfRange` where the contract reverts."""
    if not b:
        raise AmountOutOfRange(f"{a} cannot be divided by nothing")
    return a * ONE // b


def div_up(a: int, b: int) -> int:
    """As `div_down`, rounded up."""
    return -div_down(-a, b)


def complement(x: int) -> int:
    """1 - x, and 0 for what is above 1."""
    return max(ONE - x, 0)


def pow_up(base: int, exponent: int, *, shortcuts: bool) -> int:
    """base^exponent, never too low. `shortcuts`: newer contracts multiply out the exponents 1, 2 and 4.

    Raises `AmountOutOfRange` where the contract's logarithm or exponential reverts.
    """
    if shortcuts and exponent in (ONE, 2 * ONE, 4 * ONE):
        if exponent == ONE:
            return base
        square = mul_up(base, base)
        return square if exponent == 2 * ONE else mul_up(square, square)
    raw = power(base, exponent)
    return raw + mul_up(raw, _MAX_POW_RELATIVE_ERROR) + 1


def power(base: int, exponent: int) -> int:
    """LogExpMath.pow: e^(exponent · ln base), with a relative error of at most 10^-14. Raises as `pow_up`."""
    if exponent == 0:
        return ONE
    if base == 0:
        return 0
    if base >= 2**255 or exponent >= _MAX_EXPONENT_FACTOR:
        raise AmountOutOfRange(f"{base} to the power of {exponent} is outside the contract's range")
    if _LN_36_LOWER < base < _LN_36_UPPER:
        precise = _ln_36(base)
        whole = _truncated(precise, ONE)
        scaled = whole * exponent + _truncated((precise - whole * ONE) * exponent, ONE)
    else:
        scaled = _ln(base) * exponent
    logarithm = _truncated(scaled, ONE)
    if not _MIN_EXPONENT <= logarithm <= _MAX_EXPONENT:
        raise AmountOutOfRange(f"{base} to the power of {exponent} is outside the contract's range")
    return _exp(logarithm)


def _exp(x: int) -> int:
    """e^x for x within ±130 or so: factors for the binary digits of x, a Taylor series for what is left."""
    if x < 0:
        return ONE * ONE // _exp(-x)
    first = 1
    for part, value in _WHOLE_POWERS:
        if x >= part:
            x, first = x - part, value
            break
    x *= 100
    product = _ONE_20
    for part, value in _POWERS[:8]:
        if x >= part:
            x, product = x - part, product * value // _ONE_20
    term = series = _ONE_20
    for n in range(1, 13):
        term = term * x // _ONE_20 // n
        series += term
    return product * series // _ONE_20 * first // 100


def _ln(a: int) -> int:
    """ln a in 18 decimals, the other way round: divide by powers of e, then 2 · artanh((a - 1) / (a + 1))."""
    if a < ONE:
        return -_ln(ONE * ONE // a)
    total = 0
    for part, value in _WHOLE_POWERS:
        if a >= value * ONE:
            a, total = a // value, total + part
    a, total = a * 100, total * 100
    for part, value in _POWERS:
        if a >= value:
            a, total = a * _ONE_20 // value, total + part
    return (total + _twice_artanh(a, _ONE_20, 11)) // 100


def _ln_36(x: int) -> int:
    """ln x in 36 decimals, for x near 1."""
    return _twice_artanh(x * ONE, _ONE_36, 15)


def _twice_artanh(x: int, one: int, last: int) -> int:
    """2 · (z + z³/3 + … + z^last/last) for z = (x - 1) / (x + 1), truncated term by term as the contract does."""
    z = _truncated((x - one) * one, x + one)
    square = z * z // one
    term = series = z
    for n in range(3, last + 1, 2):
        term = _truncated(term * square, one)
        series += _truncated(term, n)
    return series * 2


def _truncated(numerator: int, denominator: int) -> int:
    """Division towards zero, as the EVM's signed division."""
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)
