"""256-bit unsigned integers inside compiled kernels: four 64-bit limbs in registers, least significant first.

Importing this needs Numba, and compiles nothing; `bot.market.integers` imports it only where kernels are compiled.
Division is Knuth's algorithm D (The Art of Computer Programming, volume 2, 4.3.1) on 64-bit limbs, each limb of the
quotient by a reciprocal (Möller and Granlund, "Improved division by invariant integers", IEEE TC 60, 2011). Nothing
here checks for overflow: a function that can be given too much says so.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import uint64
from numba.core import types

from chains.kernels.instructions import instruction, outlined
from chains.kernels.jit import inlined

U64 = uint64
Wide = tuple[Any, Any, Any, Any]
"""Four `uint64` limbs."""

_LIMB, _DOUBLE = ir.IntType(64), ir.IntType(128)
_PAIR: Any = types.UniTuple(types.uint64, 2)  # type: ignore[no-untyped-call]
ZERO = (U64(0), U64(0), U64(0), U64(0))
ONE = (U64(1), U64(0), U64(0), U64(0))
_MAX = U64(0xFFFFFFFFFFFFFFFF)
_LOW32 = U64(0xFFFFFFFF)


def _two(context: Any, builder: Any, double: Any) -> Any:
    """A 128-bit value as a tuple of its low and its high limb."""
    low = builder.trunc(double, _LIMB)
    high = builder.trunc(builder.lshr(double, _DOUBLE(64)), _LIMB)
    return context.make_tuple(builder, _PAIR, (low, high))


@instruction
def mul64(typing_context: Any, a: Any, b: Any) -> Any:
    """a · b as (low, high)."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, right = (builder.zext(each, _DOUBLE) for each in args)
        return _two(context, builder, builder.mul(left, right))

    return _PAIR(types.uint64, types.uint64), code


@instruction
def muladd64(typing_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """a · b + c + d as (low, high); it always fits."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, right, first, second = (builder.zext(each, _DOUBLE) for each in args)
        total = builder.add(builder.add(builder.mul(left, right), first), second)
        return _two(context, builder, total)

    return _PAIR(types.uint64, types.uint64, types.uint64, types.uint64), code


@instruction
def add64(typing_context: Any, a: Any, b: Any, carry: Any) -> Any:
    """a + b + carry as (sum, carry)."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, right, carry = (builder.zext(each, _DOUBLE) for each in args)
        return _two(context, builder, builder.add(builder.add(left, right), carry))

    return _PAIR(types.uint64, types.uint64, types.uint64), code


@instruction
def sub64(typing_context: Any, a: Any, b: Any, borrow: Any) -> Any:
    """a - b - borrow as (difference, borrow)."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, right, borrow = (builder.zext(each, _DOUBLE) for each in args)
        difference = builder.sub(builder.sub(left, right), borrow)
        low = builder.trunc(difference, _LIMB)
        taken = builder.and_(builder.trunc(builder.lshr(difference, _DOUBLE(64)), _LIMB), _LIMB(1))
        return context.make_tuple(builder, _PAIR, (low, taken))

    return _PAIR(types.uint64, types.uint64, types.uint64), code


@instruction
def leading_zeros(typing_context: Any, a: Any) -> Any:
    """How many of the 64 bits above the highest set one are clear; 64 for zero."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.IntType(1)(0))

    return types.uint64(types.uint64), code


@inlined
def is_zero(a: Wide) -> bool:
    return (a[0] | a[1] | a[2] | a[3]) == U64(0)


@inlined
def less(a: Wide, b: Wide) -> bool:
    """a < b."""
    if a[3] != b[3]:
        return a[3] < b[3]
    if a[2] != b[2]:
        return a[2] < b[2]
    if a[1] != b[1]:
        return a[1] < b[1]
    return a[0] < b[0]


@inlined
def equal(a: Wide, b: Wide) -> bool:
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == U64(0)


@inlined
def add(a: Wide, b: Wide) -> Wide:
    """a + b modulo 2^256."""
    r0, carry = add64(a[0], b[0], U64(0))
    r1, carry = add64(a[1], b[1], carry)
    r2, carry = add64(a[2], b[2], carry)
    r3, carry = add64(a[3], b[3], carry)
    return r0, r1, r2, r3


@inlined
def add_overflows(a: Wide, b: Wide) -> bool:
    """Whether a + b needs more than 256 bits."""
    _, carry = add64(a[0], b[0], U64(0))
    _, carry = add64(a[1], b[1], carry)
    _, carry = add64(a[2], b[2], carry)
    _, carry = add64(a[3], b[3], carry)
    return carry != U64(0)


@inlined
def sub(a: Wide, b: Wide) -> Wide:
    """a - b modulo 2^256."""
    r0, borrow = sub64(a[0], b[0], U64(0))
    r1, borrow = sub64(a[1], b[1], borrow)
    r2, borrow = sub64(a[2], b[2], borrow)
    r3, borrow = sub64(a[3], b[3], borrow)
    return r0, r1, r2, r3


@inlined
def _row(a: Any, b: Wide, r0: Any, r1: Any, r2: Any, r3: Any) -> Any:
    """r + a · b as five limbs."""
    r0, carry = muladd64(a, b[0], r0, U64(0))
    r1, carry = muladd64(a, b[1], r1, carry)
    r2, carry = muladd64(a, b[2], r2, carry)
    r3, carry = muladd64(a, b[3], r3, carry)
    return r0, r1, r2, r3, carry


@inlined
def mul(a: Wide, b: Wide) -> Any:
    """a · b as eight limbs."""
    zero = U64(0)
    r0, r1, r2, r3, r4 = _row(a[0], b, zero, zero, zero, zero)
    r1, r2, r3, r4, r5 = _row(a[1], b, r1, r2, r3, r4)
    r2, r3, r4, r5, r6 = _row(a[2], b, r2, r3, r4, r5)
    r3, r4, r5, r6, r7 = _row(a[3], b, r3, r4, r5, r6)
    return r0, r1, r2, r3, r4, r5, r6, r7


@inlined
def shift96(a: Wide) -> Wide:
    """a · 2^96, for a below 2^160."""
    return U64(0), a[0] << U64(32), (a[1] << U64(32)) | (a[0] >> U64(32)), (a[2] << U64(32)) | (a[1] >> U64(32))


@inlined
def reciprocal(d: Any) -> Any:
    """⌊(2^128 - 1) / d⌋ - 2^64, for d with its highest bit set."""
    return _divided(~d, _MAX, d)


@inlined
def _divided(high: Any, low: Any, d: Any) -> Any:
    """⌊(high · 2^64 + low) / d⌋ for high < d and d with its highest bit set, by 32-bit halves."""
    d1, d0 = d >> U64(32), d & _LOW32
    q1 = high // d1
    r = high - q1 * d1
    while q1 > _LOW32 or q1 * d0 > ((r << U64(32)) | (low >> U64(32))):
        q1 -= U64(1)
        r += d1
        if r > _LOW32:
            break
    middle = ((high << U64(32)) | (low >> U64(32))) - q1 * d
    q0 = middle // d1
    r = middle - q0 * d1
    while q0 > _LOW32 or q0 * d0 > ((r << U64(32)) | (low & _LOW32)):
        q0 -= U64(1)
        r += d1
        if r > _LOW32:
            break
    return (q1 << U64(32)) | q0


@inlined
def _limb(high: Any, low: Any, d: Any, v: Any) -> Any:
    """(quotient, remainder) of (high · 2^64 + low) / d for high < d, with v = reciprocal(d)."""
    q0, q1 = mul64(v, high)
    q0, carry = add64(q0, low, U64(0))
    q1 = q1 + high + carry + U64(1)
    r = low - q1 * d
    if r > q0:
        q1 -= U64(1)
        r += d
    if r >= d:
        q1 += U64(1)
        r -= d
    return q1, r


@inlined
def _shifted(high: Any, low: Any, s: Any) -> Any:
    """The high limb of (high, low) · 2^s, for s < 64."""
    return (high << s) | ((low >> U64(1)) >> (U64(63) - s))


@inlined
def prepared(divisor: Any) -> Any:
    """What `divide_by` takes of a one-limb divisor above zero, for one that many are divided by."""
    s = leading_zeros(divisor)
    return s, divisor << s, reciprocal(divisor << s)


@outlined
def divide_by(n: Any, divisor: Any) -> Any:
    """(quotient, whether there is a remainder) of five limbs by a `prepared` limb, which is above the fifth limb."""
    s, d, v = divisor
    q3 = q2 = U64(0)
    if (n[4] | n[3] | n[2]) == U64(0):
        r = _shifted(U64(0), n[1], s)
    else:
        r = _shifted(n[4], n[3], s)
        q3, r = _limb(r, _shifted(n[3], n[2], s), d, v)
        q2, r = _limb(r, _shifted(n[2], n[1], s), d, v)
    q1, r = _limb(r, _shifted(n[1], n[0], s), d, v)
    q0, r = _limb(r, n[0] << s, d, v)
    return (q0, q1, q2, q3), r != U64(0)


@inlined
def _digit(u4: Any, u3: Any, u2: Any, u1: Any, u0: Any, d: Wide, v: Any) -> Any:
    """One quotient limb, and the four limbs that remain, of five limbs below d · 2^64 by d."""
    if u4 == U64(0) and u3 < d[3]:
        return U64(0), u3, u2, u1, u0
    if u4 >= d[3]:
        q = _MAX
        r = u3 + d[3]
        exact = r < u3
    else:
        q, r = _limb(u4, u3, d[3], v)
        exact = False
    while not exact:
        low, high = mul64(q, d[2])
        if high < r or (high == r and low <= u2):
            break
        q -= U64(1)
        r += d[3]
        exact = r < d[3]
    p0, p1, p2, p3, p4 = _row(q, d, U64(0), U64(0), U64(0), U64(0))
    u0, borrow = sub64(u0, p0, U64(0))
    u1, borrow = sub64(u1, p1, borrow)
    u2, borrow = sub64(u2, p2, borrow)
    u3, borrow = sub64(u3, p3, borrow)
    u4, borrow = sub64(u4, p4, borrow)
    if borrow:
        q -= U64(1)
        u0, u1, u2, u3 = add((u0, u1, u2, u3), d)
    return q, u3, u2, u1, u0


@outlined
def divide(n: Any, d: Wide) -> Any:
    """(quotient, whether there is a remainder) of eight limbs by four, for d > 0 and a quotient below 2^256."""
    if (d[1] | d[2] | d[3]) == U64(0):
        return divide_by((n[0], n[1], n[2], n[3], n[4]), prepared(d[0]))
    # Both are shifted until the divisor's highest bit is set; the quotient stays the same.
    n0, n1, n2, n3, n4, n5, n6, n7 = n
    d0, d1, d2, d3 = d
    while d3 == U64(0):
        d3, d2, d1, d0 = d2, d1, d0, U64(0)
        n7, n6, n5, n4, n3, n2, n1, n0 = n6, n5, n4, n3, n2, n1, n0, U64(0)
    s = leading_zeros(d3)
    divisor = (d0 << s, _shifted(d1, d0, s), _shifted(d2, d1, s), _shifted(d3, d2, s))
    v = reciprocal(divisor[3])
    u7, u6, u5, u4 = _shifted(n7, n6, s), _shifted(n6, n5, s), _shifted(n5, n4, s), _shifted(n4, n3, s)
    u3, u2, u1, u0 = _shifted(n3, n2, s), _shifted(n2, n1, s), _shifted(n1, n0, s), n0 << s
    q3, r3, r2, r1, r0 = _digit(u7, u6, u5, u4, u3, divisor, v)
    q2, r3, r2, r1, r0 = _digit(r3, r2, r1, r0, u2, divisor, v)
    q1, r3, r2, r1, r0 = _digit(r3, r2, r1, r0, u1, divisor, v)
    q0, r3, r2, r1, r0 = _digit(r3, r2, r1, r0, u0, divisor, v)
    return (q0, q1, q2, q3), (r3 | r2 | r1 | r0) != U64(0)


@inlined
def muldiv(a: Wide, b: Wide, d: Wide) -> Wide:
    """⌊a · b / d⌋ with a 512-bit product, for d > 0 and a result below 2^256."""
    quotient, _ = divide(mul(a, b), d)
    return quotient


@inlined
def muldiv_up(a: Wide, b: Wide, d: Wide) -> Wide:
    """⌈a · b / d⌉ as `muldiv`."""
    quotient, more = divide(mul(a, b), d)
    return add(quotient, ONE) if more else quotient


@inlined
def div_up(a: Wide, d: Wide) -> Wide:
    """⌈a / d⌉, for d > 0."""
    zero = U64(0)
    quotient, more = divide((a[0], a[1], a[2], a[3], zero, zero, zero, zero), d)
    return add(quotient, ONE) if more else quotient


@inlined
def div_down(a: Wide, d: Wide) -> Wide:
    """⌊a / d⌋, for d > 0."""
    zero = U64(0)
    quotient, _ = divide((a[0], a[1], a[2], a[3], zero, zero, zero, zero), d)
    return quotient


@inlined
def by_q96(a: Wide, b: Wide, round_up: bool) -> Wide:
    """a · b / 2^96 rounded as asked, for a result below 2^256."""
    p = mul(a, b)
    down = (
        (p[1] >> U64(32)) | (p[2] << U64(32)),
        (p[2] >> U64(32)) | (p[3] << U64(32)),
        (p[3] >> U64(32)) | (p[4] << U64(32)),
        (p[4] >> U64(32)) | (p[5] << U64(32)),
    )
    if round_up and (p[0] | (p[1] & _LOW32)) != U64(0):
        return add(down, ONE)
    return down
