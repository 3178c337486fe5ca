"""What strangers wrote, fit for a terminal: a node's words, a contract's, a file's."""

from __future__ import annotations

_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def one_line(text: str) -> str:
    """`text` in one line, as `visible` has it."""
    return visible(" ".join(text.split()))


def visible(text: str) -> str:
    """`text` without what would move a cursor, turn the writing round or hide a character."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _UNPRINTABLE for character in text)
