"""What is wrong with a configuration: one problem per line, each naming the file, the line, the key and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Where a value lives in a TOML document, such as `("exchanges", 0, "symbols")`."""


def dotted(path: KeyPath) -> str:
    """`exchanges[0].symbols`, as people write it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in `file`. `message` says what and, after a semicolon, what to do. `line` counts from 1."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(ValueError):
    """A configuration that cannot be used. `str()` is one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is most likely a misspelling of."""
    choices = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return choices[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown word: the nearest known one, or all of them."""
    choices = sorted(known)
    meant = nearest(word, choices)
    if meant:
        return f"did you mean {meant!r}?"
    return f"known here: {listed(choices)}" if choices else "nothing is known here; remove it"


def listed(words: Sequence[str], most: int = 12) -> str:
    """`a, b, c` or, of many, the first `most` and how many more there are."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def shown(value: object, width: int = 40) -> str:
    """A value as an error may quote it: on one line, and cut when long."""
    text = repr(value) if isinstance(value, str) else str(value).replace("\n", " ")
    return text if len(text) <= width else f"{text[: width - 1]}…"
