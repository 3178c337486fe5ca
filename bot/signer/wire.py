"""Dataclasses to strict JSON and back: integers and fractions as decimal strings, no key missing, none unknown.

Both what the signer is told over its socket and the policy it reads at start pass through here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

from chains.assets import Address, InvalidAddress, address

T = TypeVar("T")

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,77}")
_FRACTION = re.compile(r"(0|-?[1-9][0-9]{0,77})/([1-9][0-9]{0,77})")
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_KEY_SEPARATOR = ":"


class InvalidMessage(ValueError):
    """JSON that is not the expected value. One line that names the field."""


def encode(value: object) -> bytes:
    """Compact JSON with sorted keys."""
    return orjson.dumps(plain(value), option=orjson.OPT_SORT_KEYS)


def decode(kind: type[T], data: bytes) -> T:
    """The value of type `kind` that `data` spells. Raises `InvalidMessage`."""
    return parse(kind, read(data))


def read(data: bytes) -> Any:
    """Any JSON document. Raises `InvalidMessage`."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"not JSON: {error}") from None


def parse(kind: type[T], document: object) -> T:
    """The value of type `kind` that a JSON document spells. Raises `InvalidMessage`."""
    value: T = _parse(kind, document, kind.__name__)
    return value


def plain(value: object) -> Any:
    """What JSON can hold: integers become decimal strings, bytes hex, sets sorted lists."""
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_plain_key(key): plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"a message cannot hold {type(value).__name__}")


def _plain_key(key: object) -> str:
    return _KEY_SEPARATOR.join(map(str, key)) if isinstance(key, tuple) else str(key)


@lru_cache
def _field_kinds(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _parse(kind: Any, document: object, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _parse_dataclass(kind, document, where)
    if kind is int:
        return int(_text(document, where, _INTEGER, "an integer written as a decimal string"))
    if kind is Fraction:
        return _parse_fraction(document, where)
    if kind is bytes:
        return bytes.fromhex(_text(document, where, _HEX, "lower-case hex after 0x")[2:])
    if kind is float:
        return float(_instance(document, (int, float), where, "a number"))
    if kind is bool:
        return _instance(document, bool, where, "true or false")
    if kind is str:
        return _instance(document, str, where, "text")
    if kind is Address:
        return _parse_address(document, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _parse_enum(kind, document, where)
    return _parse_generic(kind, document, where)


def _parse_generic(kind: Any, document: object, where: str) -> Any:
    arguments = get_args(kind)
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        (present,) = (argument for argument in arguments if argument is not NoneType)
        return None if document is None else _parse(present, document, where)
    if origin in (tuple, frozenset):
        items = _instance(document, list, where, "a list")
        return origin(_parse(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if origin is Mapping:
        key_kind, item_kind = arguments
        entries = _instance(document, dict, where, "an object")
        return {
            _parse_key(key_kind, key, where): _parse(item_kind, item, f"{where}.{key}") for key, item in entries.items()
        }
    raise TypeError(f"{where}: no wire form for {kind}")


def _parse_key(kind: Any, key: str, where: str) -> Any:
    if get_origin(kind) is not tuple:
        return _parse(kind, key, f"{where}.{key}")
    kinds, parts = get_args(kind), key.split(_KEY_SEPARATOR)
    if len(kinds) != len(parts):
        raise InvalidMessage(f"{where}.{key}: expected {len(kinds)} parts joined by '{_KEY_SEPARATOR}'")
    return tuple(_parse(part_kind, part, f"{where}.{key}") for part_kind, part in zip(kinds, parts, strict=True))


def _parse_dataclass(kind: type, document: object, where: str) -> Any:
    entries = _instance(document, dict, where, "an object")
    kinds = _field_kinds(kind)
    if unknown := sorted(entries.keys() - kinds.keys()):
        raise InvalidMessage(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(kinds))}")
    if missing := sorted(kinds.keys() - entries.keys()):
        raise InvalidMessage(f"{where}: {missing[0]!r} is missing")
    return kind(**{name: _parse(kinds[name], item, f"{where}.{name}") for name, item in entries.items()})


def _parse_address(document: object, where: str) -> Address:
    text = _instance(document, str, where, "an address")
    try:
        canonical = address(text)
    except InvalidAddress as error:
        raise InvalidMessage(f"{where}: {error}") from None
    if canonical != text:
        raise InvalidMessage(f"{where}: {text} is not in EIP-55 form; write {canonical}")
    return canonical


def _parse_fraction(document: object, where: str) -> Fraction:
    expected = "a fraction in lowest terms, such as '1/5000'"
    text = _text(document, where, _FRACTION, expected)
    value = Fraction(text)
    if plain(value) != text:
        raise InvalidMessage(f"{where}: {_shown(text)} is not {expected}")
    return value


def _parse_enum(kind: type[StrEnum], document: object, where: str) -> StrEnum:
    text = _instance(document, str, where, "text")
    if text not in kind.__members__.values():
        raise InvalidMessage(f"{where}: {text!r} is none of {', '.join(kind)}")
    return kind(text)


def _text(document: object, where: str, pattern: re.Pattern[str], expected: str) -> str:
    text = _instance(document, str, where, expected)
    if not pattern.fullmatch(text):
        raise InvalidMessage(f"{where}: {_shown(text)} is not {expected}")
    return str(text)


def _instance(document: object, kinds: Any, where: str, expected: str) -> Any:
    if not isinstance(document, kinds) or (isinstance(document, bool) and kinds is not bool):
        raise InvalidMessage(f"{where}: {_shown(document)} is not {expected}")
    return document


def _shown(document: object) -> str:
    text = repr(document)
    return text if len(text) <= 80 else f"{text[:77]}..."
