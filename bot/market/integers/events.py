"""A block's logs into exact pool states, in one compiled call; `plain.apply_logs` is the same in plain Python.

Sync, Initialize and Swap only set a pool's words, which is done here. What moves liquidity between ticks, or is not
understood, is left to the pool's own `applied`: those logs' places are handed back.
"""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from bot.market.integers.directory import MIX, NOBODY, Directory
from bot.market.integers.layout import I4, PRODUCT, Exact
from bot.market.integers.topics import LEFT, PANCAKE, SWAP, SYNC
from chains.codec.frames import U64, Logs
from chains.kernels.jit import inlined, jit


@inlined
def _row(table: Directory, address: U64, at: int) -> int:
    """The row of the pool that emitted log `at`, or `NOBODY`."""
    first, second, last = address[at, 0], address[at, 1], address[at, 2]
    mixed = (first ^ (second << uint64(1)) ^ (last << uint64(7))) * uint64(MIX)
    mask = table.rows.shape[0] - 1
    slot = int64(mixed >> uint64(32)) & mask
    while table.rows[slot] != NOBODY:
        keys = table.keys
        if keys[slot, 0] == first and keys[slot, 1] == second and keys[slot, 2] == last:
            return int(table.rows[slot])
        slot = (slot + 1) & mask
    return NOBODY


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


@jit
def apply_logs(logs: Logs, table: Directory, known: U64, pools: Exact, changed: I4, left: I4) -> tuple[int, int]:
    """Put every log of a pool in `table` into `pools.state`. Returns how many rows changed, how many logs are left.

    `known` are the event topics of `topics.KNOWN`. `changed` receives the rows of pools that changed (a pool changed
    twice is in it twice), `left` the places of logs for the pools' own `applied`. Both have room for every log. Logs
    of nobody's are passed over. A pool with a log left must take all of its logs of this block by itself.
    """
    changes, lefts = 0, 0
    words = logs.words
    top32, top48, full = uint64(0xFFFFFFFF), uint64(0xFFFFFFFFFFFF), ~uint64(0)
    for at in range(logs.log_index.shape[0]):
        row = _row(table, logs.address, at)
        if row == NOBODY or logs.topic_count[at] == 0:
            continue
        kind = _kind(logs.topics, at, known)
        first, count = logs.first_word[at], logs.word_count[at]
        state = pools.state
        done = False
        if kind == SYNC and pools.kind[row] == PRODUCT:
            if count == 2 and _small(words, first, 2, top48) and _small(words, first + 1, 2, top48):
                state[row, 0], state[row, 1] = words[first, 0], words[first, 1]
                state[row, 2], state[row, 3] = words[first + 1, 0], words[first + 1, 1]
                done = True
        elif (kind == SWAP and count == 5) or (kind == PANCAKE and count == 7):
            fits = _small(words, first + 2, 3, top32) and _small(words, first + 3, 2, full)
            if pools.kind[row] != PRODUCT and fits:
                state[row, 0], state[row, 1], state[row, 2] = (
                    words[first + 2, 0],
                    words[first + 2, 1],
                    words[first + 2, 2],
                )
                state[row, 3], state[row, 4] = words[first + 3, 0], words[first + 3, 1]
                state[row, 6] = words[first + 4, 0]
                done = True
        elif kind >= LEFT and kind == known.shape[0]:
            # Events that change no state: transfers of LP tokens, fee collection and the like.
            continue
        if done:
            changed[changes] = row
            changes += 1
        else:
            left[lefts] = at
            lefts += 1
    return changes, lefts
