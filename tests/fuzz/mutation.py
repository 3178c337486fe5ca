"""Inputs a little different from known ones: bytes by bits and words, documents by their values."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

WORD = 32
_WORDS = tuple(
    value.to_bytes(WORD, "big")
    for value in (0, 1, 2, 3, 8, 31, 32, 64, 96, 10**6, 10**18, 2**112, 2**127, 2**128, 2**160, 2**255, 2**256 - 1)
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**255, 2**256, 1e400, float("nan")),
    *("", "0", "-1", "1" * 90, "0x", "0x" + "0" * 40, "1e9", "\x00", "\ud800", [], {}, [[]], [None]),
)
_DEEP = 64


def bytes_like(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """`data` with a few changes."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        rng.choice(_CHANGES)(rng, made)
    if others and rng.random() < 0.2:
        other = rng.choice(others)
        return bytes(made[: rng.randint(0, len(made))]) + other[rng.randint(0, len(other)) :]
    return bytes(made)


def document_like(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The JSON document in `data` with one or two values changed; sometimes only its bytes."""
    try:
        document = json.loads(data)
    except ValueError:
        return bytes_like(rng, data, others)
    if rng.random() < 0.1:
        return bytes_like(rng, data, others)
    for _ in range(rng.choice((1, 1, 2, 3))):
        document = _changed(rng, document)
    return json.dumps(document).encode(errors="surrogatepass")


def _changed(rng: random.Random, document: Any, depth: int = 0) -> Any:
    if isinstance(document, dict) and document and depth < _DEEP:
        key = rng.choice(sorted(document))
        choice = rng.random()
        if choice < 0.08:
            return {name: value for name, value in document.items() if name != key}
        if choice < 0.12:
            return {**document, f"{key}x": document[key]}
        return {**document, key: _changed(rng, document[key], depth + 1)}
    if isinstance(document, list) and document and depth < _DEEP:
        place = rng.randrange(len(document))
        choice = rng.random()
        if choice < 0.08:
            return document[:place] + document[place + 1 :]
        if choice < 0.14:
            return [*document, document[place]]
        return [*document[:place], _changed(rng, document[place], depth + 1), *document[place + 1 :]]
    if isinstance(document, str) and document.lstrip("-").isdecimal() and rng.random() < 0.6:
        number = int(document[:400])
        return str(rng.choice((number + 1, -number, number * 2**64, number >> 64, 2**256 - number)))
    if isinstance(document, int) and not isinstance(document, bool) and rng.random() < 0.5:
        return rng.choice((document + 1, -document, document * 2**64))
    return rng.choice(_VALUES)


def _flip(rng: random.Random, made: bytearray) -> None:
    if made:
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, made: bytearray) -> None:
    if made:
        made[rng.randrange(len(made))] = rng.randrange(256)


def _word(rng: random.Random, made: bytearray) -> None:
    start = rng.randrange(len(made) // WORD + 1) * WORD + rng.choice((0, 4))
    made[start : start + WORD] = rng.choice(_WORDS)


def _random_word(rng: random.Random, made: bytearray) -> None:
    start = rng.randrange(len(made) // WORD + 1) * WORD + rng.choice((0, 4))
    made[start : start + WORD] = rng.getrandbits(rng.choice((8, 32, 64, 112, 200, 256))).to_bytes(WORD, "big")


def _insert(rng: random.Random, made: bytearray) -> None:
    start = rng.randint(0, len(made))
    made[start:start] = rng.choice(_WORDS)


def _cut(rng: random.Random, made: bytearray) -> None:
    start = rng.randint(0, len(made))
    del made[start : start + rng.choice((1, WORD, 3 * WORD))]


_CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip,
    _byte,
    _word,
    _word,
    _random_word,
    _insert,
    _cut,
)
