"""Which pool an address is: a hash table in arrays, for kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bot.market.integers.layout import I4, U64
from chains.assets import Address
from chains.codec.frames import address_key

NOBODY = -1


class Directory(NamedTuple):
    """`keys[slot]` is an address as `Logs.address` has it, `rows[slot]` its pool's row or `NOBODY`.

    There are a power of two slots, at most half of them taken; an address is in the first free or equal slot from its
    hash on.
    """

    keys: U64
    rows: I4


def directory(addresses: Sequence[Address]) -> Directory:
    """The addresses with their places in the sequence. Raises `ValueError` where one occurs twice."""
    slots = 1 << max(4, (2 * len(addresses) - 1).bit_length())
    keys, rows = np.zeros((slots, 3), np.uint64), np.full(slots, NOBODY, np.int32)
    for row, address in enumerate(addresses):
        key = address_key(address)
        slot = slot_of(*key, slots)
        while rows[slot] != NOBODY:
            if tuple(int(part) for part in keys[slot]) == key:
                raise ValueError(f"{address} occurs twice")
            slot = (slot + 1) & (slots - 1)
        keys[slot], rows[slot] = key, row
    return Directory(keys, rows)


MIX = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio (Knuth, 6.4)."""


def slot_of(first: int, second: int, last: int, slots: int) -> int:
    """Where an address belongs. Addresses with leading zeros are common, so all of it counts."""
    mixed = ((first ^ (second << 1) ^ (last << 7)) * MIX) & (2**64 - 1)
    return (mixed >> 32) & (slots - 1)
