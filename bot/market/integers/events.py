"""A block's logs into exact pool states, in one compiled call; `plain.apply_logs` is the same in plain Python.

Sync and Swap only set a pool's words, which is done here. What moves liquidity between ticks, or is not understood, is
left to the pool's own `applied`: those logs' places are handed back.
"""

from __future__ import annotations

import math
from typing import Any

from numba import float64, int64, uint64

from bot.market.integers.directory import BY_HAND, BY_ID, MIX, NOBODY, Directory, Heard
from bot.market.integers.layout import I4, NEAR, PRODUCT, Q96_INVERSE, TICKS, States, Taken
from bot.market.integers.topics import LEFT, PANCAKE, SWAP, SWAP_BY_ID, SYNC
from bot.market.integers.wide import leading_zeros
from chains.codec.frames import U64, Logs
from chains.kernels.jit import inlined, jit
from chains.pools.tick_math import MAX_TICK, MIN_TICK

FRESH, SPOILT = -1, -2
"""What `States.mark` says of a row: nothing yet, or that its pool takes all of its logs itself. Else its place."""


@inlined
def _whose(table: Directory, first: Any, second: Any, third: Any, fourth: Any) -> int:
    """Whose the name is, `NOBODY` where it is not in the table."""
    seven, thirteen = uint64(7), uint64(13)
    mixed = (first ^ (second << uint64(1)) ^ (third << seven) ^ (fourth << thirteen)) * uint64(MIX)
    mask = table.rows.shape[0] - 1
    slot = int64(mixed >> uint64(32)) & mask
    while table.rows[slot] != NOBODY:
        keys = table.keys
        if keys[slot, 0] == first and keys[slot, 1] == second and keys[slot, 2] == third and keys[slot, 3] == fourth:
            return int(table.rows[slot])
        slot = (slot + 1) & mask
    return NOBODY


@inlined
def _row(heard: Heard, logs: Logs, at: int, homes: I4) -> int:
    """The row of the pool whose log `at` is, `NOBODY` or `BY_HAND`."""
    address, topics = logs.address, logs.topics
    row = _whose(heard.addresses, address[at, 0], address[at, 1], address[at, 2], uint64(0))
    if row > BY_ID:
        return row
    if logs.topic_count[at] < 2:
        return NOBODY
    home, row = row, _whose(heard.ids, topics[at, 1, 0], topics[at, 1, 1], topics[at, 1, 2], topics[at, 1, 3])
    # Two contracts may each hold a pool of the same id.
    return NOBODY if row >= 0 and homes[row] != home else row


@inlined
def _kind(topics: U64, at: int, known: U64) -> int:
    """Which of the `known` events log `at` is; one more than their number if it is none."""
    for kind in range(known.shape[0]):
        low = topics[at, 0, 0] == known[kind, 0] and topics[at, 0, 1] == known[kind, 1]
        if low and topics[at, 0, 2] == known[kind, 2] and topics[at, 0, 3] == known[kind, 3]:
            return kind
    return int(known.shape[0])


@inlined
def _small(words: U64, at: int, limb_count: int, top_bits: Any) -> Any:
    """Whether word `at` has nothing above `limb_count` limbs, nor above `top_bits` in the last of them."""
    above = uint64(0)
    for limb in range(limb_count, 4):
        above |= words[at, limb]
    return above == uint64(0) and words[at, limb_count - 1] <= top_bits


@inlined
def _nearest(high: Any, middle: Any, low: Any) -> Any:
    """Three limbs as the nearest float, ties to even: as Python's `float` of the number."""
    scale = 1.0
    if high != uint64(0):
        scale = 2.0**64
        high, middle, low = high, middle, uint64(1) if low != uint64(0) else uint64(0)
    else:
        high, middle, low = middle, low, uint64(0)
    if high == uint64(0):
        return float64(middle) * scale
    shift = leading_zeros(high)
    # One more bit stands for all that is below: it decides what would otherwise look like a tie.
    top = high if shift == uint64(0) else (high << shift) | (middle >> (uint64(64) - shift))
    rest = (middle << shift) | low
    if rest != uint64(0):
        top |= uint64(1)
    return float64(top) * (2.0**64 / float64(uint64(1) << shift)) * scale


@inlined
def _sure(words: U64, first: int) -> Any:
    """Whether the swap's price, at `first` + 2, stands clearly within its tick, and there is liquidity."""
    tick = int64(words[first + 4, 0])
    sign = uint64(0) - (words[first + 4, 0] >> uint64(63))
    if words[first + 4, 1] != sign or words[first + 4, 2] != sign or words[first + 4, 3] != sign:
        return False
    if tick < MIN_TICK or tick >= MAX_TICK or (words[first + 3, 0] | words[first + 3, 1]) == uint64(0):
        return False
    price = words[first + 2, 0], words[first + 2, 1], words[first + 2, 2]
    root = _nearest(price[2], price[1], price[0]) * Q96_INVERSE
    if root <= 0.0:
        return False
    # A tick's price is rounded up to a whole number: where prices are small, that is more than `NEAR`.
    near, above = NEAR + TICKS * Q96_INVERSE / root, math.log(root) * TICKS - float64(tick)
    return above > near and above < 1.0 - near


@inlined
def _understood(logs: Logs, at: int, kind: int, row: int, pools: States) -> Any:
    """Whether log `at` only sets words of its pool's state, as nothing else could be meant."""
    words, first, count, topics = logs.words, logs.first_word[at], logs.word_count[at], logs.topic_count[at]
    top32, top48, full = uint64(0xFFFFFFFF), uint64(0xFFFFFFFFFFFF), ~uint64(0)
    if kind == SYNC and pools.kind[row] == PRODUCT:
        fits = count == 2 and topics == 1
        return fits and _small(words, first, 2, top48) and _small(words, first + 1, 2, top48)
    own = pools.home[row] > BY_ID
    fits = (kind == SWAP and count == 5 and own) or (kind == PANCAKE and count == 7 and own)
    if kind == SWAP_BY_ID and count == 6 and not own:
        # What a pool takes may have changed without a word.
        fits = _small(words, first + 5, 1, full) and words[first + 5, 0] == pools.state[row, 5]
    fits = fits and topics == 3 and pools.kind[row] != PRODUCT
    return fits and _small(words, first + 2, 3, top32) and _small(words, first + 3, 2, full) and _sure(words, first)


@inlined
def _rated(row: int, pools: States, taken: Taken, k: int) -> None:
    """A changed row's values and rates, and whether its liquidity is as was known."""
    state, fixed = pools.state, pools.fixed
    kept, zero = fixed[row, 0], uint64(0)
    if pools.kind[row] == PRODUCT:
        one, other = _nearest(zero, state[row, 1], state[row, 0]), _nearest(zero, state[row, 3], state[row, 2])
        taken.values[k, 0], taken.values[k, 1] = one / fixed[row, 1], other / fixed[row, 2]
        full = one > 0.0 and other > 0.0
        taken.rates[k, 0] = kept * other / one * fixed[row, 3] if full else 0.0
        taken.rates[k, 1] = kept * one / other * fixed[row, 4] if full else 0.0
        taken.holds[k] = 1
        return
    root = _nearest(state[row, 2], state[row, 1], state[row, 0]) * Q96_INVERSE
    taken.values[k, 0], taken.values[k, 1] = root * fixed[row, 1], 0.0
    taken.rates[k, 0] = kept * root * root * fixed[row, 3]
    taken.rates[k, 1] = kept / root / root * fixed[row, 4]
    tick, span, held = int64(state[row, 6]), pools.span, pools.span_liquidity
    within = span[row, 0] <= tick < span[row, 1]
    taken.holds[k] = within and held[row, 0] == state[row, 3] and held[row, 1] == state[row, 4]


@jit
def apply_logs(logs: Logs, heard: Heard, known: U64, number: int, pools: States, taken: Taken) -> tuple[int, int]:
    """Put the logs of block `number` into `pools.state`. Returns how many rows changed, how many logs are left.

    `known` are the event topics of `topics.KNOWN`. `taken` says what was done, and has room for every log. Logs of
    nobody's are passed over, and those of pools that were read at that block or later. Of a pool with a log that is
    left all are.
    """
    changes, lefts = 0, 0
    count, row_of, mark, state, words = logs.log_index.shape[0], taken.row, pools.mark, pools.state, logs.words
    for at in range(count):
        row_of[at] = NOBODY
        row = _row(heard, logs, at, pools.home)
        if row == NOBODY or (row >= 0 and (logs.topic_count[at] == 0 or pools.since[row] >= number)):
            continue
        kind = _kind(logs.topics, at, known) if row >= 0 else LEFT
        # Events that change no state: transfers of LP tokens, fee collection and the like.
        if kind == known.shape[0]:
            continue
        row_of[at] = row
        if row >= 0 and not _understood(logs, at, kind, row, pools):
            mark[row] = SPOILT
    for at in range(count):
        row, first = row_of[at], logs.first_word[at]
        if row == NOBODY:
            continue
        if row == BY_HAND or mark[row] == SPOILT:
            taken.left[lefts] = at
            lefts += 1
            continue
        if mark[row] == FRESH:
            mark[row] = changes
            taken.changed[changes], taken.first[changes] = row, at
            for word in range(7):
                taken.prior[changes, word] = state[row, word]
            changes += 1
        if pools.kind[row] == PRODUCT:
            state[row, 0], state[row, 1] = words[first, 0], words[first, 1]
            state[row, 2], state[row, 3] = words[first + 1, 0], words[first + 1, 1]
        else:
            state[row, 0], state[row, 1] = words[first + 2, 0], words[first + 2, 1]
            state[row, 2], state[row, 3] = words[first + 2, 2], words[first + 3, 0]
            state[row, 4], state[row, 6] = words[first + 3, 1], words[first + 4, 0]
    for at in range(count):
        if row_of[at] >= 0:
            mark[row_of[at]] = FRESH
    for k in range(changes):
        _rated(taken.changed[k], pools, taken, k)
    return changes, lefts
