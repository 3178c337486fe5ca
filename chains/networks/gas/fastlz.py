"""How long FastLZ (level 1) would make some bytes: the estimate of compression that the OP stack charges by (Fjord)."""

from __future__ import annotations

_TABLE_BITS = 13
_WINDOW = 1 << _TABLE_BITS
_KNUTH = 2654435769
"""2³² over the golden ratio: multiplicative hashing."""
_TAIL = 13
_LITERAL_RUN = 32
_LONGEST_MATCH = 262
_SHORT_MATCH = 6


def fastlz_length(data: bytes) -> int:
    """The length in bytes of `data` compressed by FastLZ level 1.

    Source: Solady, LibZip.flzCompress; the OP stack's specification, Fjord, "L1-Cost fees". Matches of three bytes or
    more are found through a hash table of the last place of each; the last 13 bytes are always literals.
    """
    last = max(len(data) - _TAIL, 0)
    places = [0] * _WINDOW
    length = literal_from = 0
    at = 2
    while at < last:
        found = _match(data, at, last, places)
        if found is None:
            break
        at, earlier = found
        length += _literals(at - literal_from)
        matched = _common(data, earlier + 3, at + 3, last + 9)
        length += _reference(matched)
        at += matched
        for skipped in (at, at + 1):
            places[_hash(_three(data, skipped))] = skipped
        at += 2
        literal_from = at
    return length + _literals(len(data) - literal_from)


def _match(data: bytes, at: int, last: int, places: list[int]) -> tuple[int, int] | None:
    """The next place from `at` on whose three bytes stood within the window before, and where they stood."""
    while at + 1 < last:
        word = _three(data, at)
        slot = _hash(word)
        earlier, places[slot] = places[slot], at
        if at - earlier < _WINDOW and _three(data, earlier) == word:
            return at, earlier
        at += 1
    return None


def _three(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16


def _hash(word: int) -> int:
    return (_KNUTH * word & 0xFFFFFFFF) >> (32 - _TABLE_BITS)


def _common(data: bytes, earlier: int, later: int, end: int) -> int:
    """How far two places go on alike, the byte that differs counted in, as the compressor counts."""
    count = 0
    while later + count < end:
        count += 1
        if data[earlier + count - 1] != data[later + count - 1]:
            break
    return count


def _literals(count: int) -> int:
    """One byte of header for each run of up to 32."""
    runs, rest = divmod(count, _LITERAL_RUN)
    return runs * (_LITERAL_RUN + 1) + (rest + 1 if rest else 0)


def _reference(matched: int) -> int:
    """Two bytes for a short match, three for a long one, one more for each further 262."""
    long, rest = divmod(matched - 1, _LONGEST_MATCH)
    return 3 * long + (3 if rest >= _SHORT_MATCH else 2)
