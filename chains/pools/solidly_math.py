"""The curve x³y + y³x = k of Solidly's stable pools, as Velodrome V2 solves it. Integers in 18 decimals.

Source: velodrome-finance and aerodrome-finance contracts, Pool._k, _f, _d and _get_y.
"""

from __future__ import annotations

from chains.pools.balancer_math import ONE
from chains.pools.pool import InsufficientLiquidity
from chains.pools.words import uint256

_ROUNDS = 255


def product(x: int, y: int) -> int:
    """x·y·(x² + y²), rounded as `_f` and, for scaled reserves, as `_k`. Raises `AmountOutOfRange`."""
    area = uint256(x * y) // ONE
    squares = uint256(x * x) // ONE + uint256(y * y) // ONE
    return uint256(area * squares) // ONE


def balance_for(x: int, kept: int, y: int, units: tuple[int, int]) -> int:
    """The least balance that keeps the product with `x`, by Newton's method from `y`; `units` are 10^decimals.

    Where the last step rounds to nothing, the contract compares with `_k`, which scales a second time; for tokens of
    18 decimals that is the same. Raises `AmountOutOfRange`, `InsufficientLiquidity`.
    """
    for _ in range(_ROUNDS):
        found = product(x, y)
        slope = uint256(3 * x * (uint256(y * y) // ONE)) // ONE + uint256(x * x // ONE * x) // ONE
        if not slope:
            break
        step = uint256(abs(kept - found) * ONE) // slope
        if found < kept:
            if not step:
                if product(uint256(x * ONE) // units[0], uint256((y + 1) * ONE) // units[1]) > kept:
                    return y + 1
                step = 1
            y += step
        else:
            if not step:
                if found == kept or product(x, uint256(y - 1)) < kept:
                    return y
                step = 1
            y = uint256(y - step)
    raise InsufficientLiquidity(f"no balance keeps the product of {kept} with {x}")


def slope_at(x: float, y: float) -> float:
    """-dy/dx on the curve: (3x²y + y³) / (x³ + 3xy²)."""
    return (3.0 * x * x * y + y**3) / (x**3 + 3.0 * x * y * y)


def balance_for_v1(x: int, kept: int, y: int) -> int:
    """As `balance_for`, in the first Solidly's way: it stops where a step is at most one, and multiplies otherwise.

    Source: solidly BaseV1Pair._get_y, which Camelot's stable pairs keep. Raises as `balance_for`.
    """
    for _ in range(_ROUNDS):
        cube_y, cube_x = uint256(y * y) // ONE * y // ONE, uint256(x * x) // ONE * x // ONE
        found = uint256(x * cube_y) // ONE + uint256(cube_x * y) // ONE
        slope = uint256(3 * x * (y * y // ONE)) // ONE + cube_x
        if not slope:
            raise InsufficientLiquidity(f"no balance keeps the product of {kept} with {x}")
        step = uint256(abs(kept - found) * ONE) // slope
        y = y + step if found < kept else uint256(y - step)
        if step <= 1:
            return y
    return y
