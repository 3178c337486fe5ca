"""docs/configuration.md, written from the models so that it cannot differ from what is accepted."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.config.model import RunFile
from bot.config.reading import table_model
from bot.config.strategies import StrategyFile
from bot.config.writing import toml_value
from chains.assets import Amount

_HEADER = """# Configuration

A run is told everything by one run file, `isthmus.toml`, and one file per strategy. Both are TOML. Unknown keys are
refused, relative paths count from the file they are written in, and secrets are never written down: `env:NAME` or
`file:PATH` say where one is kept.

`isthmus init` writes a first set, `isthmus config check` checks it, `isthmus config show` prints what a run would use,
`isthmus config schema` prints the JSON Schema for editors. This page is printed by `isthmus config reference`.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [_HEADER, "## The run file: `isthmus.toml`\n", *_tables(RunFile)]
    parts += ["## A strategy file\n", *_tables(StrategyFile)]
    return "\n".join(parts)


def _tables(model: type[BaseModel]) -> Iterator[str]:
    """The table of a file's own keys, then one for each of its sections."""
    own = {name: field for name, field in model.model_fields.items() if not table_model(field.annotation)}
    yield _keys(own)
    for name, field in model.model_fields.items():
        section = table_model(field.annotation)
        if section:
            many = typing.get_origin(field.annotation) is tuple
            yield f"### `[[{name}]]`, once for each\n" if many else f"### `[{name}]`\n"
            yield f"{inspect.cleandoc(section.__doc__ or '')}\n"
            yield _keys(section.model_fields)
            for inner_name, inner in section.model_fields.items():
                entry = table_model(inner.annotation)
                if entry:
                    yield f"An entry of `{inner_name}`: {inspect.cleandoc(entry.__doc__ or '')}\n"
                    yield _keys(entry.model_fields)


def _keys(fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | default | example | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        example = f"`{toml_value(field.examples[0])}`" if field.examples else ""
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {_default(field)} | {example} | {meaning} |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}):
        return "–"
    return f"`{toml_value(str(value) if isinstance(value, Amount) else value)}`"
