"""One pass over the bytes of a node's answer: compact JSON, as nodes write it, becomes numbers without an object made.

It takes only what it fully understands, and of a log only what a `Log` can be made of later. Anything else ends the
scan, and the reference decoder answers instead.
"""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from chains.codec.frames import I4, U8, Logs
from chains.kernels.instructions import load64, outlined
from chains.kernels.jit import inlined, jit
from chains.kernels.text import RUN, hex16, hex32, hex64, plain_run

STRANGE = -1
"""The scan met something it does not understand."""

QUOTE, COMMA, COLON = 0x22, 0x2C, 0x3A
OPEN, CLOSE, BEGIN, END = 0x5B, 0x5D, 0x7B, 0x7D
LOWER = 0x2020202020202020
"""The bits that digits and lower-case letters have in eight characters, and upper-case letters lack."""


@inlined
def _opens_hex(raw: U8, at: int) -> Any:
    """Whether a string that begins with 0x is at `at`."""
    return raw[at] == QUOTE and raw[at + 1] == 0x30 and raw[at + 2] == 0x78


@inlined
def _number(raw: U8, at: int) -> Any:
    """A short hexadecimal string at `at`, as (number, where it ends) or (0, STRANGE)."""
    if not _opens_hex(raw, at):
        return int64(0), int64(STRANGE)
    at += 3
    value, digits = int64(0), 0
    while raw[at] != QUOTE:
        character = int64(raw[at])
        if 0x30 <= character <= 0x39:
            nibble = character - 0x30
        elif 0x61 <= (character | 0x20) <= 0x66:
            nibble = (character | 0x20) - 0x57
        else:
            return int64(0), int64(STRANGE)
        value, digits, at = value << 4 | nibble, digits + 1, at + 1
        if digits > 15:
            return int64(0), int64(STRANGE)
    return (value, int64(at + 1)) if digits else (int64(0), int64(STRANGE))


@inlined
def _text_end(raw: U8, at: int) -> Any:
    """The end of a plain string that begins at `at`, or STRANGE."""
    if raw[at] != QUOTE:
        return int64(STRANGE)
    at += 1
    run = plain_run(raw, int64(at))
    while run == RUN:
        at += RUN
        run = plain_run(raw, int64(at))
    at += run
    return int64(at + 1) if raw[at] == QUOTE else int64(STRANGE)


@outlined
def _topics(raw: U8, at: Any, row: Any, logs: Logs) -> Any:
    """A list of words at `at` into the row's topics; where it ends, or STRANGE."""
    if raw[at] != OPEN:
        return int64(STRANGE)
    at += 1
    count = 0
    while raw[at] != CLOSE:
        if count == 4 or not _opens_hex(raw, at):
            return int64(STRANGE)
        w0, w1, w2, w3, right = hex64(raw, int64(at + 3))
        if not right or raw[at + 67] != QUOTE:
            return int64(STRANGE)
        topics = logs.topics
        topics[row, count, 0], topics[row, count, 1], topics[row, count, 2], topics[row, count, 3] = w0, w1, w2, w3
        count, at = count + 1, at + 68
        if raw[at] == COMMA:
            at += 1
            if raw[at] == CLOSE:
                return int64(STRANGE)
        elif raw[at] != CLOSE:
            return int64(STRANGE)
    logs.topic_count[row] = count
    return int64(at + 1)


@inlined
def _hex_end(raw: U8, at: int) -> Any:
    """Where the hexadecimal characters from `at` on end."""
    while 0x30 <= raw[at] <= 0x39 or 0x61 <= (raw[at] | 0x20) <= 0x66:
        at += 1
    return int64(at)


@outlined
def _data(raw: U8, at: Any, row: Any, place: Any, logs: Logs) -> Any:
    """Words at `at` into `logs.words` from `place` on, none where they are not whole; where they end, or STRANGE."""
    if not _opens_hex(raw, at):
        return int64(STRANGE)
    at += 3
    count = 0
    while raw[at] != QUOTE:
        if place + count >= logs.words.shape[0]:
            return int64(STRANGE)
        w0, w1, w2, w3, right = hex64(raw, int64(at))
        if not right:
            end = _hex_end(raw, int64(at))
            if raw[end] != QUOTE or (end - at) & 1:
                return int64(STRANGE)
            count, at = 0, end
            break
        words = logs.words
        words[place + count, 0], words[place + count, 1] = w0, w1
        words[place + count, 2], words[place + count, 3] = w2, w3
        count, at = count + 1, at + 64
    logs.first_word[row], logs.word_count[row] = place, count
    return int64(at + 1)


@outlined
def _address(raw: U8, at: Any, row: Any, logs: Logs) -> Any:
    """An address at `at` into the row; where it ends, or STRANGE: also where letters may be a wrong checksum."""
    if not _opens_hex(raw, at) or raw[at + 43] != QUOTE:
        return int64(STRANGE)
    lower = uint64(LOWER)
    for place in range(at + 3, at + 43, 8):
        lower &= load64(raw, int64(place))
    if lower != uint64(LOWER):
        return int64(STRANGE)
    second, first, whole = hex32(raw, int64(at + 3))
    # The last eight characters, behind eight that were read before.
    third, right = hex16(raw, int64(at + 27))
    if not (whole and right):
        return int64(STRANGE)
    logs.address[row, 0], logs.address[row, 1], logs.address[row, 2] = first, second, third & uint64(0xFFFFFFFF)
    return int64(at + 44)


@outlined
def _block(raw: U8, at: Any, row: Any, first: Any, logs: Logs) -> Any:
    """A block hash at `at`, written as that of the first row at `first`; where it ends, or STRANGE."""
    if row > 0:
        for place in range(0, 64, 8):
            if load64(raw, int64(at + 3 + place)) != load64(raw, int64(first + 3 + place)):
                return int64(STRANGE)
    if not _opens_hex(raw, at) or raw[at + 67] != QUOTE:
        return int64(STRANGE)
    if row == 0:
        w0, w1, w2, w3, right = hex64(raw, int64(at + 3))
        block = logs.block
        if not right:
            return int64(STRANGE)
        block[0], block[1], block[2], block[3] = w0, w1, w2, w3
    return int64(at + 68)


@inlined
def _skipped(raw: U8, at: int) -> Any:
    """The end of a string, or of false, at `at`, or STRANGE."""
    if raw[at] == QUOTE:
        return _text_end(raw, at)
    # "false" is the only other value a mined log has.
    is_false = raw[at] == 0x66 and raw[at + 1] == 0x61 and raw[at + 2] == 0x6C and raw[at + 3] == 0x73
    return int64(at + 5) if is_false and raw[at + 4] == 0x65 else int64(STRANGE)


def _key(name: str, begin: int = 0) -> int:
    """Eight bytes of a key with its closing quote and colon, from one of them on, as `load64` gives them."""
    return int.from_bytes((name + '":').encode()[begin : begin + 8].ljust(8), "big")


ADDRESS, DATA, TOPICS, REMOVED = _key("address"), _key("data"), _key("topics"), _key("removed")
BLOCK_HASH, BLOCK_NUMBER, NUMBER_END = _key("blockHash"), _key("blockNumber"), _key("blockNumber", 5)
LOG_INDEX = _key("logIndex")
TRANSACTION, HASH_END, INDEX_END = _key("transactionHash"), _key("transactionHash", 8), _key("transactionIndex", 8)
HAS_ADDRESS, HAS_DATA, HAS_TOPICS, HAS_BLOCK_HASH, HAS_LOG_INDEX = 1, 2, 4, 8, 16
HAS_BLOCK_NUMBER, HAS_TRANSACTION, HAS_PLACE, HAS_ALL = 32, 64, 128, 255


@jit
def scan(raw: U8, begin: int, end: int, logs: Logs, spans: I4) -> tuple[int, int, int]:
    """Logs from `begin`, where the first `{` is, to the last of them: how many, how many words, where they end.

    Where each begins and ends goes into `spans`. (STRANGE, 0, where) at the first thing that is not as nodes write it.
    The text goes on behind `end` with zeros, as many as `chains.codec.listed` puts there.
    """
    at, row, place = begin, 0, 0
    first, number = 0, 0
    while True:
        if raw[at] != BEGIN or row >= logs.log_index.shape[0]:
            return STRANGE, 0, at
        spans[row, 0] = at
        at += 1
        seen = 0
        while True:
            if raw[at] != QUOTE or at + 9 > end:
                return STRANGE, 0, at
            key = load64(raw, int64(at + 1))
            bit = 0
            following, number_at = STRANGE, 0
            if key == uint64(ADDRESS):
                bit = HAS_ADDRESS
                if raw[at + 9] == COLON and at + 54 <= end:
                    following = _address(raw, int64(at + 10), row, logs)
            elif key >> uint64(16) == uint64(DATA) >> uint64(16) and raw[at + 6] == COLON:
                bit, following = HAS_DATA, _data(raw, int64(at + 7), row, place, logs)
                if following != STRANGE:
                    place += logs.word_count[row]
            elif key >> uint64(8) == uint64(TOPICS) >> uint64(8) and raw[at + 8] == COLON:
                bit, following = HAS_TOPICS, _topics(raw, int64(at + 9), row, logs)
            elif key == uint64(BLOCK_HASH) and raw[at + 9] == 0x68 and raw[at + 10] == QUOTE and raw[at + 11] == COLON:
                bit = HAS_BLOCK_HASH
                if at + 80 <= end:
                    following = _block(raw, int64(at + 12), row, int64(first), logs)
                    first = at + 12 if row == 0 else first
            elif key == uint64(LOG_INDEX) and raw[at + 9] == QUOTE and raw[at + 10] == COLON:
                bit, number_at = HAS_LOG_INDEX, at + 11
            elif key == uint64(BLOCK_NUMBER) and load64(raw, int64(at + 6)) == uint64(NUMBER_END):
                bit, number_at = HAS_BLOCK_NUMBER, at + 14
            elif (
                key == uint64(TRANSACTION)
                and load64(raw, int64(at + 9)) == uint64(INDEX_END)
                and raw[at + 17] == QUOTE
                and raw[at + 18] == COLON
            ):
                bit, number_at = HAS_PLACE, at + 19
            else:
                name_end = _text_end(raw, at)
                if name_end == STRANGE or raw[name_end] != COLON:
                    return STRANGE, 0, at
                following = _skipped(raw, name_end + 1)
                if key == uint64(TRANSACTION) and load64(raw, int64(at + 9)) == uint64(HASH_END):
                    bit = HAS_TRANSACTION if raw[name_end + 1] == QUOTE else 0
                elif key == uint64(REMOVED) and raw[name_end + 1] == QUOTE:
                    return STRANGE, 0, at
            if number_at:
                value, following = _number(raw, number_at)
                if bit == HAS_LOG_INDEX:
                    if value >= 2**31:
                        return STRANGE, 0, at
                    logs.log_index[row] = value
                elif bit == HAS_BLOCK_NUMBER:
                    if row > 0 and value != number:
                        return STRANGE, 0, at
                    number = value
            if following == STRANGE or following > end or (bit & seen):
                return STRANGE, 0, at
            seen |= bit
            at = following
            if raw[at] == COMMA:
                at += 1
            elif raw[at] == END:
                at += 1
                break
            else:
                return STRANGE, 0, at
        if seen != HAS_ALL:
            return STRANGE, 0, at
        spans[row, 1] = at
        row += 1
        if raw[at] != COMMA:
            return row, place, at
        at += 1
