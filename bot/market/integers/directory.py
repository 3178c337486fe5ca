"""Which pool a log is of: hash tables in arrays, for kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bot.market.integers.layout import I4, U64
from chains.assets import Address
from chains.codec.frames import address_key

NOBODY, BY_HAND, BY_ID = -1, -2, -3

Key = tuple[int, int, int, int]
"""A name of up to 32 bytes as four numbers."""


def address_name(address: Address) -> Key:
    """An address, as `Logs.address` has it."""
    return (*address_key(address), 0)


def id_name(pool_id: bytes) -> Key:
    """What names a pool inside a contract that holds many: the second topic of its logs, as `Logs.topics` has it."""
    first, second, third, fourth = (int.from_bytes(pool_id[place : place + 8], "big") for place in (24, 16, 8, 0))
    return first, second, third, fourth


class Directory(NamedTuple):
    """`keys[slot]` is a name, `rows[slot]` whose it is: a pool's row; `NOBODY` where the slot is free; `BY_HAND`:
    somebody hears it, and takes its logs himself; `BY_ID` or less: the number of a contract that holds many pools.

    There are a power of two slots, at most half of them taken; a name is in the first free or equal slot from its hash
    on.
    """

    keys: U64
    rows: I4

    @classmethod
    def empty(cls, slots: int = 16) -> Directory:
        """Of nobody; `slots` is a power of two."""
        return cls(np.zeros((slots, 4), np.uint64), np.full(slots, NOBODY, np.int32))

    def slot(self, key: Key) -> int:
        """Where the name is, or belongs."""
        slot = slot_of(key, len(self.rows))
        while self.rows[slot] != NOBODY and tuple(self.keys[slot].tolist()) != key:
            slot = (slot + 1) & (len(self.rows) - 1)
        return slot

    def row(self, key: Key) -> int:
        """Whose the name is."""
        return int(self.rows[self.slot(key)])


class Heard(NamedTuple):
    """Whose logs are heard: by the contract that emits them and, where that holds many pools, by the pool's id."""

    addresses: Directory
    ids: Directory


class Register:
    """A directory that grows. A name stays in it once it is there."""

    def __init__(self) -> None:
        self.table = Directory.empty()
        self._known = 0

    def put(self, key: Key, row: int) -> None:
        """Whose a name is from now on."""
        slot = self.table.slot(key)
        if self.table.rows[slot] == NOBODY:
            self._known += 1
            if 2 * self._known > len(self.table.rows):
                self._grow()
                slot = self.table.slot(key)
            self.table.keys[slot] = key
        self.table.rows[slot] = row

    def _grow(self) -> None:
        before, self.table = self.table, Directory.empty(2 * len(self.table.rows))
        slots, rows = len(self.table.rows), self.table.rows
        for at in np.flatnonzero(before.rows != NOBODY).tolist():
            first, second, third, fourth = before.keys[at].tolist()
            slot = slot_of((first, second, third, fourth), slots)
            while rows[slot] != NOBODY:
                slot = (slot + 1) & (slots - 1)
            self.table.keys[slot], rows[slot] = before.keys[at], before.rows[at]


def directory(addresses: Sequence[Address]) -> Directory:
    """The addresses with their places in the sequence. Raises `ValueError` where one occurs twice."""
    if len(set(addresses)) < len(addresses):
        raise ValueError(f"{next(each for each in addresses if addresses.count(each) > 1)} occurs twice")
    made = Register()
    for row, address in enumerate(addresses):
        made.put(address_name(address), row)
    return made.table


MIX = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio (Knuth, 6.4)."""


def slot_of(key: Key, slots: int) -> int:
    """Where a name belongs. Addresses with leading zeros are common, so all of it counts."""
    first, second, third, fourth = key
    mixed = ((first ^ (second << 1) ^ (third << 7) ^ (fourth << 13)) * MIX) & (2**64 - 1)
    return (mixed >> 32) & (slots - 1)
