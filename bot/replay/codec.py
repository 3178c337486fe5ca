"""Values of a run as JSON and back: plain values, exact numbers, and this program's own dataclasses and enums.

Nothing else can be read back, and reading runs no code but the constructors of those classes.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Any

from chains.codec.views import LogsView

_JSON_INTEGERS = range(-(2**53) + 1, 2**53)
_OURS = ("bot.", "chains.", "strategies.")
_TAG = "$"


class Unreadable(ValueError):
    """A document that no value was written as."""


def encode(value: Any) -> Any:
    """`value` as a JSON document. What cannot be read back is written as text, marked so."""
    if value is None or type(value) in (str, bool):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {_TAG: "float", "v": repr(value)}
    if type(value) is int:
        return value if value in _JSON_INTEGERS else {_TAG: "int", "v": hex(value)}
    if isinstance(value, bytes | bytearray):
        return {_TAG: "bytes", "v": base64.b64encode(value).decode()}
    if isinstance(value, Enum):
        return {_TAG: "enum", "c": _name(type(value)), "v": value.name}
    if type(value) is list:
        return [encode(item) for item in value]
    if type(value) is tuple or isinstance(value, LogsView):
        return {_TAG: "tuple", "v": [encode(item) for item in value]}
    if isinstance(value, Decimal | Fraction):
        return {_TAG: type(value).__name__, "v": str(value)}
    if isinstance(value, frozenset | set):
        return {_TAG: "set", "v": sorted((encode(item) for item in value), key=repr)}
    if isinstance(value, Mapping):
        return {_TAG: "map", "v": [[encode(key), encode(item)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and type(value).__module__.startswith(_OURS):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return {_TAG: "data", "c": _name(type(value)), "v": {name: encode(getattr(value, name)) for name in fields}}
    return {_TAG: "text", "v": f"{type(value).__name__}: {value}"}


def decode(document: Any) -> Any:
    """The inverse of `encode`. Raises `Unreadable`."""
    if isinstance(document, list):
        return [decode(item) for item in document]
    if not isinstance(document, dict):
        return document
    try:
        tag, content = document[_TAG], document["v"]
        match tag:
            case "int":
                return int(content, 16)
            case "float":
                return float(content)
            case "bytes":
                return base64.b64decode(content, validate=True)
            case "tuple":
                return tuple(decode(item) for item in content)
            case "Decimal":
                return Decimal(content)
            case "Fraction":
                return Fraction(content)
            case "set":
                return frozenset(decode(item) for item in content)
            case "map":
                return {decode(key): decode(item) for key, item in content}
            case "enum":
                return _class(document["c"], Enum)[content]
            case "data":
                return _class(document["c"], object)(**{name: decode(item) for name, item in content.items()})
            case "text":
                return content
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise Unreadable(f"not a recorded value ({type(error).__name__}: {error})") from None
    raise Unreadable(f"not a recorded value: it is tagged {tag!r}")


def encode_error(error: Exception) -> Any:
    """An exception, as far as those who catch it can tell: its class, what it says, and what it carries."""
    carried = {name: encode(item) for name, item in getattr(error, "__dict__", {}).items() if not name.startswith("_")}
    return {"c": _name(type(error)), "a": [encode(item) for item in error.args], "v": carried}


def decode_error(document: Any) -> Exception:
    """The inverse of `encode_error`. Raises `Unreadable`."""
    try:
        kind = _class(document["c"], Exception)
        error: Exception = kind.__new__(kind)
        error.args = tuple(decode(item) for item in document["a"])
        for name, item in document["v"].items():
            setattr(error, name, decode(item))
    except (KeyError, TypeError, AttributeError) as trouble:
        raise Unreadable(f"not a recorded error ({trouble})") from None
    return error


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


@lru_cache
def _class(name: str, base: type) -> Any:
    module, _, path = name.partition(":")
    if not module.startswith(_OURS) and not (module == "builtins" and base is Exception):
        raise Unreadable(f"{name} is not of this program")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not isinstance(found, type) or not issubclass(found, base):
        raise Unreadable(f"{name} is no class that is written")
    if base is object and not dataclasses.is_dataclass(found):
        raise Unreadable(f"{name} is not a dataclass")
    return found
