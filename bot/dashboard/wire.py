"""Values as JSON: amounts become decimal strings, and no text is longer or stranger than the page can bear."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from chains.printing import visible

SYMBOL_CHARS = 32
TEXT_CHARS = 400


def printable(text: str, limit: int = TEXT_CHARS) -> str:
    """`text` without control, format or bidirectional characters, and at most `limit` characters long."""
    return visible(text if len(text) <= limit else text[: limit - 1] + "…")


def plain(value: object, name: str = "") -> Any:
    """What JSON can carry. `name` is the field it stands in, which says whether it is an amount or a symbol."""
    if isinstance(value, str):
        return printable(value, SYMBOL_CHARS if name.startswith("symbol") else TEXT_CHARS)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return str(value) if name.endswith(("_wei", "_units")) else value
    if isinstance(value, Mapping):
        return {printable(str(key)): plain(item, name) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item, name) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name), name) for name in _fields(type(value))}
    raise TypeError(f"the dashboard cannot show {type(value).__name__}")


def encoded(document: object) -> bytes:
    """JSON of what `plain` gave. Not-a-number becomes null."""
    return orjson.dumps(document)


@lru_cache(maxsize=64)
def _fields(type_: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(type_))
