"""What `swaps.py` compiles, in plain Python with the same signatures: slower, and equal to the last bit."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from bot.market.integers.directory import BY_HAND, BY_ID, NOBODY, Heard
from bot.market.integers.layout import (
    EMPTY,
    FILLED,
    I4,
    NEAR,
    PARTLY,
    PRODUCT,
    Q96_INVERSE,
    SHORT,
    TICKS,
    U8,
    U64,
    UNFIT,
    UNKNOWN,
    Exact,
    Filled,
    States,
    Taken,
    limbs,
    whole,
)
from bot.market.integers.topics import PANCAKE, SWAP, SWAP_BY_ID, SYNC
from chains.codec import Logs
from chains.pools.concentrated import MAX_AMOUNT
from chains.pools.constant_product import MAX_RESERVE
from chains.pools.pool import PPM, InsufficientLiquidity
from chains.pools.swap_math import step_exact_in, step_exact_out
from chains.pools.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK


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


def apply_logs(logs: Logs, heard: Heard, known: U64, number: int, pools: States, taken: Taken) -> tuple[int, int]:
    """Put the logs of block `number` into `pools.state`; see `events.apply_logs`."""
    kinds = {whole(topic): kind for kind, topic in enumerate(known)}
    set_by: dict[int, list[tuple[int, list[tuple[int, int]] | None]]] = {}
    left = list[int]()
    taken.row[: len(logs.log_index)] = NOBODY
    for at in range(len(logs.log_index)):
        row = _row(logs, at, heard, pools.home)
        kind = kinds.get(whole(logs.topics[at, 0]))
        if row == BY_HAND:
            left.append(at)
        elif row != NOBODY and logs.topic_count[at] and kind is not None and pools.since[row] < number:
            first = int(logs.first_word[at])
            data = [whole(word) for word in logs.words[first : first + int(logs.word_count[at])]]
            words = _words_after(kind, row, pools, int(logs.topic_count[at]), data)
            set_by.setdefault(row, []).append((at, words))
        else:
            continue
        taken.row[at] = row
    changes = 0
    for row, events in set_by.items():
        if any(words is None for _, words in events):
            left += [at for at, _ in events]
            continue
        taken.changed[changes], taken.first[changes] = row, events[0][0]
        taken.prior[changes] = pools.state[row]
        for _, words in events:
            assert words is not None
            pools.state[row, [place for place, _ in words]] = [limb for _, limb in words]
        _rated(row, pools, taken, changes)
        changes += 1
    taken.left[: len(left)] = sorted(left)
    return changes, len(left)


def _row(logs: Logs, at: int, heard: Heard, homes: I4) -> int:
    """The row of the pool whose log `at` is, `NOBODY` or `BY_HAND`."""
    first, second, third = logs.address[at].tolist()
    row = heard.addresses.row((first, second, third, 0))
    if row > BY_ID:
        return row
    if logs.topic_count[at] < 2:
        return NOBODY
    one, two, three, four = logs.topics[at, 1].tolist()
    home, row = row, heard.ids.row((one, two, three, four))
    return NOBODY if row >= 0 and homes[row] != home else row


def _words_after(kind: int, row: int, pools: States, topics: int, data: list[int]) -> list[tuple[int, int]] | None:
    """Which words of a pool's state an event sets; None if that is for the pool itself to say."""
    product, own = pools.kind[row] == PRODUCT, pools.home[row] > BY_ID
    if kind == SYNC and product and len(data) == 2 and max(data) <= MAX_RESERVE and topics == 1:
        return list(enumerate(limbs(data[0], 2) + limbs(data[1], 2)))
    length = ({SWAP: 5, PANCAKE: 7} if own else {SWAP_BY_ID: 6}).get(kind)
    if product or len(data) != length or topics != 3 or data[2] >= 1 << 160 or not 0 < data[3] < 1 << 128:
        return None
    if not own and data[5] != int(pools.state[row, 5]):
        return None
    tick = _signed(data[4], 256)
    if not MIN_TICK <= tick < MAX_TICK or not data[2]:
        return None
    root = float(data[2]) * Q96_INVERSE
    near, above = NEAR + TICKS * Q96_INVERSE / root, math.log(root) * TICKS - tick
    if not near < above < 1.0 - near:
        return None
    return [*enumerate(limbs(data[2], 3) + limbs(data[3], 2)), (6, limbs(data[4], 1)[0])]


def _rated(row: int, pools: States, taken: Taken, k: int) -> None:
    """A changed row's values and rates, and whether its liquidity is as was known."""
    state, (kept, unit, other_unit, ratio, inverse) = pools.state[row], pools.fixed[row].tolist()
    if pools.kind[row] == PRODUCT:
        one, other = float(whole(state[:2])), float(whole(state[2:4]))
        taken.values[k], taken.holds[k] = (one / unit, other / other_unit), 1
        taken.rates[k] = (kept * other / one * ratio, kept * one / other * inverse) if one and other else (0.0, 0.0)
        return
    root = float(whole(state[:3])) * Q96_INVERSE
    taken.values[k], taken.rates[k] = (root * unit, 0.0), (kept * root * root * ratio, kept / root / root * inverse)
    low, high = pools.span[row].tolist()
    within = low <= _signed(whole(state[6:]), 64) < high
    taken.holds[k] = within and whole(pools.span_liquidity[row]) == whole(state[3:5])


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
