"""What `swaps.py` compiles, in plain Python with the same signatures: slower, and equal to the last bit."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from bot.market.integers.directory import NOBODY, Directory
from bot.market.integers.layout import (
    EMPTY,
    FILLED,
    I4,
    PARTLY,
    PRODUCT,
    SHORT,
    U8,
    U64,
    UNFIT,
    UNKNOWN,
    Exact,
    Filled,
    limbs,
    whole,
)
from bot.market.integers.topics import PANCAKE, SWAP, SYNC
from chains.codec import Logs
from chains.pools.concentrated import MAX_AMOUNT
from chains.pools.constant_product import MAX_RESERVE
from chains.pools.pool import PPM, InsufficientLiquidity
from chains.pools.swap_math import step_exact_in, step_exact_out
from chains.pools.tick_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE


class _Swap(NamedTuple):
    amount_in: int
    amount_out: int
    price: int
    liquidity: int
    status: int


def swap_batch(pools: Exact, rows: I4, downs: U8, exact_ins: U8, specified: U64, answers: Filled) -> None:
    """Swap each of `specified` (four limbs: input if `exact_ins`, else output) through its pool, as it is now.

    `downs`: token0 goes in. Answers are independent of one another, and go into `answers`; no pool changes.
    """
    for at, row in enumerate(rows):
        done = _swap(pools, int(row), bool(downs[at]), whole(specified[at]), bool(exact_ins[at]))
        answers.amount_in[at] = limbs(done.amount_in, 4)
        answers.amount_out[at] = limbs(done.amount_out, 4)
        answers.price[at] = limbs(done.price, 3)
        answers.liquidity[at] = limbs(done.liquidity, 2)
        answers.status[at] = done.status


def route_batch(pools: Exact, begins: I4, rows: I4, downs: U8, inputs: U64, amounts: U64, statuses: U8) -> None:
    """Exact amounts along routes: route n's hops are `rows[begins[n]:begins[n+1]]`, and `inputs[n]` goes into it.

    `amounts[k]` is what comes out of hop k; `statuses[n]` is `FILLED`, or why the route ends early. A route that uses
    a pool twice is the caller's mistake: each hop sees the pool as it is now.
    """
    for route in range(len(inputs)):
        amount = whole(inputs[route])
        statuses[route] = FILLED
        for hop in range(int(begins[route]), int(begins[route + 1])):
            done = _swap(pools, int(rows[hop]), bool(downs[hop]), amount, True)
            if done.status != FILLED:
                statuses[route] = done.status
                break
            amount = done.amount_out
            amounts[hop] = limbs(amount, 4)


def apply_logs(logs: Logs, table: Directory, known: U64, pools: Exact, changed: I4, left: I4) -> tuple[int, int]:
    """Put every log of a pool in `table` into `pools.state`; see `events.apply_logs`."""
    rows = {tuple(key): int(row) for key, row in zip(table.keys.tolist(), table.rows, strict=True) if row != NOBODY}
    kinds = {whole(topic): kind for kind, topic in enumerate(known)}
    changes = lefts = 0
    for at in range(len(logs.log_index)):
        row = rows.get(tuple(logs.address[at].tolist()))
        kind = kinds.get(whole(logs.topics[at, 0]))
        if row is None or not logs.topic_count[at] or kind is None:
            continue
        first = int(logs.first_word[at])
        data = [whole(word) for word in logs.words[first : first + int(logs.word_count[at])]]
        words = _words_after(kind, pools.kind[row] == PRODUCT, data)
        if words is None:
            left[lefts] = at
            lefts += 1
            continue
        pools.state[row, [place for place, _ in words]] = [limb for _, limb in words]
        changed[changes] = row
        changes += 1
    return changes, lefts


def _words_after(kind: int, product: bool, data: list[int]) -> list[tuple[int, int]] | None:
    """Which words of a pool's state an event sets; None if that is for the pool itself to say."""
    if kind == SYNC and product and len(data) == 2 and max(data) <= MAX_RESERVE:
        return list(enumerate(limbs(data[0], 2) + limbs(data[1], 2)))
    length = {SWAP: 5, PANCAKE: 7}.get(kind)
    if product or len(data) != length or data[2] >= 1 << 160 or data[3] >= 1 << 128:
        return None
    return [*enumerate(limbs(data[2], 3) + limbs(data[3], 2)), (6, limbs(data[4], 1)[0])]


def _swap(pools: Exact, row: int, down: bool, specified: int, exact_in: bool) -> _Swap:
    if pools.kind[row] == PRODUCT:
        return _product(pools, row, down, specified, exact_in)
    return _walk(pools, row, down, specified, exact_in)


def _product(pools: Exact, row: int, down: bool, specified: int, exact_in: bool) -> _Swap:
    state = pools.state[row]
    first, second = whole(state[:2]), whole(state[2:4])
    reserve_in, reserve_out = (first, second) if down else (second, first)
    kept, room = PPM - int(state[5]), MAX_RESERVE - reserve_in
    if not reserve_in or not reserve_out:
        return _Swap(0, 0, 0, 0, EMPTY)
    if not specified or (exact_in and specified > room):
        return _Swap(0, 0, 0, 0, UNFIT)
    if exact_in:
        effective = specified * kept
        return _Swap(specified, effective * reserve_out // (reserve_in * PPM + effective), 0, 0, FILLED)
    if specified >= reserve_out:
        return _Swap(0, 0, 0, 0, SHORT)
    asked = -(-reserve_in * PPM * specified // ((reserve_out - specified) * kept))
    return _Swap(0, 0, 0, 0, SHORT) if asked > room else _Swap(asked, specified, 0, 0, FILLED)


def _walk(pools: Exact, row: int, down: bool, specified: int, exact_in: bool) -> _Swap:
    state = pools.state[row]
    price, liquidity, fee_ppm, tick = whole(state[:3]), whole(state[3:5]), int(state[5]), _signed(whole(state[6:]), 64)
    amount_in, amount_out, remaining = 0, 0, specified
    limit = MIN_SQRT_PRICE + 1 if down else MAX_SQRT_PRICE - 1
    if not price:
        return _Swap(0, 0, price, liquidity, EMPTY)
    if not 0 < specified <= MAX_AMOUNT:
        return _Swap(0, 0, price, liquidity, UNFIT)
    if price <= limit if down else price >= limit:
        return _Swap(0, 0, price, liquidity, SHORT)
    side = 0 if down else 2
    begin, end = int(pools.first[row, side]), int(pools.first[row, side + 1])
    stop = begin + _passed(pools.stop_tick[begin:end].tolist(), tick, down)
    while remaining and price != limit:
        if stop == end:
            return _Swap(amount_in, amount_out, price, liquidity, UNKNOWN)
        next_price = whole(pools.stop_price[stop])
        target = max(next_price, limit) if down else min(next_price, limit)
        try:
            step = (step_exact_in if exact_in else step_exact_out)(price, target, liquidity, remaining, fee_ppm)
        except InsufficientLiquidity:
            return _Swap(amount_in, amount_out, price, liquidity, SHORT)
        price = step.sqrt_price
        amount_in, amount_out = amount_in + step.amount_in + step.fee, amount_out + step.amount_out
        remaining -= step.amount_in + step.fee if exact_in else step.amount_out
        if price == next_price:
            liquidity += _signed(whole(pools.stop_change[stop]), 128)
            stop += 1
    return _Swap(amount_in, amount_out, price, liquidity, PARTLY if remaining else FILLED)


def _passed(ticks: list[int], tick: int, down: bool) -> int:
    """How many of the stops a pool at `tick` has behind it."""
    if down:
        return bisect_left([-each for each in ticks], -tick)
    return bisect_right(ticks, tick)


def _signed(value: int, bits: int) -> int:
    """Two's complement to a number."""
    return value - (1 << bits) if value >> (bits - 1) else value
