"""256-bit arithmetic in registers, against Python's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.market.integers import wide
from bot.market.integers.layout import limbs, whole
from chains.kernels.jit import jit


@jit
def _muldiv(a: wide.Wide, b: wide.Wide, d: wide.Wide) -> Any:
    return wide.muldiv(a, b, d), wide.muldiv_up(a, b, d)


@jit
def _by_limb(a: Any, d: Any) -> Any:
    return wide.divide_by(a, wide.prepared(d))


@jit
def _simple(a: wide.Wide, b: wide.Wide) -> Any:
    return wide.add(a, b), wide.sub(a, b), wide.mul(a, b), wide.less(a, b), wide.add_overflows(a, b)


def registers(value: int, count: int = 4) -> tuple[Any, ...]:
    return tuple(np.uint64(limb) for limb in limbs(value, count))


# Long runs of equal bits are where a quotient limb is guessed wrong.
_edges = st.builds(lambda bits, off: max((1 << bits) + off, 0), st.integers(0, 255), st.integers(-2, 2))
_runs = st.builds(lambda high, low: ((1 << high) - 1) ^ ((1 << low) - 1), st.integers(0, 256), st.integers(0, 256))
_random = st.integers(0, 256).flatmap(lambda bits: st.integers(0, (1 << bits) - 1 if bits else 0))
numbers = st.one_of(_edges, _runs, _random)


@settings(max_examples=2_000)
@given(numbers, numbers, numbers)
def test_a_product_of_512_bits_is_divided_exactly_and_rounded_as_asked(a: int, b: int, d: int) -> None:
    if not d or a * b // d >= 2**256 - 1:
        return
    down, up = _muldiv(registers(a), registers(b), registers(d))
    assert (whole(down), whole(up)) == (a * b // d, -(-a * b // d))


@settings(max_examples=500)
@given(numbers, st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_division_by_one_limb_is_exact(a: int, d: int, high: int) -> None:
    n = a + ((high % d) << 256)
    quotient, more = _by_limb(registers(n, 5), np.uint64(d))
    assert (whole(quotient), more) == (n // d, n % d != 0)


@settings(max_examples=500)
@given(numbers, numbers)
def test_sums_differences_and_products_are_exact(a: int, b: int) -> None:
    added, taken, product, less, overflows = _simple(registers(a), registers(b))
    assert whole(added) == (a + b) % 2**256
    assert whole(taken) == (a - b) % 2**256
    assert whole(product) == a * b
    assert (less, overflows) == (a < b, a + b >= 2**256)
