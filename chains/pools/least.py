"""The least input that buys enough, for contracts that only know exact inputs. No pools here."""

from __future__ import annotations

from collections.abc import Callable

from chains.pools.pool import AmountOutOfRange, InsufficientLiquidity

_DOUBLINGS = 260


def least_input(quote: Callable[[int], int], amount_out: int, guess: int) -> int:
    """An amount that `quote` answers with at least `amount_out`, and where one unit less is not enough.

    `guess` only says where to begin. Raises `AmountOutOfRange` for nothing wanted, `InsufficientLiquidity` where no
    amount is enough, and what `quote` raises that is no `AmountOutOfRange`.
    """
    if amount_out <= 0:
        raise AmountOutOfRange(f"{amount_out} base units are not an amount")

    def enough(amount: int) -> bool:
        try:
            return quote(amount) >= amount_out
        except AmountOutOfRange:
            return False

    high, step = max(guess, 1), 1
    for _ in range(_DOUBLINGS):
        if enough(high):
            break
        high, step = high + step, 2 * step
    else:
        raise InsufficientLiquidity(f"no amount in buys {amount_out} base units")
    low, step = high - 1, 1
    while low > 0 and enough(low):
        high, low, step = low, low - 2 * step, 2 * step
    low = max(low, 0)
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high
