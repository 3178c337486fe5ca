"""What commands print: lines for people, one JSON object for machines, and progress that vanishes."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import click

_COLOURS = {
    "sent": "cyan",
    "settled": "green",
    "hedged": "green",
    "unwound": "yellow",
    "refused": "bright_black",
    "REVERTED": "red",
    "cancelled": "yellow",
    "dry": "cyan",
}
_OUTCOME = re.compile(rf"^(\d+ +\S+ +)({'|'.join(_COLOURS)})\b")
"""The third column of the lines of `bot.telling`."""


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of stdout. Amounts must already be decimal strings of base units."""
    import orjson

    try:
        written = orjson.dumps(document, default=_plain)
    except TypeError:  # a file's name, or a word that was typed, may be bytes that are no text
        text = json.dumps(document, default=_plain, ensure_ascii=False, separators=(",", ":"))
        written = text.encode(errors="replace")
    click.echo(written)


def silence(stream: TextIO) -> None:
    """What goes there from now on, and what it still holds, is thrown away."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def speak_anyhow(stream: TextIO | None) -> None:
    """What a terminal's encoding has no letters for is written as an escape: a token's symbol may be anything."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _coloured(found: re.Match[str]) -> str:
    return found[1] + click.style(found[2], fg=_COLOURS[found[2]])


class TerminalReporter:
    """A run's words on a terminal. Where stdout is for machines, the lines go to stderr with the progress.

    A run goes on where its words find nobody any more, or no space on the disk: its ledger has them all.

    `prefix` stands before every line, where several runs share the terminal.
    """

    def __init__(self, *, lines_to_stderr: bool = False, prefix: str = "") -> None:
        self._err = lines_to_stderr
        self._prefix = prefix
        self._terminal = sys.stderr.isatty()
        self._width = 0

    def line(self, text: str) -> None:
        """One line; where it is a terminal's, a decision's outcome has its colour."""
        self._clear()
        _say(self._prefix + _OUTCOME.sub(_coloured, text), err=self._err)

    def progress(self, text: str, done: int, total: int) -> None:
        if not self._terminal:
            return
        self._clear()
        if done < total:
            shown = f"{self._prefix}{text} {done * 100 // max(total, 1)} %"
            _say(shown, err=True, nl=False)
            self._width = len(shown)

    def _clear(self) -> None:
        if self._width:
            _say(f"\r{' ' * self._width}\r", err=True, nl=False)
            self._width = 0


def _say(text: str, *, err: bool, nl: bool = True) -> None:
    try:
        click.echo(text, err=err, nl=nl)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            # The pipe's other end, or the terminal, is gone for good.
            silence(sys.stderr if err else sys.stdout)
