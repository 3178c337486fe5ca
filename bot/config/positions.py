"""Which line of a TOML text each key stands on. `tomllib` decides what is valid; this only finds places in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

from bot.config.errors import KeyPath

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\r\n]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"""(?:""|")?', re.DOTALL),
    re.compile(r"'''.*?'''(?:''|')?", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\])*"'),
    re.compile(r"'[^']*'"),
)


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """The line, from 1, on which each key and array element of a valid TOML text first appears."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of `path`, or of the nearest table around it; None when the file names neither."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _Scanner:
    """Walks the text once. `_arrays` counts the tables of each `[[array]]` seen so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._take("[["):
                table = self._array_table(self._key())
                self._take("]]")
            elif self._take("["):
                self._skip(_SPACE)
                table = self._resolve(self._key())
                self._note(table)
                self._take("]")
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _array_table(self, key: tuple[str, ...]) -> KeyPath:
        array = (*self._resolve(key[:-1]), key[-1])
        index = self._arrays.get(array, 0)
        self._arrays[array] = index + 1
        self._note((*array, index))
        return (*array, index)

    def _resolve(self, key: tuple[str, ...]) -> KeyPath:
        """A header's path: a name that is an array of tables means its last table."""
        path: KeyPath = ()
        for part in key:
            path = (*path, part)
            if path in self._arrays:
                path = (*path, self._arrays[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        path = (*table, *self._key())
        self._note(path)
        self._take("=")
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while not parts or self._take("."):
            self._skip(_SPACE)
            start = self._at
            if self._skip_string():
                parts.append(tomllib.loads(f"key = {self._text[start : self._at]}")["key"])
            else:
                self._skip(_BARE_KEY)
                parts.append(self._text[start : self._at])
            self._skip(_SPACE)
        return tuple(parts)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACE)
        if self._take("["):
            index = 0
            while not self._closed("]"):
                self._note((*path, index))
                self._value((*path, index))
                index += 1
        elif self._take("{"):
            while not self._closed("}"):
                self._pair(path)
        elif not self._skip_string():
            self._skip(_BARE_VALUE)

    def _closed(self, bracket: str) -> bool:
        """Past blanks and one comma: is this the end of the array or the inline table?"""
        self._skip(_BLANK)
        if self._take(","):
            self._skip(_BLANK)
        return self._take(bracket) or self._at >= len(self._text)

    def _skip_string(self) -> bool:
        return any(self._skip(string) for string in _STRINGS)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self._text, self._at)
        if not match:
            return False
        self._at = match.end()
        return match.end() > match.start()

    def _take(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _note(self, path: KeyPath) -> None:
        """Remember the line of `path` and of every table it opens on the way."""
        line = self._text.count("\n", 0, self._at) + 1
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)
