"""Finds secrets that were written into a configuration, comments included. It says where, never what."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.config.errors import KeyPath

_MNEMONIC_WORDS = 12
_WORD = re.compile(r"[A-Za-z]+")
_IN_TEXT = (
    (re.compile(r"(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{64}(?![0-9A-Za-z])"), "a private key"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "a PEM private key"),
    (re.compile(r"\b[xyz]prv[1-9A-HJ-NP-Za-km-z]{90,}"), "an extended private key"),
)
_SECRET_NAMES = frozenset(
    ("secret", "apisecret", "apikey", "privatekey", "mnemonic", "seedphrase", "passphrase", "password", "accesstoken")
)
_REFERENCE = re.compile(r"(env|file):.+")
_TOKEN = re.compile(r"[A-Za-z0-9+_=-]{20,}")
_LONG_TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
_HEX = re.compile(r"[0-9a-fA-F-]+")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")

KEYSTORE = "keep keys in a keystore (`isthmus keys new`) and replace this one, it is no longer secret"
OUTSIDE = "write 'env:NAME' or 'file:PATH' and keep the value there"


def secrets_in_text(text: str) -> Iterator[tuple[int, str]]:
    """The line and kind of each key or mnemonic anywhere in `text`."""
    for pattern, kind in _IN_TEXT:
        for match in pattern.finditer(text):
            yield _line(text, match.start()), f"looks like {kind}; {KEYSTORE}"
    for start in _mnemonics(text):
        yield _line(text, start), f"looks like a mnemonic phrase; {KEYSTORE}"


def secrets_in_values(document: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """The key and kind of each API secret, password or key-carrying URL among the values of `document`."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from secrets_in_values(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from secrets_in_values(value, (*path, index))
    elif isinstance(document, str) and not _REFERENCE.fullmatch(document):
        kind = _kind(document, next((part for part in reversed(path) if isinstance(part, str)), ""))
        if kind:
            yield path, f"looks like {kind}; {OUTSIDE}"


def _kind(value: str, key: str) -> str | None:
    if "://" in value:
        return _url_kind(value)
    if value and re.sub(r"[^a-z]", "", key.lower()) in _SECRET_NAMES:
        return "a secret in clear"
    if _LONG_TOKEN.fullmatch(value) and not _ADDRESS.fullmatch(value) and _is_random(value):
        return "an API key or secret"
    return None


def _url_kind(value: str) -> str | None:
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.password:
        return "a URL with a password"
    pieces = re.split(r"[/?&=]", f"{parts.path}?{parts.query}")
    if parts.scheme in ("http", "https", "ws", "wss") and any(
        _TOKEN.fullmatch(piece) and _is_random(piece) for piece in pieces
    ):
        return "a URL with an API key"
    return None


def _is_random(text: str) -> bool:
    """Hexadecimal, or capitals, small letters and digits mixed: the way keys are and names are not."""
    if _HEX.fullmatch(text):
        return True
    return all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9].*[0-9]"))


def _mnemonics(text: str) -> Iterator[int]:
    """Where runs of at least twelve BIP-39 words start. The list has no `the`, `a` or `of`, so prose never fits."""
    words = _bip39_words()
    run, start = 0, 0
    for match in _WORD.finditer(text):
        if match[0].lower() not in words:
            run = 0
            continue
        if run == 0:
            start = match.start()
        run += 1
        if run == _MNEMONIC_WORDS:
            yield start


@lru_cache(maxsize=1)
def _bip39_words() -> frozenset[str]:
    """eth-account's English list, read without importing eth-account, which is slow to import."""
    spec = importlib.util.find_spec("eth_account")
    if spec is None or spec.origin is None:
        return frozenset()
    words = Path(spec.origin).parent / "hdaccount" / "wordlist" / "english.txt"
    return frozenset(words.read_text(encoding="utf-8").split())


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
