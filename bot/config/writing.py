"""Plain values as TOML spells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any


def toml_value(value: Any) -> str:
    """A plain value as TOML spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, int | float | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def toml_lines(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Plain values as the lines of a TOML file, keys before tables."""
    tables: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            tables.append((f"[{name}{key}]", value))
        elif isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            tables += [(f"[[{name}{key}]]", item) for item in value]
        else:
            yield f"{key} = {toml_value(value)}"
    for header, inner in tables:
        yield ""
        yield header
        yield from toml_lines(inner, f"{header.strip('[]')}.")
