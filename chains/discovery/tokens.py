"""What a token says of itself, taken down so that it can be printed. No I/O."""

from __future__ import annotations

from chains.assets import Address, Token
from chains.discovery.found import Asking, NotGenuine
from chains.pools.pool import Call
from chains.pools.words import WORD, selector, unsigned

MAX_SYMBOL = 32
MAX_DECIMALS = 36
"""More would make 10^decimals lose sense in floats, and no token that is traded has them."""

_SYMBOL, _DECIMALS = selector("symbol()"), selector("decimals()")
_LONGEST_READ = 4 * MAX_SYMBOL
"""Bytes of a symbol that are looked at: UTF-8 needs four for a character at most."""


def asked_token(place: str, at: Address) -> Asking[Token]:
    """The token at `at` on network `place`. Raises `NotGenuine`."""
    symbol, decimals = yield Call(at, _SYMBOL), Call(at, _DECIMALS)
    if len(decimals) != WORD or unsigned(decimals) > MAX_DECIMALS:
        raise NotGenuine(f"token {at} has no decimals, or more than {MAX_DECIMALS}")
    shown = safe_symbol(_text(symbol))
    if not shown:
        raise NotGenuine(f"token {at} has no symbol")
    return Token(place, at, shown, unsigned(decimals))


def safe_symbol(text: str) -> str:
    """The first printable characters of what a stranger wrote: no control, format or direction marks."""
    return "".join(character for character in text if character.isprintable()).strip()[:MAX_SYMBOL]


def _text(answer: bytes) -> str:
    """An ABI string, or the bytes32 of the first tokens, up to its zeros. Empty where it is neither."""
    if len(answer) == WORD:
        raw = answer.rstrip(b"\0")
    elif len(answer) > WORD and unsigned(answer) == WORD:
        length = unsigned(answer, 1)
        raw = answer[2 * WORD : 2 * WORD + min(length, _LONGEST_READ)]
    else:
        return ""
    return raw.decode("utf-8", errors="ignore")
