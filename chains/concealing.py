"""Takes what is secret out of what a provider says, before anything is made of it: some repeat the key they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

HIDDEN = "[hidden]"

_LEAST_CHARACTERS = 12
"""Shorter pieces of a URL are words, such as `v3` or `mainnet`."""


class Concealing:
    """Certain secrets, hidden wherever they turn up in a text, in whatever case."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        longest_first = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first))
        self._text = re.compile(pattern, re.IGNORECASE) if pattern else None
        self._bytes = re.compile(pattern.encode(), re.IGNORECASE) if pattern else None
        self._lower = [secret.encode().lower() for secret in longest_first]

    @classmethod
    def of_url(cls, url: str) -> Concealing:
        """Hides what `url` may hold secret: user, password, and the long pieces of its path and query."""
        parts = urlsplit(url)
        pieces = (parts.username or "", *re.split(r"[/?&=]", f"{parts.path}?{parts.query}"))
        hidden = [parts.password or "", *(piece for piece in pieces if len(piece) >= _LEAST_CHARACTERS)]
        return cls([*hidden, *map(unquote, hidden)])

    def __call__(self, text: str) -> str:
        return text if self._text is None else self._text.sub(HIDDEN, text)

    def raw(self, data: bytes) -> bytes:
        """The same for what came over a wire."""
        if self._bytes is None:
            return data
        # A pattern that minds no case takes ten times as long, and hardly any answer repeats a secret.
        lower = data.lower()
        return self._bytes.sub(HIDDEN.encode(), data) if any(secret in lower for secret in self._lower) else data
