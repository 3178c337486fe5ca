"""Logs as arrays of numbers, straight from a node's JSON: what both decoders write."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

I4 = NDArray[np.int32]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

MOST_TOPICS = 4


class MalformedFrame(ValueError):
    """What a node sent is no list of logs."""


class Logs(NamedTuple):
    """The logs of one answer, in the order they came.

    Words are four `uint64` limbs, least significant first. `address[n]` is the emitter: its first eight bytes, the
    next eight, and the last four, each as a big-endian number. `topics[n]` are up to four words, `topic_count[n]` how
    many. Its data are the words from `first_word[n]` on, `word_count[n]` of them; data that are no whole words, which
    anyone can write, count as none here. `log_index[n]` is `logIndex`. `block` is the hash that all of them carry.
    """

    address: U64
    topics: U64
    topic_count: U8
    first_word: I4
    word_count: I4
    log_index: I4
    words: U64
    block: U64

    @classmethod
    def room(cls, logs: int, words: int) -> Logs:
        """Space for so many logs with so many words of data in all."""
        return cls(
            np.zeros((logs, 3), np.uint64),
            np.zeros((logs, MOST_TOPICS, 4), np.uint64),
            np.zeros(logs, np.uint8),
            np.zeros(logs, np.int32),
            np.zeros(logs, np.int32),
            np.zeros(logs, np.int32),
            np.zeros((words, 4), np.uint64),
            np.zeros(4, np.uint64),
        )

    def cut(self, logs: int, words: int) -> Logs:
        """The first of them."""
        return Logs(
            self.address[:logs],
            self.topics[:logs],
            self.topic_count[:logs],
            self.first_word[:logs],
            self.word_count[:logs],
            self.log_index[:logs],
            self.words[:words],
            self.block,
        )


def word(row: U64) -> int:
    """Limbs to the number."""
    return sum(int(limb) << 64 * place for place, limb in enumerate(row))


def address_key(address: str) -> tuple[int, int, int]:
    """A 0x-prefixed address as `Logs.address` has it."""
    return int(address[2:18], 16), int(address[18:34], 16), int(address[34:42], 16)
