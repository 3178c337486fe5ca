"""Exact swaps in compiled kernels, a batch a call: bit-equal to the contracts. `plain.py` is the same in plain Python.

Source: behaviour of Uniswap v2-core's pair and v3-core's SwapMath and SqrtPriceMath, as in `chains.pools`.
"""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from bot.market.integers.layout import EMPTY, FILLED, I4, PARTLY, PRODUCT, SHORT, U8, UNFIT, UNKNOWN, Exact, Filled
from bot.market.integers.layout import U64 as Limbs
from bot.market.integers.wide import (
    ONE,
    ZERO,
    Wide,
    add,
    add_overflows,
    by_q96,
    div_down,
    div_up,
    divide,
    divide_by,
    equal,
    is_zero,
    less,
    mul,
    muladd64,
    muldiv,
    muldiv_up,
    prepared,
    shift96,
    sub,
)
from chains.kernels.instructions import outlined
from chains.kernels.jit import called, inlined, jit

PPM = uint64(1_000_000)
LOWEST = (uint64(4295128740), uint64(0), uint64(0), uint64(0))
"""The lowest price a swap may reach: MIN_SQRT_RATIO + 1."""
HIGHEST = (uint64(0x5D951D5263988D25), uint64(0xEFD1FC6A50648849), uint64(0xFFFD8963), uint64(0))
"""The highest: MAX_SQRT_RATIO - 1."""
TOP_BIT = uint64(1) << uint64(63)


@inlined
def _times(a: Wide, b: Any) -> Any:
    """a · b for one limb b, as five limbs."""
    r0, carry = muladd64(a[0], b, uint64(0), uint64(0))
    r1, carry = muladd64(a[1], b, carry, uint64(0))
    r2, carry = muladd64(a[2], b, carry, uint64(0))
    r3, carry = muladd64(a[3], b, carry, uint64(0))
    return r0, r1, r2, r3, carry


@inlined
def _less_in_five(a: Any, b: Any) -> bool:
    """a < b of five limbs."""
    if a[4] != b[4]:
        return a[4] < b[4]
    return less((a[0], a[1], a[2], a[3]), (b[0], b[1], b[2], b[3]))


@inlined
def _scaled_up(a: Wide, numerator: Any, denominator: Any) -> Wide:
    """⌈a · numerator / denominator⌉ for a one-limb numerator, a `prepared` denominator and a result below 2^256."""
    quotient, more = divide_by(_times(a, numerator), denominator)
    return add(quotient, ONE) if more else quotient


@outlined
def _amount0(low: Wide, high: Wide, liquidity: Wide, round_up: bool) -> Wide:
    """Token0 between two prices: L · (1/√low - 1/√high).

    The contract divides by one price and then by the other, each time rounded; ⌊⌊x/a⌋/b⌋ = ⌊x/(a·b)⌋, and so upwards.
    """
    zero, distance = uint64(0), sub(high, low)
    if high[2] != zero:
        if round_up:
            return div_up(muldiv_up(shift96(liquidity), distance, high), low)
        return div_down(muldiv(shift96(liquidity), distance, high), low)
    moved = _product_of_two(liquidity, distance)
    quotient, more = divide(_shifted96(moved), _product_of_two(low, high))
    return add(quotient, ONE) if round_up and more else quotient


@inlined
def _product_of_two(a: Wide, b: Wide) -> Wide:
    """a · b of numbers of two limbs."""
    zero = uint64(0)
    product = mul((a[0], a[1], zero, zero), (b[0], b[1], zero, zero))
    return product[0], product[1], product[2], product[3]


@inlined
def _amount1(low: Wide, high: Wide, liquidity: Wide, round_up: bool) -> Wide:
    """Token1 between two prices: L · (√high - √low)."""
    zero = uint64(0)
    return by_q96((liquidity[0], liquidity[1], zero, zero), sub(high, low), round_up)


@inlined
def _amount_in(start: Wide, end: Wide, liquidity: Wide, down: bool) -> Wide:
    return _amount0(end, start, liquidity, True) if down else _amount1(start, end, liquidity, True)


@inlined
def _amount_out(start: Wide, end: Wide, liquidity: Wide, down: bool) -> Wide:
    return _amount1(end, start, liquidity, False) if down else _amount0(start, end, liquidity, False)


@outlined
def _price_after_input(price: Wide, liquidity: Wide, amount: Wide, down: bool) -> Wide:
    """The price after `amount` (fee taken off) went in, rounded so that it never moves too far."""
    zero = uint64(0)
    if not down:
        moved, _ = divide(_shifted96(amount), liquidity)
        return add(price, moved)
    numerator, product = shift96(liquidity), mul(amount, price)
    low = (product[0], product[1], product[2], product[3])
    if (product[4] | product[5] | product[6] | product[7]) == zero and not add_overflows(numerator, low):
        return muldiv_up(numerator, price, add(numerator, low))
    return div_up(numerator, add(div_down(numerator, price), amount))


@inlined
def _shifted96(a: Wide) -> Any:
    """a · 2^96 as eight limbs."""
    s = uint64(32)
    zero = uint64(0)
    return (
        zero,
        a[0] << s,
        (a[1] << s) | (a[0] >> s),
        (a[2] << s) | (a[1] >> s),
        (a[3] << s) | (a[2] >> s),
        (a[3] >> s),
        zero,
        zero,
    )


@outlined
def _price_after_output(price: Wide, liquidity: Wide, amount: Wide, down: bool) -> tuple[Wide, bool]:
    """The price after `amount` came out, rounded so that it moves far enough, and whether the range holds so much."""
    if down:
        moved, more = divide(_shifted96(amount), liquidity)
        if more:
            moved = add(moved, ONE)
        return (price, False) if not less(moved, price) else (sub(price, moved), True)
    numerator, product = shift96(liquidity), mul(amount, price)
    low = (product[0], product[1], product[2], product[3])
    if (product[4] | product[5] | product[6] | product[7]) != uint64(0) or not less(low, numerator):
        return price, False
    return muldiv_up(numerator, price, sub(numerator, low)), True


@outlined
def _step_in(price: Wide, target: Wide, liquidity: Wide, remaining: Wide, fee: Any, kept: Any, down: bool) -> Any:
    """Spend up to `remaining`, fee included, without passing `target`: price reached, in, out, fee.

    `kept` is what the fee leaves of a million, `prepared`.
    """
    amount_in = _amount_in(price, target, liquidity, down)
    reached, whole = target, True
    # ⌊a / b⌋ < c where a < b · c: most steps pass their range, and need no division to know it.
    effective = _times(remaining, PPM - fee)
    if _less_in_five(effective, _times(amount_in, PPM)):
        spendable, _ = divide_by(effective, prepared(PPM))
        reached = _price_after_input(price, liquidity, spendable, down)
        whole = equal(reached, target)
        if not whole:
            amount_in = _amount_in(price, reached, liquidity, down)
    amount_out = _amount_out(price, reached, liquidity, down)
    taken = _scaled_up(amount_in, fee, kept) if whole else sub(remaining, amount_in)
    return reached, amount_in, amount_out, taken


@outlined
def _step_out(price: Wide, target: Wide, liquidity: Wide, remaining: Wide, fee: Any, kept: Any, down: bool) -> Any:
    """Take up to `remaining` out without passing `target`: price reached, in, out, fee, and whether it could."""
    amount_out = _amount_out(price, target, liquidity, down)
    reached, holds = target, True
    if less(remaining, amount_out):
        reached, holds = _price_after_output(price, liquidity, remaining, down)
        if not equal(reached, target):
            amount_out = _amount_out(price, reached, liquidity, down)
    amount_in = _amount_in(price, reached, liquidity, down)
    if less(remaining, amount_out):
        amount_out = remaining
    return reached, amount_in, amount_out, _scaled_up(amount_in, fee, kept), holds


@inlined
def _first_stop(ticks: I4, begin: int, end: int, tick: int, down: bool) -> int:
    """The nearest stop from `tick` on: at or below it downwards, above it upwards; `end` if there is none."""
    while begin < end:
        middle = (begin + end) >> 1
        passed = ticks[middle] > tick if down else ticks[middle] <= tick
        if passed:
            begin = middle + 1
        else:
            end = middle
    return begin


@called
def _walk(pools: Exact, row: int, down: bool, specified: Wide, exact_in: bool) -> Any:
    """A swap through ranges: amount in, amount out, price, liquidity, status."""
    state = pools.state
    price = (state[row, 0], state[row, 1], state[row, 2], uint64(0))
    liquidity = (state[row, 3], state[row, 4], uint64(0), uint64(0))
    fee = state[row, 5]
    amount_in, amount_out, remaining = ZERO, ZERO, specified
    if is_zero(price):
        return amount_in, amount_out, price, liquidity, EMPTY
    if is_zero(specified) or specified[3] >= TOP_BIT:
        return amount_in, amount_out, price, liquidity, UNFIT
    limit = LOWEST if down else HIGHEST
    if (not less(limit, price)) if down else (not less(price, limit)):
        return amount_in, amount_out, price, liquidity, SHORT
    kept = prepared(PPM - fee)
    side = 0 if down else 2
    end = pools.first[row, side + 1]
    stop = _first_stop(pools.stop_tick, pools.first[row, side], end, int64(state[row, 6]), down)
    while not is_zero(remaining) and not equal(price, limit):
        if stop == end:
            return amount_in, amount_out, price, liquidity, UNKNOWN
        prices = pools.stop_price
        next_price = (prices[stop, 0], prices[stop, 1], prices[stop, 2], uint64(0))
        beyond = less(next_price, limit) if down else less(limit, next_price)
        target = limit if beyond else next_price
        if exact_in:
            price, step_in, step_out, taken = _step_in(price, target, liquidity, remaining, fee, kept, down)
            spent = add(step_in, taken)
            remaining = sub(remaining, spent)
        else:
            price, step_in, step_out, taken, holds = _step_out(price, target, liquidity, remaining, fee, kept, down)
            if not holds:
                return amount_in, amount_out, price, liquidity, SHORT
            spent = add(step_in, taken)
            remaining = sub(remaining, step_out)
        amount_in, amount_out = add(amount_in, spent), add(amount_out, step_out)
        if equal(price, next_price):
            high = pools.stop_change[stop, 1]
            sign = uint64(0) - (high >> uint64(63))
            crossed = add(liquidity, (pools.stop_change[stop, 0], high, sign, sign))
            liquidity = (crossed[0], crossed[1], uint64(0), uint64(0))
            stop += 1
    return amount_in, amount_out, price, liquidity, FILLED if is_zero(remaining) else PARTLY


@called
def _product(pools: Exact, row: int, down: bool, specified: Wide, exact_in: bool) -> Any:
    """A swap through a pair: amount in, amount out, status."""
    zero = uint64(0)
    state = pools.state
    first = (state[row, 0], state[row, 1], zero, zero)
    second = (state[row, 2], state[row, 3], zero, zero)
    reserve_in, reserve_out = (first, second) if down else (second, first)
    kept = PPM - state[row, 5]
    room = sub((~zero, uint64(0xFFFFFFFFFFFF), zero, zero), reserve_in)
    if is_zero(reserve_in) or is_zero(reserve_out):
        return ZERO, ZERO, EMPTY
    if exact_in:
        if is_zero(specified) or less(room, specified):
            return ZERO, ZERO, UNFIT
        effective = _fits(_times(specified, kept))
        out = muldiv(effective, reserve_out, add(_fits(_times(reserve_in, PPM)), effective))
        return specified, out, FILLED
    if is_zero(specified):
        return ZERO, ZERO, UNFIT
    if not less(specified, reserve_out):
        return ZERO, ZERO, SHORT
    asked = muldiv_up(_fits(_times(reserve_in, PPM)), specified, _fits(_times(sub(reserve_out, specified), kept)))
    if less(room, asked):
        return ZERO, ZERO, SHORT
    return asked, specified, FILLED


@inlined
def _fits(five: Any) -> Wide:
    """Five limbs, of which the last is known to be zero, as four."""
    return five[0], five[1], five[2], five[3]


@called
def _swap(pools: Exact, row: int, down: bool, specified: Wide, exact_in: bool) -> Any:
    if pools.kind[row] == PRODUCT:
        amount_in, amount_out, status = _product(pools, row, down, specified, exact_in)
        return amount_in, amount_out, ZERO, ZERO, status
    return _walk(pools, row, down, specified, exact_in)


@jit
def swap_batch(pools: Exact, rows: I4, downs: U8, exact_ins: U8, specified: Limbs, answers: Filled) -> None:
    """Swap each of `specified` (four limbs: input if `exact_ins`, else output) through its pool, as it is now.

    `downs`: token0 goes in. Answers are independent of one another, and go into `answers`; no pool changes.
    """
    for at in range(rows.shape[0]):
        amount = (specified[at, 0], specified[at, 1], specified[at, 2], specified[at, 3])
        moved_in, moved_out, price, liquidity, status = _swap(
            pools, rows[at], downs[at] != 0, amount, exact_ins[at] != 0
        )
        for limb in range(4):
            answers.amount_in[at, limb] = moved_in[limb]
            answers.amount_out[at, limb] = moved_out[limb]
        for limb in range(3):
            answers.price[at, limb] = price[limb]
        answers.liquidity[at, 0], answers.liquidity[at, 1] = liquidity[0], liquidity[1]
        answers.status[at] = status


@jit
def route_batch(pools: Exact, begins: I4, rows: I4, downs: U8, inputs: Limbs, amounts: Limbs, statuses: U8) -> None:
    """Exact amounts along routes: route n's hops are `rows[begins[n]:begins[n+1]]`, and `inputs[n]` goes into it.

    `amounts[k]` is what comes out of hop k; `statuses[n]` is `FILLED`, or why the route ends early. A route that uses
    a pool twice is the caller's mistake: each hop sees the pool as it is now.
    """
    for route in range(inputs.shape[0]):
        amount = (inputs[route, 0], inputs[route, 1], inputs[route, 2], inputs[route, 3])
        statuses[route] = FILLED
        for hop in range(begins[route], begins[route + 1]):
            _, amount, _, _, status = _swap(pools, rows[hop], downs[hop] != 0, amount, True)
            if status != FILLED:
                statuses[route] = status
                break
            for limb in range(4):
                amounts[hop, limb] = amount[limb]
