"""JSON Schema (draft 2020-12) of both kinds of file, for editors that complete and check TOML."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from bot.config.model import RunFile
from bot.config.strategies import StrategyFile
from bot.config.values import AMOUNT_PATTERN
from chains.assets import Amount

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PARAMETER_KINDS: Mapping[Any, Mapping[str, Any]] = types.MappingProxyType(
    {
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        float: {"type": "number"},
        Decimal: {"type": "number"},
        str: {"type": "string"},
        Amount: {"type": "string", "pattern": AMOUNT_PATTERN},
    }
)


def run_schema() -> dict[str, Any]:
    """The schema of `isthmus.toml`."""
    return _schema(RunFile)


def strategy_schema(parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema of a strategy file; with a class's `parameters` (name to type), of that strategy's file."""
    schema = _schema(StrategyFile)
    if parameters is not None:
        schema["properties"]["parameters"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: parameter_schema(kind) for name, kind in parameters.items()},
        }
    return schema


def parameter_schema(kind: Any) -> dict[str, Any]:
    """The schema of one strategy parameter."""
    if typing.get_origin(kind) in (list, tuple):
        item = next(iter(typing.get_args(kind)), str)
        return {"type": "array", "items": parameter_schema(item)}
    if typing.get_origin(kind) is typing.Literal:
        return {"enum": list(typing.get_args(kind))}
    return dict(_PARAMETER_KINDS.get(kind, {}))


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": DIALECT, **model.model_json_schema(mode="validation")}
