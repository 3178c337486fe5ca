"""Every key's line: against files written by hand, and against documents Hypothesis writes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.errors import KeyPath
from bot.config.positions import key_lines, line_of

ROOT = Path(__file__).resolve().parents[3]

AWKWARD = '''\
# a comment with [brackets] and key = value
title = """
[not.a.table]
key = "not a key\\""""  # the fourth quote belongs to the text
path = 'C:\\Users'
"quoted # key" = 1
a.b . "c d" = [ # comment ] in an array
    1, 2,

    [3, { x = 4, y.z = "]" }], ]
[server]
ports = { web = 80, "dash.board" = [8080] }
[[fruit]]
name = "apple"
[fruit.colour]
red = true
[[fruit.variety]]
name = "golden"
[[fruit.variety]]
name = "cox"
[[fruit]]
name = """pear
"""
[[fruit.variety]]
name = \'\'\'williams\'\'\'
[server.inner]
last = 1979-05-27T07:32:00Z
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("path",), 5),
        (("quoted # key",), 6),
        (("a",), 7),
        (("a", "b", "c d"), 7),
        (("a", "b", "c d", 0), 8),
        (("a", "b", "c d", 2), 10),
        (("a", "b", "c d", 2, 1, "y", "z"), 10),
        (("server",), 11),
        (("server", "ports", "dash.board", 0), 12),
        (("fruit",), 13),
        (("fruit", 0, "colour", "red"), 16),
        (("fruit", 0, "variety", 1, "name"), 20),
        (("fruit", 1), 21),
        (("fruit", 1, "variety", 0, "name"), 25),
        (("server", "inner", "last"), 27),
    ],
)
def test_keys_stand_on_the_lines_a_person_would_say(path: KeyPath, line: int) -> None:
    tomllib.loads(AWKWARD)
    assert key_lines(AWKWARD)[path] == line


def test_line_endings_of_windows_do_not_shift_lines() -> None:
    assert key_lines(AWKWARD.replace("\n", "\r\n")) == key_lines(AWKWARD)


def test_an_absent_key_is_placed_at_the_table_it_is_absent_from() -> None:
    lines = key_lines(AWKWARD)
    assert line_of(lines, ("fruit", 1, "variety", 0, "price")) == 24
    assert line_of(lines, ("nothing",)) is None


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" if letter in '"\\' else letter for letter in text) + '"'


_PRINTABLE = st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=8)
_VALUES = st.recursive(
    st.integers(-99, 99) | st.booleans() | _PRINTABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_PRINTABLE, inner, max_size=3),
    max_leaves=8,
)
_TABLES = st.dictionaries(_PRINTABLE, st.dictionaries(_PRINTABLE, _VALUES, max_size=3), max_size=3)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_quoted(key)} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[ # [\n" + "".join(f"{_inline(item)},\n" for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _quoted(value)


def _one_line(value: Any) -> bool:
    """Inline tables may not hold line breaks, so neither may what lies in them."""
    if isinstance(value, dict):
        return not any("\n" in _inline(item) for item in value.values())
    return all(map(_one_line, value)) if isinstance(value, list) else True


@given(_TABLES)
def test_every_key_of_any_document_is_found_on_a_line_that_shows_it(tables: dict[str, dict[str, Any]]) -> None:
    lines = []
    for name, table in tables.items():
        lines.append(f"[{_quoted(name)}] # = [")
        lines += [f"{_quoted(key)} = {_inline(value)} # x" for key, value in table.items() if _one_line(value)]
    text = "\n".join(lines)
    document = tomllib.loads(text)
    found = key_lines(text)
    assert set(found) == set(_paths(document))
    shown = text.split("\n")
    assert all(_quoted(path[-1]) in shown[line - 1] for path, line in found.items() if isinstance(path[-1], str))


@pytest.mark.parametrize("path", sorted(ROOT.glob("strategies/*.toml")) + sorted(ROOT.glob("bot/templates/*.toml")))
def test_every_shipped_file_is_placed_completely(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(key_lines(text)) == set(_paths(tomllib.loads(text)))
